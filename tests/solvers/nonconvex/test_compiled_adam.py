"""Compiled steps of Adam against those of NumPy."""

import numpy as np
import pytest
from scipy.linalg import cython_blas

from convexrelu import TrainingProblem
from convexrelu.solvers.nonconvex import hidden_layer, minibatches
from convexrelu.solvers.nonconvex.compiled_adam import CompiledAdam
from convexrelu.solvers.nonconvex.rounded_objective import RoundedObjective
from convexrelu.solvers.nonconvex.tile_sums import Samples

pytestmark = pytest.mark.skipif(not hidden_layer.is_compiled(), reason="not compiled")

RANDOM = np.random.RandomState(2)
N, BATCH = 90, 7
X = RANDOM.standard_normal((N, 5))
SIGNAL = np.abs(X[:, 0]) - 0.5 * X[:, 1] + 0.1 * RANDOM.standard_normal(N)
WEIGHTS = RANDOM.uniform(0.5, 2, N)
CONSTANTS = {"decays": (0.9, 0.999), "tiny": 1e-8}
CASES = {
    "one output": (SIGNAL, {}),
    "two outputs": (np.column_stack([SIGNAL, -(SIGNAL**2)]), {"activation": "leaky_relu"}),
    "free biases": (SIGNAL, {"hidden_bias": "free", "sample_weight": WEIGHTS}),
    "absolute value": (SIGNAL, {"activation": "absolute_value", "fit_intercept": False}),
}


@pytest.fixture(params=[True, False], ids=["own products", "blas"], autouse=True)
def may_own(request, monkeypatch):
    monkeypatch.setattr(hidden_layer, "_MAY_OWN", request.param)


def both(case, n_neurons=13, inputs=X):
    y, options = CASES[case]
    objective = RoundedObjective(
        TrainingProblem(inputs, y, 0.01, **options), n_neurons, is_single=False
    )
    z = objective.random_point(np.random.RandomState(0))
    weights = objective.weights * (N / BATCH)
    samples = Samples(objective.rows, objective.target, weights)
    return CompiledAdam(objective, samples, z, batch=BATCH, **CONSTANTS), minibatches._Adam(
        objective, samples, z
    )


@pytest.mark.parametrize("case", CASES)
def test_steps_are_those_of_numpy(case):
    compiled, numpy = both(case)
    before = numpy.point.copy()
    starts = np.random.RandomState(1).randint(N - BATCH + 1, size=6).tolist()
    batches = [slice(start, start + BATCH) for start in [N - BATCH, *starts]]
    sizes = np.linspace(2e-2, 1e-2, len(batches)).tolist()
    compiled.steps(batches[:3], sizes[:3])
    compiled.steps(batches[3:], sizes[3:])
    numpy.steps(batches, sizes)
    moved = np.abs(numpy.point - before)
    assert moved.max() > 1e-2
    # In the other precision: a gradient that is nearly zero may have the other sign, and steps have its sign.
    apart = np.abs(compiled.point - numpy.point)
    assert np.quantile(apart, 0.95) < 1e-4
    assert apart.max() < 2 * sum(sizes)
    if case == "absolute value":
        assert compiled.point[-1] == before[-1]


def test_neurons_without_weights_stay():
    """And without any feature that varies."""
    compiled, _ = both("one output", inputs=np.ones((N, 2)))
    compiled.steps([slice(0, BATCH)] * 3, [1e-2] * 3)
    assert np.isfinite(compiled.point).all()


def test_points_that_were_given_stay():
    compiled, _ = both("one output")
    before = compiled.point
    compiled.steps([slice(0, BATCH)], [1e-2])
    assert np.abs(compiled.point - before).max() > 1e-3
    np.testing.assert_array_equal(both("one output")[0].point, before)


def test_compiled_code_takes_no_arrays_that_do_not_fit():
    """It would read and write beyond their ends."""
    n, d, m, n_outputs = 2, 3, 5, 1
    size = m * (d + n_outputs) + n_outputs
    gemm = cython_blas.__pyx_capi__["dgemm"]
    arrays = [
        *(np.ones((4, d)), np.ones((4, n_outputs)), np.ones(4)),
        *(np.array([0, 2]), np.ones((2, 2)), np.ones(size), np.ones((3, size))),
    ]

    def steps(arrays, is_single=False):
        sizes = n, d, m, n_outputs
        hidden_layer._kinks.adam(
            gemm, is_single, True, 0.0, *sizes, 1e-6, (0.9, 0.999, 1e-8), True, *arrays
        )

    steps(arrays)
    for place, array in enumerate(arrays):
        wrong = [*arrays]
        wrong[place] = array.ravel()[:-1].copy()
        with pytest.raises(ValueError, match="shapes"):
            steps(wrong)
    for start in (-1, 3):
        wrong = [*arrays]
        wrong[3] = np.array([0, start])
        with pytest.raises(ValueError, match="shapes"):
            steps(wrong)
    with pytest.raises(ValueError, match="type"):
        steps(arrays, is_single=True)
