"""Inputs in several pieces, in Parquet files, and from streams, as objects whose rows can be sliced."""

from __future__ import annotations

import bisect
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.arguments import finite_array
from convexrelu._utils.typing import Array

__all__ = ["Pieces", "parquet_rows", "stored_rows"]


class Pieces:
    """Arrays stacked on each other, each of which is read when its rows are needed.

    Parameters
    ----------
    read : callable
        ``read(k)`` returns piece ``k``, an array of shape (n_k, d).
    lengths : sequence of int
        ``n_k`` of all pieces.
    n_features : int
        ``d``.

    Notes
    -----
    The last piece stays in memory, for the next slice.

    Examples
    --------
    >>> import numpy as np
    >>> parts = [np.zeros((3, 2)), np.ones((2, 2))]
    >>> rows = Pieces(parts.__getitem__, lengths=[3, 2], n_features=2)
    >>> rows.shape, rows[2:4]
    ((5, 2), array([[0., 0.],
           [1., 1.]]))
    """

    def __init__(self, read: Callable[[int], Any], lengths: Sequence[int], n_features: int) -> None:
        self._read = read
        self._ends = np.cumsum(lengths).tolist()
        self.shape = (self._ends[-1] if self._ends else 0, n_features)
        self._last: tuple[int, NDArray[Any]] | None = None

    @classmethod
    def of(cls, arrays: Sequence[Any]) -> Pieces:
        """Pieces that are arrays, in memory or memory-mapped."""
        return cls(arrays.__getitem__, [len(array) for array in arrays], arrays[0].shape[1])

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        start, stop, step = rows.indices(self.shape[0])
        if step != 1:
            raise ValueError(f"rows are read by slices of step 1, got step {step}")
        parts = []
        k = bisect.bisect_right(self._ends, start)
        while start < stop:
            begin = self._ends[k - 1] if k else 0
            parts.append(self._piece(k)[start - begin : stop - begin])
            start, k = self._ends[k], k + 1
        return np.concatenate(parts) if parts else np.zeros((0, self.shape[1]))

    def _piece(self, k: int) -> NDArray[Any]:
        last = self._last  # another thread may replace it meanwhile
        if last is None or last[0] != k:
            last = self._last = (k, np.asarray(self._read(k)))
        return last[1]


def parquet_rows(
    path: str | os.PathLike[str], features: Sequence[str], target: str
) -> tuple[Pieces, Array]:
    """Inputs and targets of a Parquet file, whose row groups are read when they are needed.

    Parameters
    ----------
    path : str or path
    features : sequence of str
        Columns of the inputs.
    target : str
        Column of the targets, all of which are read at once.

    Returns
    -------
    X, y
        For :class:`~convexrelu.ChunkedProblem`.

    Raises
    ------
    ImportError
        Without pyarrow.

    Examples
    --------
    >>> import pyarrow, pyarrow.parquet, tempfile
    >>> table = pyarrow.table({"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 0.0], "y": [1.0, 3.0, 3.0]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pyarrow.parquet.write_table(table, f"{folder}/table.parquet", row_group_size=2)
    ...     X, y = parquet_rows(f"{folder}/table.parquet", ["a", "b"], "y")
    ...     rows = X[1:3]
    >>> X.shape, rows, y
    ((3, 2), array([[2., 1.],
           [3., 0.]]), array([1., 3., 3.]))
    """
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ImportError("Parquet files need pyarrow: pip install pyarrow") from error
    columns = list(features)
    with ParquetFile(path) as file:
        groups = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
        y = finite_array("y", file.read(columns=[target]).column(0).to_numpy())

    def read(k: int) -> NDArray[Any]:
        with ParquetFile(path) as file:  # threads do not share one
            table = file.read_row_group(k, columns=columns)
        return np.column_stack([table.column(name).to_numpy() for name in columns])

    return Pieces(read, groups, len(columns)), y


def stored_rows(
    chunks: Iterable[tuple[ArrayLike, ArrayLike]],
    folder: str | os.PathLike[str],
    dtype: Any = np.float32,
) -> tuple[Pieces, Array]:
    """Store the chunks of a stream in files, since training reads them many times.

    Parameters
    ----------
    chunks : iterable of pairs
        Inputs of shape (n_k, d) and targets of shape (n_k,) or (n_k, K). Only one is held in memory at a time.
    folder : str or path
        Where the inputs are stored, as ``rows-000000.npy`` and so on.
    dtype : dtype
        Of the stored inputs.

    Returns
    -------
    X, y
        For :class:`~convexrelu.ChunkedProblem`.

    Raises
    ------
    ValueError
        Without chunks, and for chunks of different numbers of features.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> stream = ((np.full((4, 2), k), np.arange(4)) for k in range(3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     X, y = stored_rows(stream, folder)
    ...     shape = X.shape, y.shape
    >>> shape
    ((12, 2), (12,))
    """
    files: list[Path] = []
    lengths: list[int] = []
    targets: list[Array] = []
    n_features = None
    for k, (rows, y) in enumerate(chunks):
        stored = np.asarray(rows, dtype=dtype)
        if stored.ndim != 2 or n_features not in (None, stored.shape[1]):
            wanted = "d" if n_features is None else n_features
            raise ValueError(f"chunk {k} has shape {stored.shape}, expected (n, {wanted})")
        n_features = stored.shape[1]
        files.append(Path(folder) / f"rows-{k:06d}.npy")
        np.save(files[-1], stored)
        lengths.append(len(stored))
        targets.append(np.asarray(y, dtype=np.float64))
    if n_features is None:
        raise ValueError("chunks has no entries")

    def read(k: int) -> NDArray[Any]:
        return np.load(files[k], mmap_mode="r")

    return Pieces(read, lengths, n_features), np.concatenate(targets)
