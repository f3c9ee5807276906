"""The hidden layer on sparse rows does what it does on the same rows as an array."""

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from convexrelu.solvers.nonconvex.hidden_layer import HiddenLayer
from convexrelu.solvers.nonconvex.sparse_layer import SparseLayer, scaled_rows

EPS = {np.float32: 2.0**-24, np.float64: 2.0**-53}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("slope", [0.0, 0.25, -1.0])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_outputs_and_gradients_are_those_of_dense_rows(n_outputs, slope, dtype):
    random = np.random.default_rng(0)
    n, dim, m = 50, 8, 13
    rows = random_array((n, dim), density=0.4, rng=random, format="csr").astype(dtype)
    inner, outer = random.standard_normal((m, dim)), random.standard_normal((m, n_outputs))
    s, pull = 0.5 + random.random(m), random.standard_normal((n, n_outputs))

    def found(kind, rows):
        layer = kind(inner, outer, s, slope, dtype)
        t = np.empty((n, layer.width), dtype)
        outputs = layer.outputs(rows, t)
        sums = np.zeros(layer.n_gradients)
        layer.gradients(rows, t, pull, sums)
        return outputs, sums

    for ours, expected in zip(
        found(SparseLayer, rows), found(HiddenLayer, rows.toarray()), strict=True
    ):
        assert ours.dtype == np.float64
        error = 200 * EPS[dtype] * np.abs(expected).max()
        assert ours == pytest.approx(expected, rel=0, abs=error)


def test_rows_are_scaled_without_those_that_are_empty():
    rows = csr_array([[0.0, 2.0], [0.0, 0.0], [3.0, 4.0]])
    assert scaled_rows(rows, np.array([2.0, 5.0, 0.5])).toarray().tolist() == [
        [0, 4],
        [0, 0],
        [1.5, 2],
    ]
