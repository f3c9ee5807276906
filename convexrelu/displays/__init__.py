"""Plots in the manner of scikit-learn's Display classes, and progress as text."""

from convexrelu.displays.convergence import ConvergenceDisplay
from convexrelu.displays.progress import ProgressPrinter

__all__ = ["ConvergenceDisplay", "ProgressPrinter"]
