"""Networks with one feature as linear splines and back, and their cell of the loss surface."""

from convexrelu.univariate.loss_cell import CellReport, cell_report
from convexrelu.univariate.spline import Knots, from_spline, knots, to_spline

__all__ = ["CellReport", "Knots", "cell_report", "from_spline", "knots", "to_spline"]
