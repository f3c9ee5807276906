"""Where data have NaN or infinity: what scikit-learn's complaints leave out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import check_array

from convexrelu._utils.arguments import shown

__all__ = ["locating"]

# Columns that a message names.
_NAMED = 5


@contextmanager
def locating(name: str, value: Any, advice: str = "") -> Iterator[None]:
    """Add rows and columns to scikit-learn's complaint that an argument contains NaN or infinity, and advice on NaN.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.utils import assert_all_finite
    >>> X = pd.DataFrame({"age": [31.0, 40.0], "income": [np.nan, 2e4]})
    >>> with locating("X", X):
    ...     assert_all_finite(X, input_name="X")
    Traceback (most recent call last):
    ValueError: Input X contains NaN in 1 of 2 rows, first in row 0: 1 in column 'income'.
    """
    try:
        yield
    except ValueError as error:
        complaint, newline, rest = str(error).partition("\n")
        if not re.match(rf"Input {name} contains (NaN|infinity)", complaint):
            raise
        is_gap = "NaN" in complaint
        places = _places(value, np.isnan if is_gap else np.isinf)
        if not places:
            raise
        end = f"; {advice}" if is_gap and advice else "."
        raise ValueError(f"{complaint.rstrip('.')} {places}{end}{newline}{rest}") from error


def _places(value: Any, is_meant: np.ufunc) -> str:
    """In how many rows such entries are, the first of them, and how many are in which column; or nothing."""
    try:
        numbers = check_array(
            value, accept_sparse="coo", dtype=np.float64, ensure_all_finite=False, ensure_2d=False
        )
    except (TypeError, ValueError):  # labels beside gaps
        return ""
    rows, columns = _indices(numbers, is_meant)
    if not len(rows):
        return ""
    where = f"in {len(np.unique(rows))} of {numbers.shape[0]} rows, first in row {rows.min()}"
    if numbers.ndim == 1:
        return where
    names = list(value.columns) if hasattr(value, "columns") else range(numbers.shape[1])
    counts = np.bincount(columns)
    found = np.flatnonzero(counts)
    parts = [f"{counts[k]} in column {shown(names[k])}" for k in found[:_NAMED]]
    further = found[_NAMED:]
    if len(further):
        parts.append(f"{counts[further].sum()} in {len(further)} more")
    return f"{where}: {', '.join(parts)}"


def _indices(numbers: Any, is_meant: np.ufunc) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows and columns of such entries; those of a vector are in column 0."""
    if issparse(numbers):
        meant = is_meant(numbers.data)
        return numbers.row[meant], numbers.col[meant]
    rows, columns = np.nonzero(is_meant(numbers.reshape(len(numbers), -1)))
    return rows, columns
