"""Bars: what they show, and where lines of text are shown instead."""

import io
import sys

import numpy as np
import pytest

from convexrelu import ConvexReLURegressor, ConvexReLURegressorCV
from convexrelu.callbacks import bars
from convexrelu.estimators import watching
from convexrelu.oracles import ProofProgress
from tests.results.test_progress import entry

rich = pytest.importorskip("rich.console", reason="draws the bars")

X = np.linspace(-1, 1, 16)[:, None]
Y = np.abs(X[:, 0])


def terminal():
    return rich.Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)


@pytest.fixture
def console(monkeypatch):
    made = terminal()
    monkeypatch.setattr(watching, "console_for_bars", lambda: made)
    return made


def test_a_fit_fills_its_bar_in_logarithms():
    console = terminal()
    with bars.FitBar(console, 1e-4) as bar:
        bar(entry(relative_gap=1.0, is_proof=False, width=1))
        assert bar._progress.tasks[0].completed == 0
        bar(entry(relative_gap=1e-2))
        assert bar._progress.tasks[0].completed == pytest.approx(0.5)
    text = console.file.getvalue()
    assert "gap 1.0e-02 → 1e-04 (proved), 12 neurons" in text


def test_a_long_proof_is_text_beside_the_bar():
    console = terminal()
    with bars.FitBar(console, 1e-4) as bar:
        bar(entry(relative_gap=1.0))
        bar(entry(relative_gap=1e-2))
        bar.proof(ProofProgress(30.0, 0.5, 4000, 4000.0, 2.0, 1.0))
        assert bar._progress.tasks[0].completed == pytest.approx(0.5)
    assert "proof: 50.0 % of all directions closed" in console.file.getvalue()


def test_callbacks_see_long_proofs_if_they_take_them(console):
    class Seeing:
        def __call__(self, entry):
            pass

        def proof(self, entry):
            seen.append(entry)

    seen = []
    model = ConvexReLURegressor(verbose=1, callbacks=[Seeing(), lambda entry: None])
    with watching.watched(model) as progress:
        progress.proof(ProofProgress(30.0, 0.5, 4000, 4000.0, 2.0, 1.0))
    assert "50.0 %" in console.file.getvalue() and len(seen) == 1


@pytest.mark.parametrize("first", [0.0, 1e-5, 1.0, np.inf])
@pytest.mark.parametrize("now", [0.0, 1e-5, 1.0, np.inf])
@pytest.mark.parametrize("tol", [0.0, 1e-3])
def test_shares_are_shares(first, now, tol):
    assert 0 <= bars.share_of_way(first, now, tol) <= 1
    assert (bars.share_of_way(first, now, tol) == 1) == (now <= max(tol, 1e-12))


def test_an_estimator_shows_a_bar_at_1_and_lines_at_2(console, capsys):
    model = ConvexReLURegressor(random_state=0, verbose=1).fit(X, Y)
    assert f"gap {model.certificate_.relative_gap:.1e} → 1e-03 (proved)" in console.file.getvalue()
    assert capsys.readouterr().out == ""
    console.file.truncate(0)
    model.set_params(verbose=2).fit(X, Y)
    assert console.file.getvalue().strip("\0") == ""
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(model.history_)


def test_a_cross_validation_has_a_bar_of_its_own(console, capsys):
    model = ConvexReLURegressorCV(alphas=[0.1, 0.01], cv=2, random_state=0, verbose=1).fit(X, Y)
    text = console.file.getvalue()
    assert f"penalty 2 of 2 in 2 folds, best so far: alpha {model.alpha_:.2g}" in text
    assert "(proved)" in text and capsys.readouterr().out == ""


def test_folds_have_lines_at_2(capsys):
    ConvexReLURegressorCV(alphas=[0.1, 0.01], cv=2, random_state=0, verbose=2).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("penalty 1 of 2, fold 1 of 2: score ")
    assert lines[2].startswith("penalty 1 of 2: alpha 0.1, mean score ")


def test_a_bar_ends_with_an_error(console):
    def fails(entry):
        raise ZeroDivisionError("by a callback")

    with pytest.raises(ZeroDivisionError):
        ConvexReLURegressor(verbose=1, callbacks=[fails]).fit(X, Y)
    assert console._live_stack == [] if hasattr(console, "_live_stack") else console._live is None


def test_no_bars_without_a_terminal_or_rich(monkeypatch):
    assert bars.console_for_bars() is None  # the tests have none
    monkeypatch.setenv("FORCE_COLOR", "1")  # with which rich takes everything for a terminal
    monkeypatch.setenv("TERM", "xterm")
    assert bars.console_for_bars() is not None
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert bars.console_for_bars() is None
