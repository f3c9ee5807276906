"""The demonstration, with few steps."""

import matplotlib

matplotlib.use("Agg")

import sys
from functools import partial

import numpy as np
import pytest

from convexrelu import ConvexReLURegressor, __main__, demo
from tests import reference

X, Y = reference.teacher(40, 3, 2, 0.1, 0)


@pytest.mark.parametrize(("optimiser", "rate"), [("SGD", 0.05), ("Adam", 0.01)])
def test_gradients_lower_the_objective_of_the_network(optimiser, rate):
    run = demo.train_by_gradients(X, Y, 0.01, optimiser=optimiser, rate=rate, width=20, steps=100)
    assert run.objectives.shape == run.seconds.shape == (6,)
    assert (np.diff(run.seconds) > 0).all()
    assert run.objectives[-1] < 0.7 * run.objectives[0]
    assert (run.network.width, run.network.n_features) == (20, 3)
    independent = reference.network_objective(run.network, X, Y, 0.01)
    assert run.objectives[-1] == pytest.approx(independent, rel=1e-12)
    assert optimiser in run.name and f"{rate:g}" in run.name


def test_gradient_runs_are_fixed_by_their_seed():
    options = {"optimiser": "SGD", "rate": 0.05, "width": 5, "steps": 20}
    first, again = (demo.train_by_gradients(X, Y, 0.01, **options, seed=1) for _ in range(2))
    other = demo.train_by_gradients(X, Y, 0.01, **options, seed=2)
    np.testing.assert_array_equal(first.objectives, again.objectives)
    assert first.objectives[0] != other.objectives[0]


def test_best_run_is_the_lowest_that_did_not_diverge(monkeypatch):
    made = []

    def fake(X, y, alpha, *, optimiser, rate, **options):
        objective = {0.1: 2.0, 0.2: 1.0, 0.3: np.nan}[rate]
        seconds, objectives = np.array([0.0, 10 * rate]), np.array([5.0, objective])
        made.append(demo.GradientRun(f"{rate}", None, seconds, objectives))
        return made[-1]

    monkeypatch.setattr(demo, "RATES", {"SGD": (0.1, 0.2, 0.3)})
    monkeypatch.setattr(demo, "train_by_gradients", fake)
    best, seconds = demo.best_run(X, Y, 0.01, "SGD")
    assert best is made[1] and seconds == pytest.approx(6.0)


def test_the_data_are_standardised():
    inputs, targets = demo.diabetes()
    assert inputs.shape == (442, 10) and targets.shape == (442,)
    assert targets.mean() == pytest.approx(0, abs=1e-12) and targets.std() == pytest.approx(1)


def run_briefly(monkeypatch):
    def few_steps(*args, **options):
        return original(*args, **options, steps=20)

    original, (inputs, targets) = demo.train_by_gradients, demo.diabetes()
    monkeypatch.setattr(demo, "train_by_gradients", few_steps)
    monkeypatch.setattr(demo, "diabetes", lambda: (inputs[:50], targets[:50]))
    monkeypatch.setattr(demo, "RATES", {"SGD": (0.03,), "Adam": (0.01,)})
    monkeypatch.setattr(demo, "ALPHA", 0.3)


@pytest.mark.slow
def test_main_prints_the_table_and_saves_the_plot(monkeypatch, tmp_path, capsys):
    run_briefly(monkeypatch)
    path = tmp_path / "plot.png"
    demo.main(path, verbose=0)
    out = capsys.readouterr().out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    objectives = [float(rows[name][-4]) for name in ("convexrelu", "SGD,", "Adam,")]
    assert objectives[0] == min(objectives)
    assert float(rows["convexrelu"][2]) <= 1e-3  # above the bound
    assert "50 samples, 10 features, alpha = 0.3" in out
    assert "Linear" in out and "body-mass index alone: within" in out
    assert f"plot saved to {path}" in out
    assert path.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_plot_is_left_out(monkeypatch, tmp_path, capsys):
    """It is looked for at the start; what takes time is left out here."""
    run_briefly(monkeypatch)
    for name in ("best_run", "_print_table", "_check_export", "_one_feature_with_proof"):
        monkeypatch.setattr(demo, name, lambda *args: None)
    quick = partial(ConvexReLURegressor, effort="predict", max_iter=1)
    monkeypatch.setattr(demo, "ConvexReLURegressor", quick)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: None)
    path = tmp_path / "plot.png"
    demo.main(path, verbose=0)
    out = capsys.readouterr().out
    assert out.startswith("no plot without matplotlib") and "plot saved" not in out
    assert not path.exists()


def test_the_command_line_runs_it(monkeypatch, tmp_path, capsys):
    seen = []
    monkeypatch.setattr(demo, "main", lambda path, *, verbose: seen.append((path, verbose)))
    path = tmp_path / "plot.png"
    for quiet in ([], ["--quiet"]):
        monkeypatch.setattr(sys, "argv", ["convexrelu", "demo", "--plot", str(path), *quiet])
        __main__.main()
    assert seen == [(path, 1), (path, 0)]
