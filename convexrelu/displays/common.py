"""What displays have in common: their axes, checks of their input, and a legend that covers no data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu.networks.two_layer import TwoLayerNetwork

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BELOW", "AxesDisplay", "checked_network", "checked_targets"]

# Keywords of a legend below the axes and their labels.
BELOW: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14), "frameon": False}


class AxesDisplay:
    """A display on one pair of axes. matplotlib is imported when it is drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    figure_: Figure
    ax_: Axes

    def _take_axes(self, ax: Axes | None, **options: Any) -> Axes:
        """Keep the axes to draw on and their figure; a new figure if `ax` is None, with these options."""
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(**({"layout": "constrained"} | options))
        self.ax_ = ax
        self.figure_ = ax.get_figure(root=True)  # type: ignore[assignment]
        return ax


def checked_network(network: Any, n_features: int) -> TwoLayerNetwork:
    """A network with neurons to draw, for inputs with `n_features` features."""
    if not isinstance(network, TwoLayerNetwork):
        raise ValueError(f"network is a {type(network).__name__}, expected a TwoLayerNetwork")
    if network.n_features != n_features:
        raise ValueError(f"network takes {network.n_features} features, expected {n_features}")
    return network


def checked_targets(y: ArrayLike, n_samples: int) -> NDArray:
    """One number or label per sample."""
    targets = np.asarray(y)
    if targets.shape != (n_samples,):
        raise ValueError(f"y has shape {targets.shape}, expected ({n_samples},)")
    return targets
