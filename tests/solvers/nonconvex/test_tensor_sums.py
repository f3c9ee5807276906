"""The smoothed objective on a device is that of NumPy."""

import numpy as np
import pytest

from convexrelu import TrainingProblem
from convexrelu.solvers.nonconvex import minibatches, rounded_objective
from convexrelu.solvers.nonconvex.descent import descents
from convexrelu.solvers.nonconvex.minibatches import minibatch_descent
from convexrelu.solvers.nonconvex.rounded_objective import RoundedObjective

RANDOM = np.random.RandomState(1)
N = 150
X = RANDOM.standard_normal((N, 3))
SIGNAL = np.abs(X[:, 0]) - 0.5 * X[:, 1] + 0.1 * RANDOM.standard_normal(N)
WEIGHTS = RANDOM.uniform(0.5, 2, N)
CASES = {
    "squared": (SIGNAL, {}),
    "two outputs": (np.column_stack([SIGNAL, -SIGNAL]), {"activation": "leaky_relu"}),
    "free biases": (SIGNAL, {"hidden_bias": "free", "sample_weight": WEIGHTS}),
    "absolute value": (SIGNAL, {"activation": "absolute_value", "fit_intercept": False}),
    "kinks": (SIGNAL, {"loss": "absolute_error"}),
    "classes": (np.digitize(SIGNAL, [0.0, 1.0]) + 0.0, {"loss": "multinomial"}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("single", [False, True])
def test_values_and_gradients(monkeypatch, case, single, device):
    y, options = CASES[case]
    problem = TrainingProblem(X, y, 0.01, **options)
    # Beyond this size there are devices: at first products in double precision, for comparison.
    monkeypatch.setattr(rounded_objective, "_LARGE", 0)
    monkeypatch.setattr(rounded_objective, "_ON_DEVICE", 1000)  # twenty rows at a time
    ours = RoundedObjective(problem, 50, device=device)
    assert len(ours._on_device) == 8
    for sums in ours._on_device:
        if not single:
            monkeypatch.setattr(sums, "_dtype", sums._columns.dtype)
    monkeypatch.setattr(rounded_objective, "_LARGE", 10**9)
    expected = RoundedObjective(problem, 50)
    z = expected.random_point(np.random.RandomState(0))
    value, gradient = ours(z, 0.05)
    true_value, true_gradient = expected(z, 0.05)
    rounding = 1e-5 if single else 1e-11
    assert value == pytest.approx(true_value, rel=rounding)
    assert np.abs(gradient - true_gradient).max() <= rounding * np.abs(true_gradient).max()


@pytest.mark.parametrize("case", CASES)
def test_steps_on_batches(monkeypatch, case, device):
    y, options = CASES[case]
    problem = TrainingProblem(X, y, 0.01, **options)
    ends = []
    for each in ("cpu", device):
        objective = RoundedObjective(problem, 50, device=each)
        z = objective.random_point(np.random.RandomState(0))
        monkeypatch.setattr(minibatches, "_WORTH_SENDING", 0)
        monkeypatch.setattr(minibatches, "_FEWEST_STEPS", 5)
        ends.append(minibatch_descent(objective, z, np.random.RandomState(1)))
    here, there = ends
    assert np.abs(there - here).max() <= 1e-3 * np.abs(here).max()
    assert np.abs(here - z).max() > 1e-2 * np.abs(here).max()


def test_descent(device):
    problem = TrainingProblem(X, SIGNAL, 0.01)
    assert RoundedObjective(problem, 200, device=device)._on_device is not None
    *_, there = descents(problem, np.random.RandomState(0), device=device)
    *_, here = descents(problem, np.random.RandomState(0))
    assert problem.objective(there) == pytest.approx(problem.objective(here), rel=1e-2)


def test_few_samples_stay_here():
    problem = TrainingProblem(X, SIGNAL, 0.01)
    assert RoundedObjective(problem, 50, device="cpu:0")._on_device is None
