"""CSV files as tables: columns of numbers, columns of texts, and a target. Complaints name file and column."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convexrelu.command_line.shared import CommandError, needed

__all__ = ["Columns", "columns_of", "inputs_of", "read_table", "target_of", "task_for"]

# With more different texts a column is more likely a name or a date than a category.
_MOST_CATEGORIES = 100


@dataclass(frozen=True)
class Columns:
    """Names of the input columns.

    Attributes
    ----------
    numbers, texts : list of str
    left_out : dict of str to str
        Why others are no inputs.
    """

    numbers: list[str]
    texts: list[str]
    left_out: dict[str, str]


def read_table(path: Path, separator: str, texts: list[str] | None = None) -> Any:
    """The file as a DataFrame; columns in `texts` are read as they are written."""
    pandas = needed("pandas")
    if not path.exists():
        raise CommandError(f"{path}: there is no such file")
    try:
        table = pandas.read_csv(
            path,
            sep=separator,
            dtype=dict.fromkeys(texts or [], str),
            low_memory=False,  # the type of a column is that of all its rows
        )
    except (ValueError, OSError) as error:  # parser errors, encodings, directories
        raise CommandError(f"{path}: {error}") from error
    if not len(table):
        raise CommandError(f"{path}: there are no rows below the header")
    return table.rename(columns=str)


def columns_of(table: Any, target: str, path: Path) -> Columns:
    """Which columns are numbers, texts, or of no use."""
    _check_column(table, target, path)
    numbers, texts, left_out = [], [], {}
    for name in table.columns.drop(target):
        column = table[name]
        different = column.nunique()
        if different == 0:
            left_out[name] = "is empty"
        elif column.dtype.kind in "fiu":
            numbers.append(name)
        elif different > _MOST_CATEGORIES:
            left_out[name] = f"has {different} different texts"
        else:
            texts.append(name)
    if not numbers and not texts:
        reasons = (
            "; ".join(f"{name!r} {why}" for name, why in left_out.items()) or "only the target"
        )
        raise CommandError(f"{path}: no column can be an input: {reasons}")
    return Columns(numbers, texts, left_out)


def inputs_of(table: Any, numbers: list[str], texts: list[str], path: Path) -> Any:
    """The input columns; gaps are NaN among numbers, and the empty text among texts."""
    pandas = needed("pandas")
    for name in [*numbers, *texts]:
        _check_column(table, name, path)
    inputs = {}
    for name in numbers:
        inputs[name] = _as_numbers(table[name], name, path)
    for name in texts:
        inputs[name] = table[name].astype(object).where(table[name].notna(), "").map(str)
    return pandas.DataFrame(inputs, index=table.index)


def task_for(column: Any) -> str:
    """Two values or texts are classes, other numbers are to be predicted as such."""
    is_number = column.dtype.kind in "fiu"
    return "regression" if is_number and column.nunique() > 2 else "classification"


def target_of(table: Any, name: str, task: str, path: Path) -> NDArray[Any]:
    """The targets of the rows, none of which is missing."""
    _check_column(table, name, path)
    column = table[name]
    if column.isna().any():
        row = int(np.flatnonzero(column.isna())[0])
        raise CommandError(f"{path}: column {name!r} has a gap, in row {row + 1}")
    if task == "classification":
        return _labels(column, name, path)
    values = _as_numbers(column, name, path).to_numpy()
    if task == "counts" and not ((values >= 0) & (values == np.floor(values))).all():
        odd = values[(values < 0) | (values != np.floor(values))][0]
        raise CommandError(f"{path}: column {name!r} has {odd:g}, which is no count")
    return values


def _labels(column: Any, name: str, path: Path) -> NDArray[Any]:
    if column.dtype.kind not in "fiu":
        return column.map(str).to_numpy(dtype=object).astype(str)
    values = column.to_numpy()
    if not (values == np.floor(values)).all():
        raise CommandError(
            f"{path}: column {name!r} has numbers that are no labels; use --task regression"
        )
    return values.astype(np.int64)


def _as_numbers(column: Any, name: str, path: Path) -> Any:
    pandas = needed("pandas")
    values = pandas.to_numeric(column, errors="coerce").astype(np.float64)
    words = column[values.isna() & column.notna()]
    if len(words):
        raise CommandError(
            f"{path}: column {name!r} has {words.iloc[0]!r}, where numbers are expected"
        )
    if np.isinf(values).any():
        raise CommandError(f"{path}: column {name!r} has an infinite number")
    return values


def _check_column(table: Any, name: str, path: Path) -> None:
    if name not in table.columns:
        known = ", ".join(map(repr, table.columns[:10])) + (", …" if table.shape[1] > 10 else "")
        raise CommandError(f"{path}: there is no column {name!r}; there are {known}")
