"""Ctrl-C at moments that are spread over a fit: the old state whole, or a whole new one. No thread or setting is left.

Moments are numbers of function calls, so that they are the same on every machine. The attack of
`benchmarks/soundness/interruptions.py`, whose judgements these are, draws them in time.
"""

import gc
import signal
import sys
from collections import Counter
from contextlib import contextmanager, redirect_stdout
from functools import cache
from io import StringIO

import numpy as np
import pytest

from benchmarks.soundness.interruption_cases import estimator_case
from benchmarks.soundness.interruptions import attack, interrupted
from convexrelu import ConvexReLUClassifier, ConvexReLURegressor, ConvexReLURegressorCV

X = np.linspace(-1, 1, 14)[:, None]
Y = np.abs(X[:, 0])
OTHER = np.hstack([X, X**2])

MODELS = {
    "pruned": (ConvexReLURegressor, {"minimal": True}, Y),
    "classes": (ConvexReLUClassifier, {"effort": "predict"}, Y > 0.5),
    "threshold": (ConvexReLURegressor, {"activation": "threshold"}, Y),
    "sampled": (ConvexReLURegressor, {"patterns": "sampled", "n_patterns": 5}, Y),
    "line": (ConvexReLURegressor, {"hidden_bias": "free"}, Y),
    "chosen": (ConvexReLURegressorCV, {"alphas": [0.1], "cv": 2}, Y),
}


@pytest.fixture(autouse=True)
def _keyboard():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()  # callbacks of others would swallow an interruption
    yield
    gc.enable()
    signal.signal(signal.SIGINT, before)


@contextmanager
def counted(calls, interrupted_at=()):
    """Append to `calls` at every call of a function, and interrupt some of them."""

    def note(frame, event, argument):
        if event == "call":
            calls.append(None)
            if len(calls) in interrupted_at:
                signal.raise_signal(signal.SIGINT)

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("part", [0.5, 0.95, 0.15])
@pytest.mark.parametrize("name", MODELS)
def test_a_fit_interrupted_anywhere(name, part):
    model, y = model_and_targets(name)
    with redirect_stdout(StringIO()):
        model.fit(OTHER, y)
    moment = int(part * n_calls(name))
    twice = {moment, moment + 40}
    complaints, _ = interrupted(estimator_case(name, model, X, y), counted([], twice))
    assert not complaints


def model_and_targets(name):
    kind, options, y = MODELS[name]
    model = kind(random_state=0, verbose=1, **options)
    return model.set_params(alpha=0.05) if hasattr(model, "alpha") else model, y


@cache
def n_calls(name):
    """Calls of a whole fit, once everything is imported."""
    model, y = model_and_targets(name)
    calls = []
    interrupted(estimator_case(name, model, X, y), counted(calls))
    return len(calls)


def test_the_attack_counts_what_it_does():
    if not hasattr(signal, "setitimer"):
        pytest.skip("needs the timers of POSIX")
    tally = Counter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.soundness.interruptions.MAKERS", (_small,))
        findings = list(attack(0, 0.1, tally))
    assert not any(findings) and len(findings) == sum(tally.values()) > 0


def _small(rng):
    return estimator_case("small", ConvexReLURegressor(0.1, random_state=0), X, Y)
