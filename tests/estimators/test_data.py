"""Data frames, their types, and complaints that name the argument and the column."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.ensemble import VotingRegressor
from sklearn.model_selection import GridSearchCV

from convexrelu import ConvexReLUClassifier, ConvexReLURegressor, TrainingProblem, certify
from convexrelu.displays import ConvergenceDisplay
from convexrelu.estimators.data import inputs_and_labels, inputs_and_targets

N = 12
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((N, 2)), RNG.standard_normal(N)
FRAME = pd.DataFrame(X, columns=["a", "b"])
BITS = np.arange(N) % 2


# Types of labels

LABELS = {
    "nullable integers": (pd.array(BITS, dtype="Int64"), "i"),
    "nullable truth values": (pd.Series(BITS == 1, dtype="boolean"), "b"),
    "truth values as objects": (np.array(BITS == 1, dtype=object), "b"),
    "integers as objects": (pd.Series(BITS.tolist(), dtype=object), "i"),
    "categories of integers": (pd.Series(BITS, dtype="category"), "i"),
    "categories of polars": (pl.Series(np.array(["n", "y"])[BITS], dtype=pl.Categorical), "O"),
    "truth values of polars": (pl.Series(BITS == 1), "b"),
    "short integers": (BITS.astype(np.uint8), "u"),
    "strings": (np.array(["n", "y"])[BITS], "U"),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_keep_their_kind(name):
    y, kind = LABELS[name]
    _, labels = inputs_and_labels(ConvexReLUClassifier(), X, y)
    assert labels.dtype.kind == kind
    assert labels.tolist() == list(y)


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "string", "category"])
def test_missing_labels_of_any_type_are_refused(dtype):
    y = pd.Series(BITS.astype(bool) if dtype == "boolean" else BITS, dtype=dtype)
    y[3] = None
    with pytest.raises(ValueError, match=r"\by\b.*(missing|NaN)"):
        inputs_and_labels(ConvexReLUClassifier(), X, y)


# Columns that are not numbers

COLUMNS = {
    "strings": ["u"] * N,
    "categories": pd.Categorical(["u", "v"] * (N // 2)),
    "strings and gaps": pd.Series(["u", None] * (N // 2), dtype="string"),
    "dates": pd.date_range("2020-01-01", periods=N),
    "objects": [object()] * N,
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_without_numbers_are_named(name):
    frame = FRAME.assign(colour=COLUMNS[name])
    with pytest.raises(ValueError, match=r"X has columns that are not numbers: 'colour' .*encode"):
        inputs_and_targets(ConvexReLURegressor(), frame, Y)


def test_columns_of_polars_are_named():
    frame = pl.DataFrame({"a": Y, "colour": ["u"] * N})
    with pytest.raises(ValueError, match="X has columns that are not numbers: 'colour'"):
        inputs_and_targets(ConvexReLURegressor(), frame, Y)


NUMBERS = {
    "nullable": pd.array(BITS, dtype="Int64"),
    "decimals": [Decimal(1)] * N,
    "categories": pd.Categorical(BITS),
    "strings of numbers": ["1.5"] * N,
}


@pytest.mark.parametrize("name", NUMBERS)
def test_columns_of_numbers_are_accepted(name):
    frame = FRAME.assign(number=NUMBERS[name])
    inputs, _ = inputs_and_targets(ConvexReLURegressor(), frame, Y)
    np.testing.assert_array_equal(inputs[:, 2], [float(entry) for entry in NUMBERS[name]])


def test_gaps_are_called_gaps():
    frame = FRAME.assign(number=pd.array([None, *BITS[1:]], dtype="Int64"))
    with pytest.raises(ValueError, match="X contains NaN"):
        inputs_and_targets(ConvexReLURegressor(), frame, Y)


# The argument is named, and only that

WRONG_X = {"None": None, "string": "hello", "dict": {"a": 1}, "three axes": np.ones((N, 1, 1))}


@pytest.mark.parametrize("name", WRONG_X)
@pytest.mark.parametrize("check", [inputs_and_targets, inputs_and_labels])
def test_wrong_inputs_are_not_blamed_on_targets(check, name):
    estimator = ConvexReLURegressor() if check is inputs_and_targets else ConvexReLUClassifier()
    with pytest.raises((ValueError, TypeError), match=r"^X\b(?! or y)"):
        check(estimator, WRONG_X[name], BITS)


WRONG_Y = {"generator": (v for v in Y), "sparse": csr_array(Y[:, None]), "short": Y[1:], "set": {1}}


@pytest.mark.parametrize("name", WRONG_Y)
def test_wrong_targets_are_not_blamed_on_inputs(name):
    with pytest.raises((ValueError, TypeError), match=r"^y\b"):
        inputs_and_targets(ConvexReLURegressor(), X, WRONG_Y[name])


def test_messages_have_plain_values():
    words = np.array(["u"] * N)
    with pytest.raises(ValueError, match=r"float: 'u'"):
        inputs_and_targets(ConvexReLURegressor(), X, words)
    with pytest.raises(ValueError, match=r"float: 'u'"):
        TrainingProblem(X, words, 0.1)


def test_memory_views_are_arrays():
    _, targets = inputs_and_targets(ConvexReLURegressor(), memoryview(X), memoryview(Y))
    np.testing.assert_array_equal(targets, Y)


def test_certify_looks_into_searches():
    search = GridSearchCV(ConvexReLURegressor(random_state=0), {"alpha": [0.1]}, cv=2).fit(X, Y)
    certificate = certify(search, X, Y, alpha=0.1)
    assert certificate.objective == search.best_estimator_.certificate_.objective
    scored = clone(search).set_params(refit=False).fit(X, Y)
    with pytest.raises(ValueError, match="refit=False"):
        certify(scored, X, Y, alpha=0.1)


def test_fitted_estimators_without_one_network_are_not_called_unfitted():
    voting = VotingRegressor([("one", ConvexReLURegressor(random_state=0))]).fit(X, Y)
    with pytest.raises(ValueError, match="VotingRegressor has no history_") as caught:
        ConvergenceDisplay.from_estimator(voting)
    assert "not fitted" not in str(caught.value)
