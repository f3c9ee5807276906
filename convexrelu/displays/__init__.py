"""Plots in the style of scikit-learn's Display classes."""

from convexrelu.displays.convergence import ConvergenceDisplay
from convexrelu.displays.decision_regions import DecisionRegionsDisplay
from convexrelu.displays.optimal_set import OptimalSetDisplay
from convexrelu.displays.output_bands import OutputBandsDisplay
from convexrelu.displays.reachable_set import ReachableSetDisplay
from convexrelu.displays.rectified_ellipsoid import RectifiedEllipsoidDisplay
from convexrelu.displays.region_history import RegionHistoryDisplay
from convexrelu.displays.regions import RegionsDisplay
from convexrelu.displays.regularization_path import RegularizationPathDisplay
from convexrelu.displays.spline import SplineDisplay
from convexrelu.results.progress import ProgressPrinter

__all__ = [
    "ConvergenceDisplay",
    "DecisionRegionsDisplay",
    "OptimalSetDisplay",
    "OutputBandsDisplay",
    "ProgressPrinter",
    "ReachableSetDisplay",
    "RectifiedEllipsoidDisplay",
    "RegionHistoryDisplay",
    "RegionsDisplay",
    "RegularizationPathDisplay",
    "SplineDisplay",
]
