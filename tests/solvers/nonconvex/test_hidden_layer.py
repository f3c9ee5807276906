"""The hidden layer of descent against its formulas, in compiled code and in NumPy."""

import numpy as np
import pytest
from scipy.linalg import cython_blas

from convexrelu.solvers.nonconvex import hidden_layer as module

COMPILED = module._kinks
needs_compiled = pytest.mark.skipif(not COMPILED, reason="not compiled")
KINDS = [
    "numpy",
    pytest.param("blas", marks=needs_compiled),
    pytest.param(
        "compiled", marks=needs_compiled
    ),  # without BLAS where the processor is made for it
]
EPS = {np.float32: 2.0**-24, np.float64: 2.0**-53}


@pytest.fixture(params=KINDS, autouse=True)
def kind(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(module, "_kinks", None)
    monkeypatch.setattr(module, "_MAY_OWN", request.param == "compiled")


def layer_of(n, dim, m, n_outputs, slope, dtype):
    random = np.random.RandomState(7 * n + 5 * dim + 3 * m + n_outputs)
    inner, outer = random.standard_normal((m, dim)), random.standard_normal((m, n_outputs))
    s = 0.5 + random.random_sample(m)
    rows = random.standard_normal((n, dim)).astype(dtype)
    pull = random.standard_normal((n, n_outputs))
    return module.HiddenLayer(inner, outer, s, slope, dtype), inner, outer, s, rows, pull


def gradients_of(layer, rows, t, pull, s):
    """In inner weights at a fixed `s`, in outer weights, and in `s`."""
    (_, dim), (_, n_outputs) = rows.shape, pull.shape
    sums = np.zeros(layer.n_gradients + n_outputs + 1)
    layer.gradients(rows, t, pull, sums)
    assert not sums[layer.n_gradients :].any()
    by_width, by_outer, by_inner, _, _ = module.split_sums(sums, dim, n_outputs)
    return by_inner, s[:, None] * by_outer, by_width


def smoothed(x, s, slope):
    """``φ_s``, by its definition."""
    bent = np.where(np.abs(x) <= s, (x + s) ** 2 / (4 * s), np.maximum(x, 0.0))
    return slope * x + (1 - slope) * bent


CASES = [
    (1, 1, 1, 1, 0.0, np.float64),
    (7, 3, 15, 1, 0.25, np.float64),
    (40, 5, 17, 2, -1.0, np.float64),
    (30, 4, 16, 3, 0.0, np.float32),
    (9000, 2, 33, 1, 0.1, np.float32),  # several tiles
    (9000, 3, 31, 2, 0.0, np.float64),
    (13, 8, 40, 1, 0.0, np.float32),
    (11, 21, 50, 2, 0.3, np.float64),
    (5, 48, 16, 1, 0.0, np.float32),
    (5, 49, 16, 1, 0.0, np.float32),  # many features
]


@pytest.mark.parametrize(("n", "dim", "m", "n_outputs", "slope", "dtype"), CASES)
def test_outputs_and_gradients_are_those_of_the_formulas(n, dim, m, n_outputs, slope, dtype):
    layer, inner, outer, s, rows, pull = layer_of(n, dim, m, n_outputs, slope, dtype)
    t = np.empty((n, layer.width), dtype)
    outputs = layer.outputs(rows, t)
    x = rows.astype(np.float64) @ inner.T
    hidden = smoothed(x, s, slope)
    size = 40 * (m + dim) * EPS[dtype]
    np.testing.assert_allclose(outputs, hidden @ outer, rtol=size, atol=size)

    by_inner, by_outer, by_width = gradients_of(layer, rows, t, pull, s)
    p = np.clip((x + s) / (2 * s), 0.0, 1.0)
    pulled = pull @ outer.T
    wanted = (
        ((slope + (1 - slope) * p) * pulled).T @ rows.astype(np.float64),
        hidden.T @ pull,
        ((1 - slope) * p * (1 - p) * pulled).sum(axis=0),
    )
    # Errors of sums of n terms of random signs grow like their root.
    size = 200 * np.sqrt(n) * (m + dim) * EPS[dtype]
    for found, exact in zip((by_inner, by_outer, by_width), wanted, strict=True):
        assert found.dtype == np.float64 and found.shape == exact.shape
        np.testing.assert_allclose(found, exact, rtol=size, atol=size)


def test_gradients_are_those_of_the_outputs():
    """Along a line through all weights, by differences."""
    n, dim, m, n_outputs, slope = 6, 3, 5, 2, 0.2
    layer, inner, outer, s, rows, pull = layer_of(n, dim, m, n_outputs, slope, np.float64)
    random = np.random.RandomState(1)
    steps = [random.standard_normal(each.shape) for each in (inner, outer, s)]
    step = 1e-5

    def value(by):
        moved = [each + by * step for each, step in zip((inner, outer, s), steps, strict=True)]
        other = module.HiddenLayer(*moved, slope, np.float64)
        return np.vdot(other.outputs(rows, np.empty((n, other.width))), pull)

    t = np.empty((n, layer.width))
    layer.outputs(rows, t)
    slopes = sum(map(np.vdot, gradients_of(layer, rows, t, pull, s), steps))
    assert slopes == pytest.approx((value(step) - value(-step)) / (2 * step), rel=1e-7)


@needs_compiled
@pytest.mark.parametrize(("n", "dim", "m", "n_outputs", "slope", "dtype"), CASES)
def test_least_squares_are_outputs_a_loss_and_gradients(n, dim, m, n_outputs, slope, dtype):
    layer, _, _, s, rows, _ = layer_of(n, dim, m, n_outputs, slope, dtype)
    random = np.random.RandomState(3)
    target, intercept = random.standard_normal((n, n_outputs)), random.standard_normal(n_outputs)
    weights = random.random_sample(n) / n
    if not module.is_compiled():
        return  # tile_sums then goes forward and back
    sums = layer.least_squares(rows, target, weights, intercept)
    by_width, by_outer, by_inner, by_intercept, value = module.split_sums(sums, dim, n_outputs)
    by_outer = s[:, None] * by_outer

    t = np.empty((n, layer.width), dtype)
    rest = layer.outputs(rows, t) + intercept - target
    pull = weights[:, None] * rest
    wanted = gradients_of(layer, rows, t, pull, s)
    assert value == pytest.approx(0.5 * float(np.vdot(pull, rest)), rel=1e-12)
    np.testing.assert_allclose(by_intercept, pull.sum(axis=0), rtol=1e-10, atol=1e-12)
    for found, other in zip((by_inner, by_outer, by_width), wanted, strict=True):
        size = 40 * (m + dim) * EPS[dtype]
        np.testing.assert_allclose(found, other, rtol=size, atol=size * np.abs(other).max())


@needs_compiled
def test_compiled_code_takes_no_arrays_that_do_not_fit():
    """It would write beyond their ends."""
    width = COMPILED.LANES
    rows, inner, outer = np.ones((4, 3)), np.ones((width, 3)), np.ones((1, width))
    t, outputs = np.ones((4, width)), np.ones((4, 1))
    gemm = cython_blas.__pyx_capi__["dgemm"]
    arrays = [rows, inner, outer, t, b"", outputs]
    COMPILED.pass_over(gemm, False, True, 0.0, 4, 3, width, 1, *arrays)
    for place in (0, 1, 2, 3, 5):
        wrong = [*arrays]
        wrong[place] = arrays[place][:, :-1].copy() if place != 5 else outputs[:-1]
        with pytest.raises(ValueError, match="shapes"):
            COMPILED.pass_over(gemm, False, True, 0.0, 4, 3, width, 1, *wrong)
    with pytest.raises(ValueError, match="type"):
        COMPILED.pass_over(gemm, True, True, 0.0, 4, 3, width, 1, *arrays)


@needs_compiled
def test_least_squares_take_no_arrays_that_do_not_fit():
    width = COMPILED.LANES
    rows, inner = np.ones((4, 3)), np.ones((width, 3))
    outer, scaled, target = np.ones((1, width)), np.ones((1, width)), np.ones((4, 1))
    sums = np.zeros(width * 5 + 2)
    gemm = cython_blas.__pyx_capi__["dgemm"]
    arrays = [rows, inner, outer, scaled, target, np.ones(4), np.ones(1), sums]
    COMPILED.least_squares(gemm, False, True, 0.0, 4, 3, width, 1, *arrays)
    for place, array in enumerate(arrays):
        wrong = [*arrays]
        wrong[place] = array.ravel()[:-1].copy()
        with pytest.raises(ValueError, match="shapes"):
            COMPILED.least_squares(gemm, False, True, 0.0, 4, 3, width, 1, *wrong)
    with pytest.raises(ValueError, match="type"):
        COMPILED.least_squares(gemm, True, True, 0.0, 4, 3, width, 1, *arrays)
