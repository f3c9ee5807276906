"""The range of an output against one feature, proved for every slab of a box."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from convexrelu.displays.common import BELOW, AxesDisplay
from convexrelu.reach import FeatureBands, feature_bands

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["OutputBandsDisplay"]


class OutputBandsDisplay(AxesDisplay):
    """Band that contains an output for all inputs of a box, against one feature, with the values that are reached.

    Parameters
    ----------
    bands : FeatureBands
        From :func:`~convexrelu.reach.feature_bands`.
    output : int
        The output that is drawn.
    feature_name : str

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.displays import OutputBandsDisplay
    >>> network = TwoLayerNetwork([[1.0, 1.0]], [0.0], [[2.0]], [0.0])
    >>> display = OutputBandsDisplay.from_network(network, 0, [-1.0, -1.0], [1.0, 1.0], n_slabs=4)
    >>> len(display.bands.edges)
    5
    """

    def __init__(
        self, bands: FeatureBands, *, output: int = 0, feature_name: str | None = None
    ) -> None:
        self.bands = bands
        self.output = output
        self.feature_name = feature_name or f"feature {bands.feature}"

    @classmethod
    def from_network(
        cls,
        network: Any,
        feature: int,
        lower: ArrayLike,
        upper: ArrayLike,
        *,
        output: int = 0,
        n_slabs: int = 20,
        feature_name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Find the bands and draw them.

        Parameters
        ----------
        network, feature, lower, upper, n_slabs
            As for :func:`~convexrelu.reach.feature_bands`.
        output : int
        feature_name : str, optional
        ax : matplotlib Axes, optional
        **kwargs
            As for :meth:`plot`.
        """
        bands = feature_bands(network, feature, lower, upper, n_slabs=n_slabs)
        return cls(bands, output=output, feature_name=feature_name).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw on `ax`, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        **kwargs
            Passed to ``fill_between`` of the band.
        """
        ax = self._take_axes(ax)
        bands, k = self.bands, self.output
        # Steps: the last value once more, at the last edge.
        low, high, least, most = (
            np.append(part[:, k], part[-1, k])
            for part in (bands.lower, bands.upper, bands.least, bands.greatest)
        )
        style: dict[str, Any] = {"color": "C0", "alpha": 0.25, "lw": 0}
        style["label"] = "proved: no output is outside"
        ax.fill_between(bands.edges, low, high, step="post", **style | kwargs)
        for values, label in ((least, "reached"), (most, None)):
            ax.step(bands.edges, values, where="post", color="C0", lw=1.5, label=label)
        ax.set(xlabel=self.feature_name, ylabel="output", title="range of the output")
        ax.legend(**BELOW, ncols=2)
        return self
