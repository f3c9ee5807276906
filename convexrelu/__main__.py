"""``python -m convexrelu``, the same as the command ``convexrelu``."""

from __future__ import annotations

import sys

from convexrelu.command_line.main import main as run


def main() -> int:
    """Parse the command line and run the command; returns the exit code."""
    return run(prog="python -m convexrelu")


if __name__ == "__main__":
    sys.exit(main())
