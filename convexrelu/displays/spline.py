"""A network with one feature, drawn as a linear spline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import finite_array
from convexrelu._utils.typing import Array
from convexrelu.displays.common import BELOW, AxesDisplay, checked_network, checked_targets
from convexrelu.displays.fitted import with_its_data
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.univariate.spline import knots

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SplineDisplay"]


_MARGIN = 0.1  # of the range of the data or of the knots, on either side
_SIZES = 25.0, 150.0  # of the markers of the smallest and largest change of slope, in points²


class SplineDisplay(AxesDisplay):
    """A network with one feature as a linear spline, its knots and the data; matplotlib is imported when it is drawn.

    The knots are those of :func:`convexrelu.univariate.knots`: neuron ``j`` bends the line at ``−b_j/w_j``, where its
    slope changes by ``(1 − negative_slope) |w_j| a_j`` from left to right. Each is marked by a triangle, larger for a
    larger change of slope, and by a tick below.

    Parameters
    ----------
    x : array of shape (p,)
        Kinks of the neurons, between both ends of the drawn range; increasing.
    outputs : array of shape (p,)
        Outputs of the network at `x`; in between it is linear.
    positions : array of shape (k,)
        The knots.
    jumps : array of shape (k,)
        Change of slope at each knot: positive where the line bends upwards.
    contributions : array of shape (p, m), optional
        Contribution of each neuron to `outputs`.
    X, y : arrays of shape (n,), optional
        Data.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.displays import SplineDisplay
    >>> bump = TwoLayerNetwork([[1.0], [2.0], [1.0]], [1.0, 0.0, -1.0], [[1.0, -1.0, 1.0]], [0.0])
    >>> display = SplineDisplay.from_network(bump)
    >>> display.positions, display.jumps
    (array([-1.,  0.,  1.]), array([ 1., -2.,  1.]))
    """

    def __init__(
        self,
        x: ArrayLike,
        outputs: ArrayLike,
        positions: ArrayLike,
        jumps: ArrayLike,
        *,
        contributions: ArrayLike | None = None,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
    ) -> None:
        self.x = np.asarray(x, dtype=np.float64)
        self.outputs = np.asarray(outputs, dtype=np.float64)
        self.positions = np.asarray(positions, dtype=np.float64)
        self.jumps = np.asarray(jumps, dtype=np.float64)
        self.contributions = contributions
        self.X = X
        self.y = y

    @classmethod
    def from_network(
        cls,
        network: TwoLayerNetwork,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        *,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw a network with one feature and one output, over the range of `X` or else of its knots.

        Parameters
        ----------
        network : TwoLayerNetwork
        X : array of shape (n, 1), optional
            Inputs. Knots outside their range are left out.
        y : array of shape (n,), optional
            Targets, drawn as points.
        ax : matplotlib Axes, optional
        **kwargs
            As for :meth:`plot`.

        Raises
        ------
        ValueError
            If the network has several features or outputs, or the data have another shape.
        """
        network = checked_network(network, 1)
        if network.n_outputs != 1:
            raise ValueError(f"network has {network.n_outputs} outputs, expected 1")
        if X is None and y is not None:
            raise ValueError("y needs X, its inputs")
        inputs = None if X is None else finite_array("X", X, "n", 1)
        targets = None if inputs is None or y is None else checked_targets(y, len(inputs))
        positions, jumps = knots(network)
        low, high = _range(positions, inputs)
        inside = (positions > low) & (positions < high)
        x = _kinks(network, low, high)
        display = cls(
            x,
            network.predict(x[:, None]),
            positions[inside],
            jumps[inside],
            contributions=network.hidden_features(x[:, None]) * network.output_weights[0],
            X=None if inputs is None else inputs[:, 0],
            y=targets,
        )
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike, *, ax: Axes | None = None, **kwargs: Any
    ) -> Self:
        """Draw the network of a fitted estimator; labels become -1 and 1, as in its loss.

        Inputs and targets are drawn as it sees them, where pipelines or the like are around it.
        """
        estimator, X, y = with_its_data(estimator, "network_", X, y)
        network = checked_network(estimator.network_, 1)
        inputs = finite_array("X", X, "n", 1)
        problem = estimator._problem(inputs, checked_targets(y, len(inputs)), None, 1.0)
        return cls.from_network(network, inputs, problem.y, ax=ax, **kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        name: str | None = None,
        neurons: bool = False,
        **kwargs: Any,
    ) -> Self:
        """Draw on `ax`, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        name : str, optional
            Label of the network's line.
        neurons : bool
            Whether to draw the contribution of every neuron as well.
        **kwargs
            Passed to the ``ax.plot`` of the network.
        """
        ax = self._take_axes(ax)
        if self.X is not None and self.y is not None:
            ax.scatter(self.X, self.y, s=14, color="0.6", label="data", zorder=1)
        style: dict[str, Any] = {"label": name or "network", "color": "C0", "zorder": 2}
        ax.plot(self.x, self.outputs, **style | kwargs)
        if neurons:
            self._draw_neurons(ax)
        self._draw_knots(ax)
        ax.set(xlabel="x", ylabel="output")
        ax.legend(**BELOW, ncols=3)
        return self

    def _draw_neurons(self, ax: Axes) -> None:
        if self.contributions is None:
            raise ValueError("neurons=True needs contributions, which this display was not given")
        lines = ax.plot(self.x, self.contributions, color="0.35", lw=0.8, ls="--", zorder=1.5)
        if lines:
            lines[0].set_label("contribution of each neuron")

    def _draw_knots(self, ax: Axes) -> None:
        """Triangles on the line and ticks below it; shape as well as colour tells the kinds apart."""
        smallest, largest = _SIZES
        scale = np.abs(self.jumps).max(initial=0.0) or 1.0
        sizes = smallest + (largest - smallest) * np.abs(self.jumps) / scale
        heights = np.interp(self.positions, self.x, self.outputs)
        kinds = [
            (self.jumps > 0, "^", "C1", "knot: slope rises"),
            (self.jumps < 0, "v", "C4", "knot: slope falls"),
        ]
        for chosen, marker, color, label in kinds:
            if chosen.any():
                ax.scatter(
                    self.positions[chosen],
                    heights[chosen],
                    s=sizes[chosen],
                    marker=marker,
                    color=color,
                    edgecolor="white",
                    linewidth=0.8,
                    label=label,
                    zorder=3,
                )
        ax.vlines(self.positions, 0, 0.03, color="0.2", lw=1, transform=ax.get_xaxis_transform())


def _kinks(network: TwoLayerNetwork, low: float, high: float) -> Array:
    """``−b_j/w_j`` between the ends, and the ends; more points than knots where neurons cancel."""
    w, b = network.hidden_weights[:, 0], network.hidden_bias
    kinks = -b[w != 0] / w[w != 0]
    return np.unique(np.clip(np.append(kinks, [low, high]), low, high))


def _range(positions: Array, inputs: Array | None) -> tuple[float, float]:
    """Ends of the drawn range: slightly beyond the data, or else the knots."""
    seen = positions if inputs is None else inputs
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (-1.0, 1.0)
    margin = _MARGIN * (high - low) or 1.0
    return low - margin, high + margin
