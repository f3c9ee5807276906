"""Access to rooms above one's own, for methods that are only shorter ways of writing a call."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["room_above"]


def room_above(name: str) -> Any:
    """A room by name, imported when it is used.

    Rooms import only from those below them, and this is no import that a reader of the lower room has to follow:
    nothing in it depends on what the room above does. It is for ``result.report(path)`` and the like, where people look
    for a function among the methods of what they have.
    """
    return importlib.import_module(f"convexrelu.{name}")
