"""The linear regions of a network with two features, in a box, and a ball in which they were counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import finite_array
from convexrelu.displays.common import BELOW, AxesDisplay
from convexrelu.regions.counting import checked_ball, checked_box
from convexrelu.regions.layers import layers_of
from convexrelu.regions.pieces import PlanePieces, pieces_on_plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RegionsDisplay"]


class RegionsDisplay(AxesDisplay):
    """Linear regions of a network with two features; matplotlib is imported when it is drawn.

    Each region in the box is a polygon, coloured by the length of the gradient of the first output there.

    Parameters
    ----------
    pieces : PlanePieces
        Of a polygon in the plane of both features.
    X : array of shape (n, 2), optional
        Samples, drawn as points.
    center : array of shape (2,), optional
    radius : float, optional
        A ball, drawn as a dashed circle.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.displays import RegionsDisplay
    >>> cross = TwoLayerNetwork([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [[1.0, 1.0]], [0.0])
    >>> display = RegionsDisplay.from_network(cross, [-1, -1], [1, 1], center=[0.5, 0.5], radius=0.6)
    >>> display.pieces.n_pieces
    4
    """

    def __init__(
        self,
        pieces: PlanePieces,
        *,
        X: ArrayLike | None = None,
        center: ArrayLike | None = None,
        radius: float | None = None,
    ) -> None:
        self.pieces = pieces
        self.X = X
        self.center = center
        self.radius = radius

    @classmethod
    def from_network(
        cls,
        network: Any,
        lower: ArrayLike,
        upper: ArrayLike,
        *,
        X: ArrayLike | None = None,
        center: ArrayLike | None = None,
        radius: float | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the regions of a network with two features in a box.

        Parameters
        ----------
        network : TwoLayerNetwork or torch.nn.Sequential
            As for :func:`~convexrelu.regions.pieces_on_plane`.
        lower, upper : arrays of shape (2,)
            The box.
        X : array of shape (n, 2), optional
        center : array of shape (2,), optional
        radius : float, optional
            A ball; both or none.
        ax : matplotlib Axes, optional
        **kwargs
            Passed to the collection of polygons.

        Raises
        ------
        ValueError
            If the network has another number of features, or an argument is wrong.
        """
        n_features = layers_of(network).n_features
        if n_features != 2:
            raise ValueError(f"network takes {n_features} features, expected 2")
        (left, bottom), (right, top) = checked_box(lower, upper, 2)
        if (center is None) != (radius is None):
            raise ValueError("center and radius are given together or not at all")
        if center is not None and radius is not None:
            center, radius = checked_ball(center, radius, 2)
        corners = [[left, bottom], [right, bottom], [right, top], [left, top]]
        display = cls(
            pieces_on_plane(network, corners),
            X=None if X is None else finite_array("X", X, "n", 2),
            center=center,
            radius=radius,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw on `ax`, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        **kwargs
            Passed to the collection of polygons.
        """
        from matplotlib.collections import PolyCollection
        from matplotlib.patches import Circle

        ax = self._take_axes(ax)
        style: dict[str, Any] = {"edgecolors": "0.2", "linewidths": 0.6, "cmap": "viridis"}
        polygons = PolyCollection(self.pieces.polygons, **style | kwargs)
        polygons.set_array(np.linalg.norm(self.pieces.slopes[:, 0], axis=1))
        ax.add_collection(polygons)
        ax.figure.colorbar(polygons, ax=ax, label="length of the gradient")
        if self.X is not None:
            x, y = np.asarray(self.X).T
            ax.scatter(x, y, s=12, color="white", edgecolor="black", label="data")
        if self.center is not None and self.radius is not None:
            middle = tuple(np.asarray(self.center, dtype=np.float64))
            ball = Circle(middle, self.radius, fill=False, ls="--", lw=2, color="C1", label="ball")
            ax.add_patch(ball)
        corners = np.vstack(self.pieces.polygons)
        (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
        ax.set(xlim=(left, right), ylim=(bottom, top), xlabel="x0", ylabel="x1", aspect="equal")
        if ax.get_legend_handles_labels()[0]:
            ax.legend(**BELOW, ncols=2)
        return self
