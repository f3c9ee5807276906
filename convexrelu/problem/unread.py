"""Inputs that are copied when something asks for them.

The copy of an array of 400 MB in single precision takes up to a second where memory is new, and a training with a time
limit may never need it: the best constant depends on targets alone, and chunks are read some rows at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.arguments import finite_array
from convexrelu._utils.deadlines import is_brief
from convexrelu._utils.typing import Array

__all__ = ["COPY", "Unread", "box_around", "parts_of", "read_when_needed"]

# Making a copy takes as long as so many multiplications for an entry, where memory is new.
COPY = 150
_PART = 2**18  # entries that are checked at a time: they stay in the cache


class Unread:
    """Rows of an array that nobody changes meanwhile, in its own precision.

    Parameters
    ----------
    array : array of shape (N, d)
        In single or double precision.
    rows : array of shape (n,), optional
        Indices of its rows; by default all.

    Attributes
    ----------
    shape : tuple
        ``(n, d)``.

    Examples
    --------
    >>> import numpy as np
    >>> inputs = Unread(np.eye(3, dtype=np.float32)).taken(np.array([2, 0]))
    >>> inputs.shape, inputs.is_read
    ((2, 3), False)
    >>> inputs.read
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """

    def __init__(self, array: NDArray[Any], rows: NDArray[np.intp] | None = None) -> None:
        self._array, self._rows = array, rows
        self.shape = (len(array) if rows is None else len(rows), array.shape[1])
        self.ndim = 2

    @property
    def is_read(self) -> bool:
        """Whether the copy has been made."""
        return "read" in self.__dict__

    @cached_property
    def read(self) -> Array:
        """The copy in double precision, read-only; all problems on these inputs share it."""
        rows = self._array if self._rows is None else self._array[self._rows]
        copy = np.array(rows, dtype=np.float64, order="C", copy=self._rows is None or None)
        copy.flags.writeable = False
        self._array, self._rows = (
            copy,
            None,
        )  # what was given may change from now on, and be forgotten
        return copy

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the array, or of the copy."""
        return self._array.dtype

    def __getitem__(self, part: slice) -> NDArray[Any]:
        """Some of the rows, in the precision of the array."""
        if self.is_read:
            return self.read[part]
        return self._array[part] if self._rows is None else self._array[self._rows[part]]

    def taken(self, rows: NDArray[np.intp]) -> Unread:
        """Some of the rows."""
        return Unread(self._array, rows if self._rows is None else self._rows[rows])

    def check(self) -> None:
        """Raise the error of :func:`~convexrelu._utils.arguments.finite_array` unless all entries are as it expects.

        Some rows of an array are those of one that has been checked.
        """
        if self._rows is not None:
            return
        squares = 0.0
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for part in parts_of(self):
                flat = self[part].reshape(-1)
                squares += float(flat @ flat)
        if not math.isfinite(squares):  # in single precision, squares may overflow sooner
            finite_array("X", self.read)


def read_when_needed(X: Any, deadline: float, rows: NDArray[np.intp] | None = None) -> Any:
    """Checked inputs, or some rows of them; those whose copy takes a while are copied later where time is limited."""
    if math.isfinite(deadline) and _is_plain(X) and not is_brief(COPY * float(X.size)):
        return Unread(X, rows)
    return X if rows is None else X[rows]


def _is_plain(X: Any) -> bool:
    """Whether this is a table of numbers in single or double precision, and nothing more."""
    return type(X) is np.ndarray and X.ndim == 2 and X.dtype in (np.float32, np.float64)


def parts_of(X: NDArray[Any] | Unread) -> Iterator[slice]:
    """Slices of some rows of inputs at a time, which stay in the cache."""
    step = max(1, _PART // X.shape[1])
    for start in range(0, X.shape[0], step):
        yield slice(start, start + step)


def box_around(X: NDArray[Any] | Unread) -> Array:
    """Smallest and largest value of every feature, of shape (2, d).

    Examples
    --------
    >>> import numpy as np
    >>> box_around(np.array([[0.0, 3.0], [2.0, 1.0]]))
    array([[0., 1.],
           [2., 3.]])
    """
    box = np.array([np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)])
    for part in parts_of(X):
        rows = X[part]
        np.minimum(box[0], rows.min(axis=0), out=box[0])
        np.maximum(box[1], rows.max(axis=0), out=box[1])
    return box
