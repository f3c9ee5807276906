"""Tables by name."""

from __future__ import annotations

from collections.abc import Callable

from sklearn import datasets
from sklearn.utils import Bunch

from convexrelu._utils.arguments import check_choice
from convexrelu.datasets.made import make_counts, make_imbalanced, make_mixed

__all__ = ["NAMES", "load"]

_REAL = {
    "breast_cancer": ("classification", datasets.load_breast_cancer),
    "diabetes": ("regression", datasets.load_diabetes),
    "iris": ("classification", datasets.load_iris),
    "linnerud": ("regression", datasets.load_linnerud),
    "wine": ("classification", datasets.load_wine),
}
_MADE: dict[str, Callable[[], Bunch]] = {
    "counts": make_counts,
    "imbalanced": make_imbalanced,
    "mixed": make_mixed,
}

NAMES = tuple(sorted((*_REAL, *_MADE)))


def load(name: str) -> Bunch:
    """A small table.

    Parameters
    ----------
    name : str
        One of ``convexrelu.datasets.NAMES``: "breast_cancer", "diabetes", "iris", "linnerud" (three targets) and "wine"
        are real, from scikit-learn; "counts", "imbalanced" and "mixed" are made.

    Returns
    -------
    Bunch
        With ``data``, ``target``, ``feature_names`` and ``task``: "regression" or "classification". Classes of real
        tables are strings.

    Examples
    --------
    >>> from convexrelu.datasets import load
    >>> table = load("iris")
    >>> table.task, table.data.shape, table.target[:2]
    ('classification', (150, 4), array(['setosa', 'setosa'], dtype='<U10'))
    """
    check_choice("name", name, NAMES)
    if name in _MADE:
        return _MADE[name]()
    task, loader = _REAL[name]
    table = loader()
    target = table.target_names[table.target] if task == "classification" else table.target
    names = [str(feature) for feature in table.feature_names]
    return Bunch(data=table.data, target=target, task=task, feature_names=names)
