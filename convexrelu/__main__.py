"""Command line: ``python -m convexrelu demo``."""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    """Parse the command line and run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m convexrelu", description="Convex training of two-layer ReLU networks."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="train on real data and compare with SGD and Adam")
    demo.add_argument(
        "--plot", type=Path, default=Path("convexrelu-demo.png"), help="where to save the plot"
    )
    demo.add_argument("--quiet", action="store_true", help="do not print a line per round")
    arguments = parser.parse_args()

    from convexrelu.demo import main as run_demo

    run_demo(arguments.plot, verbose=0 if arguments.quiet else 1)


if __name__ == "__main__":
    main()
