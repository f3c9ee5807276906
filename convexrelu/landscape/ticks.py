"""Plain numbers on a logarithmic axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plain_log_ticks"]

_FEW_DECADES = 2.5  # with fewer, two and five times a power of ten have labels, too


def plain_log_ticks(ax: Axes) -> None:
    """Label the logarithmic y axis with numbers such as 0.05; after all has been drawn."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = ax.get_ylim()
    if np.log10(high / low) <= _FEW_DECADES:
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
