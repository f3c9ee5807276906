"""Versions that matter for a report of a fault."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

__all__ = ["show_versions"]

_EXTENSION = "convexrelu.oracles.bounds._corners"


def show_versions() -> None:
    """Print the versions of Python, of this package and of what it needs, and whether branch and bound is compiled.

    Examples
    --------
    >>> show_versions()  # doctest: +ELLIPSIS
    Python: ...
    convexrelu: ...
    """
    print(f"Python: {platform.python_version()}, {platform.platform()}")
    needed = [line for line in requires("convexrelu") or [] if "extra ==" not in line]
    for name in ("convexrelu", *(re.split(r"[^\w.-]", line)[0] for line in needed)):
        try:
            print(f"{name}: {version(name)}")
        except PackageNotFoundError:
            print(f"{name}: not installed")
    compiled = find_spec(_EXTENSION) is not None
    print(f"branch and bound: {'compiled' if compiled else 'NumPy, built without a compiler'}")
