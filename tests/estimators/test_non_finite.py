"""Complaints about NaN and infinity say where they are."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import coo_array, csr_array
from sklearn.exceptions import DataConversionWarning

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLUQuantileRegressor,
    ConvexReLURegressor,
    TrainingProblem,
)
from convexrelu.estimators.non_finite import locating

N = 8
X = np.random.default_rng(0).standard_normal((N, 3))
Y = np.abs(X[:, 0])
LABELS = np.arange(N) % 2
NAN = X.copy()
NAN[2, 1] = NAN[5, 1] = NAN[5, 2] = np.nan
NAN[0, 0] = np.inf  # which is not the first that is said
IN_ARRAY = "Input X contains NaN in 2 of 8 rows, first in row 2: 2 in column 1, 1 in column 2."
IN_FRAME = "Input X contains NaN in 2 of 8 rows, first in row 2: 2 in column 'b', 1 in column 'c'."


def complaint(call):
    with pytest.raises(ValueError) as refused:
        call()
    return str(refused.value)


TABLES = {
    "array": (NAN, IN_ARRAY),
    "list": (NAN.tolist(), IN_ARRAY),
    "csr": (csr_array(NAN), IN_ARRAY),
    "coo": (coo_array(NAN), IN_ARRAY),
    "pandas": (pd.DataFrame(NAN, columns=list("abc")), IN_FRAME),
    "objects": (pd.DataFrame(NAN, columns=list("abc")).astype(object), IN_FRAME),
    "polars": (pl.DataFrame(NAN, schema=list("abc"), orient="row"), IN_FRAME),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("estimator", [ConvexReLURegressor, ConvexReLUClassifier])
def test_rows_and_columns_of_inputs_are_named(estimator, name):
    """And the advice of scikit-learn follows."""
    table, message = TABLES[name]
    first, advice = complaint(lambda: estimator().fit(table, LABELS)).split("\n", 1)
    assert first == message
    assert advice.startswith(f"{estimator.__name__} does not accept missing values")


def test_gaps_of_extension_types_are_found():
    frame = pd.DataFrame({"a": X[:, 0], "count": pd.array([1, None] * 4, dtype="Int64")})
    message = complaint(lambda: ConvexReLURegressor().fit(frame, Y))
    assert message.startswith(
        "Input X contains NaN in 4 of 8 rows, first in row 1: 4 in column 'count'"
    )


def test_few_columns_are_named():
    message = complaint(lambda: ConvexReLURegressor().fit(np.full((N, 9), np.nan), Y))
    assert "8 in column 4, 32 in 4 more." in message and "column 5" not in message


def test_infinity_is_located():
    table = np.where(np.isnan(NAN), np.inf, X)
    message = complaint(lambda: ConvexReLURegressor().fit(table, Y))
    assert message == (
        "Input X contains infinity or a value too large for dtype('float64') in 2 of 8 rows, first in row 2: "
        "2 in column 1, 1 in column 2."
    )


def test_rows_of_predictions_are_named():
    model = ConvexReLURegressor(alpha=0.1, max_iter=1, effort="predict", random_state=0).fit(X, Y)
    assert complaint(lambda: model.predict(NAN)).startswith(IN_ARRAY)


GAPS = np.where(np.arange(N) % 3 == 2, np.nan, Y)  # in rows 2 and 5
OTHERS = {
    "y": (
        ConvexReLURegressor,
        {"y": GAPS},
        "Input y contains NaN in 2 of 8 rows, first in row 2; missing_targets='ignore' leaves them out",
    ),
    "y of quantiles": (
        ConvexReLUQuantileRegressor,
        {"y": GAPS},
        "Input y contains NaN in 2 of 8 rows, first in row 2.",
    ),
    "y with infinity": (
        ConvexReLURegressor,
        {"y": np.where(np.isnan(GAPS), np.inf, Y)},
        "Input y contains infinity or a value too large for dtype('float64') in 2 of 8 rows, "
        "first in row 2.",
    ),
    "y of floats that are labels": (
        ConvexReLUClassifier,
        {"y": np.where(np.isnan(GAPS), np.nan, LABELS)},
        "Input y contains NaN in 2 of 8 rows, first in row 2.",
    ),
    "y of two columns": (
        ConvexReLURegressor,
        {"y": np.column_stack([Y, GAPS])},
        "Input y contains NaN in 2 of 8 rows, first in row 2: 2 in column 1; "
        "missing_targets='ignore' leaves them out",
    ),
    "y of two names": (
        ConvexReLURegressor,
        {"y": pd.DataFrame({"u": Y, "v": GAPS})},
        "Input y contains NaN in 2 of 8 rows, first in row 2: 2 in column 'v'; "
        "missing_targets='ignore' leaves them out",
    ),
    "sample_weight": (
        ConvexReLURegressor,
        {"sample_weight": GAPS},
        "Input sample_weight contains NaN in 2 of 8 rows, first in row 2.",
    ),
    "negative weights": (
        ConvexReLURegressor,
        {"sample_weight": np.where(np.isnan(GAPS), -0.5, 1)},
        "sample_weight must be non-negative with at least one positive entry; 2 are negative, the first in row 2: -0.5",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_rows_of_other_arguments_are_named(case):
    estimator, change, message = OTHERS[case]
    assert complaint(lambda: estimator().fit(**{"X": X, "y": LABELS, **change})) == message


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA])
def test_missing_labels_in_a_column_of_a_frame_are_counted(gap):
    frame = pd.DataFrame({"label": ["u", gap] * 4})
    with pytest.warns(DataConversionWarning):
        message = complaint(lambda: ConvexReLUClassifier().fit(X, frame))
    assert message.startswith(
        "y has 4 missing labels (None, NA or NaN) among 8, the first in row 1"
    )


def test_complaints_stay_where_nothing_is_found():
    for value in (pd.DataFrame({"label": ["u", np.nan]}), np.ones(3)):
        with pytest.raises(ValueError, match=r"^Input z contains NaN\.$"), locating("z", value):
            raise ValueError("Input z contains NaN.")


def test_problems_name_the_first_entry():
    message = complaint(lambda: TrainingProblem(NAN, Y, 0.1))
    assert message == "X contains NaN or infinity, first X[0, 0] = inf; all entries must be finite"
    message = complaint(lambda: TrainingProblem(csr_array(NAN), Y, 0.1))
    assert message == "X contains NaN or infinity; all entries must be finite"


def test_scores_name_their_arguments():
    model = ConvexReLUClassifier(alpha=0.1, max_iter=1, effort="predict", random_state=0)
    model.fit(X, LABELS)
    assert complaint(lambda: model.score(X, LABELS[:-1])).startswith("y or sample_weight is not")
    assert "sample_weight" in complaint(lambda: model.score(X, LABELS, GAPS))
    assert model.score(X, LABELS, Y) == np.average(model.predict(X) == LABELS, weights=Y)
