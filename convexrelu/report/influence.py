"""What features do to predictions: permutation importances and partial dependence, by scikit-learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.utils import _safe_indexing

from convexrelu._utils.typing import Array

__all__ = ["Dependence", "Importances", "dependence", "permuted", "rows_of"]

# Rows and points that are used, and repetitions of a shuffle: enough for a picture.
_MOST_ROWS, _POINTS, _REPEATS = 500, 25, 5
# Values of a column up to which they are drawn one by one.
_MOST_CATEGORIES = 12


class Importances(NamedTuple):
    """What shuffling a feature costs: mean and standard deviation over repetitions."""

    means: Array
    deviations: Array


class Dependence(NamedTuple):
    """Mean predictions where a feature has given values: of shape (K, points)."""

    values: Array
    categories: list[str]
    means: Array


def rows_of(X: Any, y: Any = None) -> tuple[Any, Any, int]:
    """At most some hundred rows that are drawn at random, and how many there are in all."""
    total = X.shape[0] if hasattr(X, "shape") else len(X)
    if total > _MOST_ROWS:
        chosen = np.sort(np.random.RandomState(0).choice(total, _MOST_ROWS, replace=False))
        X = _safe_indexing(X, chosen)
        y = None if y is None else _safe_indexing(y, chosen)
    return X, y, total


def permuted(model: Any, X: Any, y: Any, scoring: Callable[..., float] | None) -> Importances:
    """How much the score falls when a feature is shuffled."""
    found = permutation_importance(model, X, y, scoring=scoring, n_repeats=_REPEATS, random_state=0)
    return Importances(found.importances_mean, found.importances_std)


def dependence(model: Any, X: Any, features: Sequence[int]) -> dict[int, Dependence]:
    """Mean predictions against each of some features; constant features, and sparse inputs, have none."""
    if issparse(X):
        return {}
    X = _with_floats(X)
    found = {}
    for k in features:
        column = np.asarray(X.iloc[:, k] if hasattr(X, "iloc") else X[:, k])
        # For times, the encoder knows no values in between.
        if column.dtype.kind in "mM":
            continue
        is_number = column.dtype.kind == "f"
        values = _quantiles(column) if is_number else _frequent(column)
        if len(values) < 2:
            continue
        result = partial_dependence(model, X, [k], custom_values={k: values}, kind="average")
        points = np.array(values) if is_number else np.arange(len(values), dtype=np.float64)
        names = [] if is_number else [str(value) for value in values]
        found[k] = Dependence(points, names, np.atleast_2d(result["average"]))
    return found


def _with_floats(X: Any) -> Any:
    """The inputs with all numbers as floats: predictions are asked for between them, too."""
    if not hasattr(X, "iloc"):
        X = np.asarray(X)
        return X.astype(np.float64) if X.dtype.kind in "iuf" else X
    numbers = [name for name, kind in X.dtypes.items() if getattr(kind, "kind", "O") in "iuf"]
    return X.astype(dict.fromkeys(numbers, "float64"))


def _quantiles(column: NDArray[Any]) -> list[float]:
    """Numbers that are spread as those of a column are."""
    finite = column[np.isfinite(column)]
    if not len(finite):
        return []
    return np.unique(np.quantile(finite, np.linspace(0.02, 0.98, _POINTS))).tolist()


def _frequent(column: NDArray[Any]) -> list[Any]:
    """The most frequent categories, in the order of their names; gaps are none."""
    present = [value for value in column.tolist() if value is not None and value == value]
    most = Counter(present).most_common(_MOST_CATEGORIES)
    return sorted((value for value, _ in most), key=str)
