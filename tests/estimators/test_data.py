"""Data frames, their types, and complaints that name the argument and the column."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import coo_array, coo_matrix, csr_array
from sklearn.base import clone
from sklearn.ensemble import VotingRegressor
from sklearn.model_selection import GridSearchCV

from convexrelu import ConvexReLUClassifier, ConvexReLURegressor, TrainingProblem, certify
from convexrelu.displays import ConvergenceDisplay
from convexrelu.estimators.data import checked_weights, inputs_and_labels, inputs_and_targets

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
    "intervals": pd.interval_range(0, N),
    "objects": [object()] * N,
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_without_numbers_are_named(name):
    frame = FRAME.assign(colour=COLUMNS[name])
    with pytest.raises(ValueError, match=r"X has columns that are not numbers: 'colour' .*encode"):
        inputs_and_targets(ConvexReLURegressor(), frame, Y)


DAYS = pd.date_range("2020-01-01", periods=N)
ONE_DAY = timedelta(days=1)
DATES = {
    "dates": DAYS,
    "dates with a zone": pd.date_range("2020-01-01", periods=N, tz="UTC"),
    "objects": pd.Series(DAYS.date),
    "a gap": pd.Series(DAYS).where(BITS == 1),
    "of polars": pl.Series(DAYS.to_numpy()),
    "periods": pd.period_range("2020-01-01", periods=N, freq="D"),
}


@pytest.mark.parametrize("name", DATES)
def test_columns_of_dates_become_days_as_the_message_says(name):
    """Also beside others that need encoding."""
    column = DATES[name]
    frame = pl.DataFrame if name == "of polars" else pd.DataFrame
    data = frame({"a": Y, "day": column, "colour": ["u"] * N})
    with pytest.raises(ValueError) as refused:
        inputs_and_targets(ConvexReLURegressor(), data, Y)
    first, second = str(refused.value).split(". X")
    assert first.startswith("X has columns that are not numbers: 'colour' (such as 'u'); encode")
    assert second.startswith(" has columns of dates: 'day' (such as 2020-01-0")
    assert "(column - column.min()) / timedelta(days=1)" in second
    column = data["day"]
    if name == "periods":
        assert second.endswith("of periods after column.dt.to_timestamp()")
        column = column.dt.to_timestamp()
    days = np.array((column - column.min()) / ONE_DAY, dtype=float)
    known = ~np.isnan(days)
    np.testing.assert_array_equal(days[known], np.flatnonzero(known) - np.flatnonzero(known)[0])
    inputs_and_targets(ConvexReLURegressor(), days[known][:, None], Y[known])


@pytest.mark.parametrize("kind", [pd.Series, pl.Series])
def test_columns_of_time_differences_become_days_as_the_message_says(kind):
    frame = pd.DataFrame if kind is pd.Series else pl.DataFrame
    data = frame({"a": Y, "wait": kind((DAYS - DAYS[0]).to_numpy())})
    with pytest.raises(ValueError, match=r"X has columns of time differences: 'wait' .*column / "):
        inputs_and_targets(ConvexReLURegressor(), data, Y)
    np.testing.assert_array_equal(np.array(data["wait"] / ONE_DAY), np.arange(N))


@pytest.mark.parametrize("dates", [DAYS.to_numpy(), list(DAYS.date), np.array(DAYS.date), DAYS])
def test_dates_are_called_dates_wherever_they_are(dates):
    message = "not an array of real numbers: Dates are not supported; use numbers"
    rows = [[entry] for entry in dates]
    for call in (
        lambda: inputs_and_targets(ConvexReLURegressor(), rows, Y),
        lambda: inputs_and_targets(ConvexReLURegressor(), X, dates),
        lambda: checked_weights(dates, X),
        lambda: TrainingProblem(X, dates, 0.1),
        lambda: TrainingProblem(rows, Y, 0.1),
        lambda: TrainingProblem(pd.DataFrame({"a": Y, "day": DAYS}), Y, 0.1),
    ):
        with pytest.raises(ValueError, match=message):
            call()


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

WRONG_X = {
    "None": None,
    "string": "hello",
    "dict": {"a": 1},
    "set": {1},
    "generator": (row for row in X),
    "not collected": pl.LazyFrame({"a": Y}),
    "three axes": np.ones((N, 1, 1)),
}


@pytest.mark.parametrize("name", WRONG_X)
@pytest.mark.parametrize("check", [inputs_and_targets, inputs_and_labels])
def test_wrong_inputs_are_not_blamed_on_targets(check, name):
    estimator = ConvexReLURegressor() if check is inputs_and_targets else ConvexReLUClassifier()
    with pytest.raises((ValueError, TypeError), match=r"^X\b(?! or y)"):
        check(estimator, WRONG_X[name], BITS)


@pytest.mark.parametrize("name", ["None", "string", "dict", "set", "generator", "not collected"])
def test_what_is_no_table_is_named_beside_what_is_taken(name):
    given = "LazyFrame" if name == "not collected" else name.replace("string", "str")
    with pytest.raises(ValueError, match=rf"^X is (a )?{given}, expected an? .*data frame"):
        inputs_and_targets(ConvexReLURegressor(), WRONG_X[name], BITS)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
def test_sparse_formats_are_tables(kind):
    for rows in (coo_array(X).asformat(kind), coo_matrix(X).asformat(kind)):
        inputs, _ = inputs_and_targets(ConvexReLURegressor(), rows, Y)
        np.testing.assert_array_equal(inputs.toarray(), X)


def test_scores_name_the_targets():
    model = ConvexReLURegressor(tol=0.1, random_state=0).fit(X, Y)
    for targets in (Y[1:], ["u"] * N):
        with pytest.raises(ValueError, match=r"^y or sample_weight is not what was expected"):
            model.score(X, targets)


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
