"""A report of a fit in one HTML file, which opens without a network.

``write.py`` puts it together, ``influence.py`` computes importances and partial dependence, ``charts.py`` lays out
charts, and ``page/`` has the template with its style and its script.
"""

from convexrelu.report.write import write_report

__all__ = ["write_report"]
