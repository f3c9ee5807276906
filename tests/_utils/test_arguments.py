"""The one check of arrays: what it takes, and the words with which it refuses the rest."""

import numpy as np
import pytest

from convexrelu._utils.arguments import finite_array


def test_takes_numbers_of_the_shape_and_copies_them():
    given = np.arange(6.0).reshape(2, 3)
    array = finite_array("X", given, "n", 3)
    np.testing.assert_array_equal(array, given)
    array[0, 0] = 7
    assert given[0, 0] == 0
    assert finite_array("s", 2).shape == ()
    assert finite_array("w", [1, 2], 2).dtype == np.float64


@pytest.mark.parametrize(
    ("value", "shape", "message"),
    [
        ([["a"]], (), "X is not an array of numbers"),
        ([[1.0], [1.0, 2.0]], (), "X is not an array of numbers"),
        ([1j], (), "X is not an array of (real )?numbers: (?i:complex)"),
        ([1.0, 2.0], ("n", "d"), r"X has shape \(2,\), expected \(n, d\)"),
        ([[1.0, 2.0]], ("n", 3), r"X has shape \(1, 2\), expected \(n, 3\)"),
        (np.ones((0, 3)), ("n", 3), r"X has shape \(0, 3\), expected \(n, 3\)"),
        ([1.0], (2,), r"X has shape \(1,\), expected \(2,\)"),
        ([1.0, np.nan], (2,), "X contains NaN or infinity"),
        ([1e200], (1,), "squares overflow"),
    ],
)
def test_refuses_by_name(value, shape, message):
    with pytest.raises(ValueError, match=message):
        finite_array("X", value, *shape)
