"""What a trained network is as a function: a spline, where it has one feature, and its cell of the loss surface."""

from convexrelu.analysis.cell import CellReport, cell_report
from convexrelu.analysis.spline import Knots, from_spline, knots, to_spline

__all__ = ["CellReport", "Knots", "cell_report", "from_spline", "knots", "to_spline"]
