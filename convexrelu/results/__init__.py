"""Results of training: the network with its certificate, the status of solvers, and progress as text."""

from convexrelu.results.progress import ProgressPrinter
from convexrelu.results.result import Progress, Result, Round
from convexrelu.results.status import AlphaWarning, SolverWarning, Status

__all__ = [
    "AlphaWarning",
    "Progress",
    "ProgressPrinter",
    "Result",
    "Round",
    "SolverWarning",
    "Status",
]
