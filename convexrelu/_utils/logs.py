"""Lines of text for people who wait: messages of the logger ``"convexrelu"``, or printed where nobody takes them."""

from __future__ import annotations

import logging
import sys

__all__ = ["LOGGER", "is_told", "tell"]

LOGGER = logging.getLogger("convexrelu")


def is_told(level: int) -> bool:
    """Whether a line of this level reaches anybody: lines at INFO and above were asked for, and always do."""
    return level >= logging.INFO or LOGGER.isEnabledFor(level)


def tell(text: str, level: int = logging.INFO) -> None:
    """Log a line, or print it if it was asked for and no handler takes lines of this level.

    Settings of :mod:`logging` belong to the application. So nothing is added to them, and without them
    ``verbose=1`` prints.

    Examples
    --------
    >>> tell("3 rounds")
    3 rounds
    >>> tell("a detail", logging.DEBUG)
    """
    if LOGGER.isEnabledFor(level) and LOGGER.hasHandlers():
        LOGGER.log(level, text)
    elif level >= logging.INFO:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
