"""Columns of data frames that have no numbers, and what to make of them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils._missing import is_pandas_na

from convexrelu._utils.arguments import shown

__all__ = ["check_columns", "check_table"]

# What stands for a table in no way that scikit-learn's messages would say.
_NO_TABLES = (str, bytes, dict, set, frozenset, Iterator, type(None))


def check_table(X: Any) -> None:
    """Raise an error for inputs that are no table of rows and features, or are one only when it is asked for.

    Examples
    --------
    >>> check_table({"a": [1.0, 2.0]})
    Traceback (most recent call last):
    ValueError: X is a dict, expected an array, data frame, sparse matrix or list of rows, of shape (n, d)
    """
    kind = type(X).__name__
    if kind == "LazyFrame":
        raise ValueError("X is a LazyFrame, expected a data frame; use X.collect()")
    if isinstance(X, _NO_TABLES) and not issparse(X):  # some of which are dicts
        given = "None" if X is None else f"a {kind}"
        raise ValueError(
            f"X is {given}, expected an array, data frame, sparse matrix or list of rows, of shape (n, d)"
        )


def check_columns(X: Any) -> None:
    """Raise an error that names the columns of a data frame that have no numbers, and says how to get some.

    Examples
    --------
    >>> import pandas as pd
    >>> check_columns(pd.DataFrame({"day": pd.to_datetime(["2024-01-01"]), "town": ["Bern"]}))
    Traceback (most recent call last):
    ValueError: X has columns that are not numbers: 'town' (such as 'Bern'); encode them, for instance by a \
OneHotEncoder in a ColumnTransformer, or drop them. X has columns of dates: 'day' (such as 2024-01-01T00:00:00); make \
numbers of them, for instance of days: (column - column.min()) / timedelta(days=1)
    """
    if type(X).__module__.partition(".")[0] not in ("pandas", "polars") or not hasattr(
        X, "columns"
    ):
        return
    dates: list[str] = []
    differences: list[str] = []
    others: list[str] = []
    has_periods = False
    for k, name in enumerate(X.columns):
        entry = _no_number(X.iloc[:, k] if hasattr(X, "iloc") else X[name])
        if entry is None:
            continue
        kind = dates if _is_date(entry) else differences if _is_difference(entry) else others
        example = shown(entry) if kind is others else str(entry)
        kind.append(f"{shown(name)} (such as {example})")
        has_periods |= type(entry).__name__ == "Period"
    complaints = []
    if others:
        complaints.append(
            f"X has columns that are not numbers: {', '.join(others)}; encode them, for instance by a OneHotEncoder in "
            "a ColumnTransformer, or drop them"
        )
    if dates:
        complaints.append(
            f"X has columns of dates: {', '.join(dates)}; make numbers of them, for instance of days: "
            "(column - column.min()) / timedelta(days=1)"
            + (", of periods after column.dt.to_timestamp()" if has_periods else "")
        )
    if differences:
        complaints.append(
            f"X has columns of time differences: {', '.join(differences)}; make numbers of them, for instance of days: "
            "column / timedelta(days=1)"
        )
    if complaints:
        raise ValueError(". ".join(complaints))


def _no_number(column: Any) -> Any:
    """The first entry that is neither a number nor missing, or None."""
    entries = np.asarray(column)
    if entries.dtype.kind in "mM":
        known = entries[~np.isnat(entries)]
        return _in_seconds(known[0]) if len(known) else _in_seconds(entries[0])
    if entries.dtype.kind not in "OUST":
        return None
    for entry in entries:
        try:
            float(entry)
        except (TypeError, ValueError):
            if entry is not None and not is_pandas_na(entry):
                return entry
    return None


def _in_seconds(entry: Any) -> Any:
    """A date or a time difference without the digits of nanoseconds."""
    return entry.astype("datetime64[s]" if entry.dtype.kind == "M" else "timedelta64[s]")


def _is_date(entry: Any) -> bool:
    kinds = (np.datetime64, datetime.date)
    return isinstance(entry, kinds) or type(entry).__name__ == "Period"


def _is_difference(entry: Any) -> bool:
    return isinstance(entry, np.timedelta64 | datetime.timedelta)
