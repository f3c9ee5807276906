"""Small tables to try things on: real ones that scikit-learn has, and made ones. Nothing is downloaded.

* :func:`~convexrelu.datasets.load` gives a table by its name.
* :func:`~convexrelu.datasets.make_mixed`, :func:`~convexrelu.datasets.make_counts` and
  :func:`~convexrelu.datasets.make_imbalanced` make tables of any length.
"""

from convexrelu.datasets.made import make_counts, make_imbalanced, make_mixed
from convexrelu.datasets.tables import NAMES, load

__all__ = ["NAMES", "load", "make_counts", "make_imbalanced", "make_mixed"]
