"""What the commands share, without a library: names of tasks, and errors that users can mend."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["TASKS", "CommandError", "needed"]

TASKS = ("regression", "classification", "counts")


class CommandError(Exception):
    """An error whose message is one line that names the file, the column or the option."""


def needed(name: str, extra: str = "cli") -> ModuleType:
    """A library of an extra, or an error that says how to install it."""
    try:
        return import_module(name)
    except ImportError as error:
        library = name.partition(".")[0]
        raise CommandError(
            f'{library} is not installed: pip install "convexrelu[{extra}]"'
        ) from error
