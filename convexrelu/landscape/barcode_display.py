"""Barcodes as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from convexrelu.certificates.certificate import Certificate
from convexrelu.displays.common import BELOW, AxesDisplay
from convexrelu.landscape.certified_line import check_bound, draw_optimum
from convexrelu.landscape.persistence import Barcode

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BarcodeDisplay"]


class BarcodeDisplay(AxesDisplay):
    """Bars from minima to the passes that lead to lower ones; matplotlib is imported when it is drawn.

    Parameters
    ----------
    barcode : Barcode
        What to draw.
    certificate : Certificate, optional
        Bound on the objective of a training problem, drawn as a line. A proved bound above one of the losses
        belongs to another problem, and raises a ValueError.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from convexrelu.landscape import BarcodeDisplay, barcode
    >>> bars = barcode([[0.0, 5.0, 4.0], [5.0, 1.0, 3.0], [4.0, 3.0, 2.0]])
    >>> BarcodeDisplay.from_barcode(bars).ax_.get_ylabel()
    'minimum'
    """

    def __init__(self, barcode: Barcode, *, certificate: Certificate | None = None) -> None:
        self.barcode = barcode
        check_bound(certificate, barcode.births)
        self.certificate = certificate

    @classmethod
    def from_barcode(
        cls,
        barcode: Barcode,
        *,
        certificate: Certificate | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw a barcode; parameters as for the class and for :meth:`plot`."""
        return cls(barcode, certificate=certificate).plot(ax=ax, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, end: float | None = None, log: bool = False, **kwargs: Any
    ) -> Self:
        """Draw on `ax`, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        end : float, optional
            Where the endless bar of the lowest minimum is cut off; by default, beyond all others.
        log : bool
            Whether the loss is drawn on a logarithmic axis.
        **kwargs
            Passed to the ``ax.hlines`` of the bars.
        """
        from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

        ax = self._take_axes(ax)
        births, deaths = self.barcode.births, self.barcode.deaths
        finite = np.isfinite(deaths)
        rows = np.arange(1, len(births) + 1)
        end = self._end() if end is None else end
        ends = np.where(finite, deaths, end)
        style: dict[str, Any] = {"color": "C0", "lw": 3}
        ax.hlines(rows, births, ends, **(style | kwargs))
        ax.plot(births, rows, "o", color="C1", ms=5, zorder=3, label="minimum")
        ax.plot(
            deaths[finite],
            rows[finite],
            "|",
            color="C3",
            ms=10,
            mew=2,
            label="pass to a lower minimum",
        )
        ax.plot(ends[~finite], rows[~finite], ">", color="C0", ms=6)
        if log:
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
            ax.xaxis.set_minor_formatter(NullFormatter())
        if self.certificate is not None:
            draw_optimum(ax, self.certificate)
        ax.set(xlabel="loss", ylabel="minimum")
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend(**BELOW, ncols=3)
        return self

    def _end(self) -> float:
        births, deaths = self.barcode.births, self.barcode.deaths
        seen = np.concatenate([births, deaths[np.isfinite(deaths)]])
        return float(seen.max() + 0.15 * (np.ptp(seen) or 1.0))
