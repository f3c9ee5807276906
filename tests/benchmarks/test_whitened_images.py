"""The formulas of the paper for whitened rows, and that SGD minimises what it is judged by."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from benchmarks.paper.whitened_images import (
    BETA,
    QUICK,
    RATES,
    closed_form,
    descend,
    problem_of,
    whitened_images,
)


@pytest.fixture(scope="module")
def data():
    return whitened_images(*load_digits(return_X_y=True), QUICK)


def _optimum(labels, loss):
    """``Σ_k (beta √n_k − beta²/2)``, and ``beta (√n_+ + √n_−)``."""
    if loss == "hinge":
        odd = int((labels % 2).sum())
        return BETA * (np.sqrt(odd) + np.sqrt(len(labels) - odd))
    sizes = np.unique(labels, return_counts=True)[1]
    return float(np.sum(BETA * np.sqrt(sizes) - BETA**2 / 2))


def test_rows_are_orthonormal(data):
    X, _ = data
    assert X.shape == (QUICK.n, QUICK.d)
    np.testing.assert_allclose(X @ X.T, np.eye(QUICK.n), atol=1e-12)


@pytest.mark.parametrize("loss", RATES)
def test_the_optimum_is_that_of_the_paper_and_proved(data, loss, monkeypatch):
    # Once, for the time is not looked at.
    module = "benchmarks.paper.whitened_images"
    monkeypatch.setattr(f"{module}.median_seconds", lambda run, repeats: (0.0, run()))
    row = closed_form(problem_of(*data, loss))
    assert row["bound is"] == "proved"
    assert float(row["bound"]) == pytest.approx(_optimum(data[1], loss), rel=1e-8)
    assert float(row["best"]) == pytest.approx(_optimum(data[1], loss), rel=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("loss", RATES)
def test_descent_falls_towards_the_optimum_and_not_below(data, loss):
    scale = QUICK._replace(epochs=300)
    trace = descend(problem_of(*data, loss), scale, RATES[loss][-1], 0)
    optimum = _optimum(data[1], loss)
    assert (trace[0]["epoch"], trace[-1]["epoch"]) == (0, 300)
    assert optimum < trace[-1]["objective"] < 0.01 * trace[0]["objective"]


def test_a_diverged_trial_is_infinitely_bad(data):
    trace = descend(problem_of(*data, "squared_error"), QUICK, 100.0, 0)
    assert trace[-1]["objective"] == np.inf
