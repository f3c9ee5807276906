"""Checks of options, whose messages name the argument, what was given and what is taken."""

from __future__ import annotations

import math
import numbers
from typing import Any

__all__ = ["check_choice", "check_number"]


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
