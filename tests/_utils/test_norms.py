"""Norms of rows whose squares overflow or underflow."""

import numpy as np
import pytest

from convexrelu._utils.norms import norms

SIZES = (0.0, 5e-324, 1e-200, 1e-126, 1e-124, 1.0, 1e149, 1e151, 1e200)


@pytest.mark.parametrize("others", [[], [1.0], [1e200, 1e-200]])
@pytest.mark.parametrize("size", SIZES)
def test_no_square_counts(size, others):
    rows = np.outer([size, *others], [3.0, 0.0, -4.0])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        lengths = norms(rows)
    expected = [float(np.longdouble(row[0]) / 3 * 5) for row in rows]
    np.testing.assert_allclose(lengths, expected, rtol=1e-15, atol=1e-323)
    assert norms(rows[0]) == lengths[0] and np.ndim(norms(rows[0])) == 0


def test_what_is_not_finite_stays_so():
    rows = np.array([[np.inf, 1.0], [np.nan, 1.0], [3.0, 4.0]])
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(norms(rows), [np.inf, np.nan, 5.0])


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0,), (2, 3, 4)])
def test_any_shape(shape):
    assert norms(np.ones(shape)).tolist() == np.linalg.norm(np.ones(shape), axis=-1).tolist()
