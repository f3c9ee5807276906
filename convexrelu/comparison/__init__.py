"""An estimator beside others: nested cross-validation, a table, and plots.

* :func:`~convexrelu.comparison.compare` measures it beside a multilayer perceptron, a support vector machine, boosted
  trees and a linear model, each with parameters of its own choice.
* :class:`~convexrelu.comparison.ComparisonDisplay` draws the scores of the folds.
* :class:`~convexrelu.comparison.CriticalDifferenceDisplay` draws mean ranks over several tables.
"""

from convexrelu.comparison.compare import compare
from convexrelu.comparison.critical_difference import CriticalDifferenceDisplay
from convexrelu.comparison.display import ComparisonDisplay
from convexrelu.comparison.result import Comparison
from convexrelu.comparison.rivals import rivals_for

__all__ = [
    "Comparison",
    "ComparisonDisplay",
    "CriticalDifferenceDisplay",
    "compare",
    "rivals_for",
]
