"""The one check of arrays: what it takes, and the words with which it refuses the rest."""

import numbers

import numpy as np
import pytest

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    TrainingProblem,
    TwoLayerNetwork,
)
from convexrelu._utils.arguments import check_choice, check_number, finite_array
from convexrelu.losses import Huber, Quantile


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


LABELS = np.array([0, 1] * 4)
ROWS = np.arange(16.0).reshape(8, 2)
NUMPY_SCALARS = {
    "one label": lambda: ConvexReLUClassifier().fit(ROWS, np.full(8, 2)),
    "one word": lambda: ConvexReLUClassifier().fit(ROWS, np.full(8, "a")),
    "class_weight": lambda: ConvexReLUClassifier(class_weight={0: np.float64(-1)}).fit(
        ROWS, LABELS
    ),
    "alpha": lambda: ConvexReLURegressor(alpha=np.float64(0)).fit(ROWS, LABELS),
    "a name": lambda: ConvexReLURegressor(effort=np.str_("a")).fit(ROWS, LABELS),
    "max_iter": lambda: ConvexReLURegressor(max_iter=np.int64(0)).fit(ROWS, LABELS),
    "a long float": lambda: ConvexReLURegressor(tol=np.longdouble(-1)).fit(ROWS, LABELS),
    "alphas": lambda: ConvexReLURegressorCV(alphas=list(np.array([0.1, -1.0]))).fit(ROWS, LABELS),
    "problem": lambda: TrainingProblem(ROWS, LABELS, np.float64(-1)),
    "skip_alpha": lambda: TrainingProblem(ROWS, LABELS, 1.0, skip_alpha=np.float32(-1)),
    "flag": lambda: TrainingProblem(ROWS, LABELS, 1.0, skip=np.int64(7)),
    "slope": lambda: TwoLayerNetwork.constant(2, 1.0, negative_slope=np.float64(9)),
    "level": lambda: Quantile(np.float64(2)),
    "delta": lambda: Huber(np.float64(-2)),
    "number": lambda: check_number("n", np.int64(-1), numbers.Integral, 0),
    "choice": lambda: check_choice("n", np.str_("a"), ("b",)),
}


@pytest.mark.parametrize("case", NUMPY_SCALARS)
def test_messages_show_plain_values(case):
    """As they are printed, not as NumPy 2 represents them: ``2``, and not ``np.int64(2)``."""
    with pytest.raises(ValueError) as caught:
        NUMPY_SCALARS[case]()
    assert "np." not in str(caught.value)
