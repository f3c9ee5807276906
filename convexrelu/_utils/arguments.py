"""Checks of options and arrays; messages name the argument, its value and what is accepted."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.typing import Array

__all__ = ["check_choice", "check_number", "finite_array"]


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise an error if a value is not one of the choices."""
    if value not in choices:
        raise ValueError(
            f"{name}={value!r} is not known; available: {', '.join(map(repr, choices))}"
        )


def check_number(name: str, value: Any, kind: type, least: int) -> None:
    """Raise an error if a value is not a finite number of this kind, or is below `least`."""
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value < math.inf:  # type: ignore[operator]
        raise ValueError(
            f"{name}={value!r} is not {'an integer' if kind is numbers.Integral else 'a number'} of at least {least}"
        )


def finite_array(name: str, value: ArrayLike, *shape: int | str) -> Array:
    """A float64 copy of finite numbers whose squares do not overflow, or a ValueError that calls it `name`.

    Letters in `shape` stand for any length of at least one; without `shape`, any shape is accepted.

    Examples
    --------
    >>> finite_array("X", [[1, 2], [3, 4]], "n", 3)
    Traceback (most recent call last):
        ...
    ValueError: X has shape (2, 2), expected (n, 3)
    """
    try:
        if np.iscomplexobj(value):
            raise TypeError("complex numbers")
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not an array of numbers: {error}") from error
    if shape and not _fits(array.shape, shape):
        expected = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        raise ValueError(f"{name} has shape {array.shape}, expected ({expected})")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} contains NaN or infinity; all entries must be finite")
    with np.errstate(over="ignore"):
        if not np.isfinite(np.square(array).sum()):
            raise ValueError(
                f"{name} has entries up to {np.abs(array).max():.3g}, whose squares overflow float64; rescale it"
            )
    return array


def _fits(given: tuple[int, ...], expected: tuple[int | str, ...]) -> bool:
    return len(given) == len(expected) and all(
        size > 0 if isinstance(wanted, str) else size == wanted
        for size, wanted in zip(given, expected, strict=True)
    )
