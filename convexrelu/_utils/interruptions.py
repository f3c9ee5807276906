"""Postpone Ctrl-C until nothing is left half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["interruptions_held"]


@contextmanager
def interruptions_held() -> Iterator[None]:
    """Defer Ctrl-C until the block has ended.

    For imports of compiled libraries, which cannot be repeated after they were cut short, and for settings that must
    change together. Outside the main thread Python raises no interruptions, and this does nothing.

    Examples
    --------
    >>> import signal
    >>> _ = signal.signal(signal.SIGINT, signal.default_int_handler)  # processes in the background ignore it
    >>> done = False
    >>> try:
    ...     with interruptions_held():
    ...         signal.raise_signal(signal.SIGINT)
    ...         done = True
    ... except KeyboardInterrupt:
    ...     print("interrupted after the block:", done)
    interrupted after the block: True
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # ignored, or unknown to Python, which could not restore it
        yield
        return
    received: list[Any] = []
    signal.signal(signal.SIGINT, lambda *arguments: received.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if received:
            handler(*received[-1])
