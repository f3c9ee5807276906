"""Imports of large libraries, which must not be cut short, and which need no garbage collection on the way."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from convexrelu._utils.interruptions import interruptions_held

__all__ = ["importing"]


@contextmanager
def importing() -> Iterator[None]:
    """Defer Ctrl-C until the block has ended, and garbage collection with it.

    Compiled libraries cannot be imported again after an import that was cut short. Modules, classes and functions stay:
    looking through them again and again for garbage takes a sixth of the time (torch .2 of 1.1 s).

    Examples
    --------
    >>> import gc
    >>> with importing():
    ...     print(gc.isenabled())
    False
    >>> gc.isenabled()
    True
    """
    was_enabled = gc.isenabled()
    with interruptions_held():
        gc.disable()
        try:
            yield
        finally:
            if was_enabled:
                gc.enable()
