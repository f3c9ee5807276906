"""Checks of options and gates, whose messages name the argument, what was given and what is taken."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["check_choice", "check_number", "checked_gates"]


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse what is not one of the choices."""
    if value not in choices:
        raise ValueError(
            f"{name}={value!r} is not known; available: {', '.join(map(repr, choices))}"
        )


def check_number(name: str, value: Any, kind: type, least: int) -> None:
    """Refuse what is not a finite number of this kind, or below `least`."""
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value < math.inf:  # type: ignore[operator]
        raise ValueError(
            f"{name}={value!r} is not {'an integer' if kind is numbers.Integral else 'a number'} of at least {least}"
        )


def checked_gates(name: str, gates: ArrayLike, size: int) -> NDArray[np.float64]:
    """Finite gates of shape (P, `size`), or a ValueError that names them."""
    try:
        array = np.asarray(gates, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not an array of gates: {error}") from error
    if array.ndim != 2 or array.shape[1] != size or not len(array):
        raise ValueError(f"{name} has shape {array.shape}, expected gates of shape (P, {size})")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} contains NaN or infinity; gates must be finite")
    return array
