"""The command ``convexrelu``: arguments, exit codes, and errors in one line."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import convexrelu
from convexrelu.command_line.shared import TASKS, CommandError

__all__ = ["main"]

INTERRUPTED = 130  # 128 and the number of the signal, as shells have it


def main(arguments: Sequence[str] | None = None, prog: str = "convexrelu") -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.
    prog : str
        Name in the usage.

    Returns
    -------
    int
        Exit code: 0; 1 for errors in the data and files; 130 after Ctrl-C. Errors in the arguments end the process
        with 2.

    Examples
    --------
    >>> main(["predict", "no_such_model", "table.csv"])  # and a line about it on standard error
    1
    """
    options = _parser(prog).parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("once", UserWarning)
            warnings.showwarning = lambda message, *_: _warn(message)
            options.run(options)
            sys.stdout.flush()
    except KeyboardInterrupt as interruption:
        return _complain(str(interruption) or "interrupted", INTERRUPTED)
    except BrokenPipeError:  # whoever read our output has enough
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return 1
    except (CommandError, ValueError, OSError, ImportError) as error:
        return _complain(f"error: {error}", 1)
    return 0


def _complain(text: str, code: int) -> int:
    print("convexrelu: " + " ".join(text.split()), file=sys.stderr)
    return code


def _warn(message: Warning | str) -> None:
    _complain(f"warning: {message}", 0)


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog, description="Convex training of two-layer ReLU networks."
    )
    parser.add_argument(
        "--version", action="version", version=f"convexrelu {convexrelu.__version__}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    _add_fit(commands)
    _add_predict(commands)
    _add_certify(commands)
    _add_report(commands)
    _add_export(commands)
    _add_demo(commands)
    return parser


def _command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")

    def run(options: argparse.Namespace) -> None:
        from convexrelu.command_line import commands as functions

        getattr(functions, name)(options)

    parser.set_defaults(run=run)
    return parser


def _add_fit(commands: Any) -> None:
    parser = _command(commands, "fit", "train a model of a CSV file, with a certificate")
    _add_data(parser)
    parser.add_argument("--target", required=True, help="column to predict")
    parser.add_argument("--task", choices=TASKS, help="what the target is; by default a guess")
    penalty = parser.add_mutually_exclusive_group()
    penalty.add_argument("--cv", action="store_true", help="choose the penalty by cross-validation")
    penalty.add_argument(
        "--alpha",
        type=_positive,
        default=0.01,
        help="penalty, as a fraction of the smallest one that leaves a constant (0.01)",
    )
    _add_time_limit(parser)
    _add_output(parser, "file for the model")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def _add_predict(commands: Any) -> None:
    parser = _command(commands, "predict", "predict the rows of a CSV file")
    _add_model_and_data(parser)
    _add_output(parser, "CSV file for the predictions; standard output by default", required=False)


def _add_certify(commands: Any) -> None:
    parser = _command(
        commands, "certify", "bound how far the network is from the optimum on a CSV file"
    )
    _add_model_and_data(parser)
    _add_target(parser)
    _add_time_limit(parser)


def _add_report(commands: Any) -> None:
    parser = _command(commands, "report", "write a page about a model and a CSV file")
    _add_model_and_data(parser)
    _add_target(parser)
    _add_output(parser, "HTML file")


def _add_export(commands: Any) -> None:
    parser = _command(commands, "export", "write a model as an ONNX graph")
    _add_model(parser)
    _add_output(parser, "ONNX file")


def _add_demo(commands: Any) -> None:
    text = "train on real data and compare with SGD and Adam"
    parser = commands.add_parser("demo", help=text)
    parser.add_argument(
        "--plot", type=Path, default=Path("convexrelu-demo.png"), help="where to save the plot"
    )
    parser.add_argument("--quiet", action="store_true", help="do not print a line per round")
    parser.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> None:
    from convexrelu.demo import main as run_demo

    run_demo(options.plot, verbose=0 if options.quiet else 1)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="file written by fit")


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="CSV file with a header")
    parser.add_argument("--separator", default=",", help="what separates columns (a comma)")


def _add_model_and_data(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_data(parser)


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", help="column with the targets; by default the one of fit")


def _add_output(parser: argparse.ArgumentParser, text: str, required: bool = True) -> None:
    parser.add_argument("--output", "-o", type=Path, required=required, help=text)


def _add_time_limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--time-limit", type=_positive, metavar="S", help="seconds at most")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no positive number")
    return value
