"""Plots in the manner of scikit-learn's Display classes, and progress as text."""

from convexrelu.displays.convergence import ConvergenceDisplay
from convexrelu.displays.progress import ProgressPrinter
from convexrelu.displays.regularization_path import RegularizationPathDisplay

__all__ = ["ConvergenceDisplay", "ProgressPrinter", "RegularizationPathDisplay"]
