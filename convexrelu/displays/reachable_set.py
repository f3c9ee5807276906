"""The outputs of a polytope of inputs, for two outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from convexrelu.displays.common import AxesDisplay
from convexrelu.reach import ReachableSet, reachable_set

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ReachableSetDisplay"]


class ReachableSetDisplay(AxesDisplay):
    """Polygons of a reachable set in the plane: the image of one cell of inputs each.

    Parameters
    ----------
    pieces : ReachableSet
        From :func:`~convexrelu.reach.reachable_set`, of a network with two outputs.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.displays import ReachableSetDisplay
    >>> fold = TwoLayerNetwork(np.eye(2), [0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]], [0.0, 0.0])
    >>> display = ReachableSetDisplay.from_network(fold, ([-1.0, -1.0], [1.0, 1.0]))
    >>> len(display.ax_.patches)
    4
    """

    def __init__(self, pieces: ReachableSet) -> None:
        self.pieces = pieces

    @classmethod
    def from_network(
        cls, network: Any, polytope: Any, *, ax: Axes | None = None, **kwargs: Any
    ) -> Self:
        """Find the set and draw it.

        Parameters
        ----------
        network, polytope
            As for :func:`~convexrelu.reach.reachable_set`.
        ax : matplotlib Axes, optional
        **kwargs
            As for :meth:`plot`.
        """
        return cls(reachable_set(network, polytope)).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw on `ax`, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        **kwargs
            Passed to ``fill`` of every polygon.

        Raises
        ------
        ValueError
            If there are not two outputs.
        """
        n_outputs = len(self.pieces[0].offset)
        if n_outputs != 2:
            raise ValueError(f"pieces have {n_outputs} outputs, expected 2")
        ax = self._take_axes(ax)
        style: dict[str, Any] = {"facecolor": "#1f77b440", "edgecolor": "C0", "lw": 0.8}
        for piece in self.pieces:
            ax.fill(*piece.vertices().T, **style | kwargs)
        ax.set(xlabel="output 1", ylabel="output 2")
        ax.set_title(f"reachable set, {len(self.pieces)} pieces")
        return self
