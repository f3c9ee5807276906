"""Warnings that point at the line of the user, however deep in the package they are issued."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

__all__ = ["warn_user"]

_PACKAGE = __name__.partition(".")[0]
# Packages that call estimators for a user: pipelines, grids, and what runs these.
_BETWEEN = ("sklearn", "joblib")


def warn_user(message: str, category: type[Warning]) -> None:
    """Issue a warning at the call of the outermost function of this package, or of scikit-learn around it.

    A level counted by hand is wrong as soon as the same code is reached in another way.

    Parameters
    ----------
    message : str
    category : type of warning

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_user("the gap is open", UserWarning)
    >>> caught[0].filename == __file__
    False
    """
    packages = _packages(sys._getframe())
    level = max(place for place, name in enumerate(packages) if name == _PACKAGE) + 1
    while level < len(packages) - 1 and packages[level] in _BETWEEN:
        level += 1
    warnings.warn(message, category, stacklevel=level + 1)


def _packages(frame: FrameType | None) -> list[str]:
    """The package of each function that is being called, the innermost first."""
    names = []
    while frame is not None:
        names.append(str(frame.f_globals.get("__name__", "")).partition(".")[0])
        frame = frame.f_back
    return names
