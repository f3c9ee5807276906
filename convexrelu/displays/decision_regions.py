"""Decisions of a network with two features, and the lines where its neurons switch on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier

from convexrelu._utils.arguments import finite_array, shown
from convexrelu._utils.typing import Array
from convexrelu.displays.common import BELOW, AxesDisplay, checked_network, checked_targets
from convexrelu.displays.fitted import with_its_data

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["DecisionRegionsDisplay"]


_MARGIN = 0.1  # of the range of the data, on every side
_AT_A_KINK = 1e-3  # outputs this close to a kink of the loss count as on it
# Colours that colour-blind readers can distinguish (Okabe & Ito), and markers for print without colours.
_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
_MARKERS = "os^Dv<>P"
_WIDTHS = 0.6, 2.4  # of the lines of the weakest and the strongest neuron, in points


class DecisionRegionsDisplay(AxesDisplay):
    r"""Decision regions, or level sets, of a network with two features, and the lines where its neurons switch on.

    Neuron ``j`` is active on one side of the line ``w_jᵀx + b_j = 0``, marked by ticks; the width of the line shows
    its share ``‖w_j‖‖a_j‖``, relative to the largest one. matplotlib is imported when it is drawn.

    Parameters
    ----------
    x0, x1 : arrays of shape (p,) and (q,)
        Coordinates of a grid.
    Predictions on the grid; or the scores of ``K ≥ 2`` classes, the largest of which decides.
        Predictions on the grid; or the scores of ``K ≥ 2`` classes, of which the largest decides.
    X : array of shape (n, 2)
        Samples.
    y : array of shape (n,)
        Their targets, or labels.
    boundaries : array of shape (m, 3)
        Rows ``(w_j, b_j)``.
    shares : array of shape (m,)
        Shares of the neurons, nonnegative.
    classes : array of shape (K,), optional
        Labels of the scores in `response`.
    support : boolean array of shape (n,), optional
        Samples to mark: those whose loss is not flat at their output.
    feature_names : pair of str

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    sklearn.inspection.DecisionBoundaryDisplay : Decision regions of any estimator.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import ConvexReLUClassifier
    >>> from convexrelu.displays import DecisionRegionsDisplay
    >>> X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> y = np.array(["equal", "different", "different", "equal"])
    >>> model = ConvexReLUClassifier(alpha=0.01, loss="hinge", random_state=0).fit(X, y)
    >>> display = DecisionRegionsDisplay.from_estimator(model, X, y)
    >>> len(display.boundaries) == model.network_.width, display.classes
    (True, array(['different', 'equal'], dtype='<U9'))
    """

    def __init__(
        self,
        x0: Array,
        x1: Array,
        response: Array,
        X: Array,
        y: NDArray,
        *,
        boundaries: Array,
        shares: Array,
        classes: NDArray | None = None,
        support: NDArray[np.bool_] | None = None,
        feature_names: tuple[str, str] = ("x₁", "x₂"),
    ) -> None:
        self.x0 = x0
        self.x1 = x1
        self.response = response
        self.X = X
        self.y = y
        self.boundaries = boundaries
        self.shares = shares
        self.classes = classes
        self.support = support
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        grid_resolution: int = 200,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw a fitted classifier or regressor.

        Samples are marked as support where the loss has a slope at their output, or a kink within 1e-3: with hinge
        losses, those on or inside the margin. Only these pull at the network. With other losses every sample does, and
        none is marked.

        Parameters
        ----------
        estimator : ConvexReLUClassifier, ConvexReLURegressor, or one with cross-validation
            Fitted to two features; a regressor to one target. In a pipeline, a search, or a
            :class:`sklearn.compose.TransformedTargetRegressor`, the picture is of the features and targets that it
            sees there, such as standardised ones.
        X : array of shape (n, 2)
        y : array of shape (n,)
        grid_resolution : int
            Points of the grid along each axis.
        ax : matplotlib Axes, optional
        **kwargs
            As for :meth:`plot`.

        Raises
        ------
        ValueError
            If the network does not take two features or is not a ReLU network, or the data have another shape.
        """
        estimator, X, y = with_its_data(estimator, "network_", X, y)
        if getattr(estimator, "_constants", None) is not None:
            raise ValueError(
                "estimator predicts several labels, which have no regions of one class each"
            )
        network = checked_network(estimator.network_, 2)
        if grid_resolution < 2:
            raise ValueError(f"grid_resolution={shown(grid_resolution)} is not at least 2")
        inputs = finite_array("X", X, "n", 2)
        targets = checked_targets(y, len(inputs))
        classes, weights = None, None
        if is_classifier(estimator):  # those without weight have no outputs
            classes = estimator.classes_[estimator._has_weight]
            weights = np.isin(targets, classes).astype(np.float64)
        problem = estimator._problem(inputs, targets, weights, 1.0)
        x0, x1 = (_axis(column, grid_resolution) for column in inputs.T)
        grid = np.stack(np.meshgrid(x0, x1), axis=-1)
        outputs = network.predict(grid.reshape(-1, 2))
        if classes is not None and outputs.ndim == 1:
            outputs = np.column_stack([-outputs, outputs])
        elif classes is None and estimator._predicts_logarithms:
            outputs = np.exp(outputs)
        outer = np.linalg.norm(network.output_weights, axis=0)
        display = cls(
            x0,
            x1,
            outputs.reshape(*grid.shape[:2], *outputs.shape[1:]),
            inputs,
            targets,
            boundaries=network.augmented_weights(),
            shares=np.linalg.norm(network.hidden_weights, axis=1) * outer,
            classes=classes,
            support=_support(problem, network.predict(inputs)),
            feature_names=tuple(getattr(estimator, "feature_names_in_", ("x₁", "x₂"))),
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw on `ax`, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        **kwargs
            Passed to every ``ax.contourf``.
        """
        ax = self._take_axes(ax)
        if self.classes is None:
            self._draw_levels(ax, kwargs)
        else:
            self._draw_regions(ax, self.classes, kwargs)
        self._draw_boundaries(ax)
        if self.support is not None and not self.support.all():
            style: dict[str, Any] = {"facecolor": "none", "edgecolor": "black", "linewidth": 1.2}
            x, y = self.X[self.support].T
            ax.scatter(x, y, s=90, label="support: loss not flat", zorder=4, **style)
        ax.set(
            xlim=self.x0[[0, -1]],
            ylim=self.x1[[0, -1]],
            xlabel=self.feature_names[0],
            ylabel=self.feature_names[1],
        )
        ax.legend(**BELOW, ncols=3)
        return self

    def _draw_regions(self, ax: Axes, classes: NDArray, style: dict[str, Any]) -> None:
        """Regions where the score of each class is largest; the boundary is interpolated between grid points."""
        from matplotlib.colors import to_rgba

        for k, label in enumerate(classes):
            color = _COLORS[k % len(_COLORS)]
            lead = self.response[..., k] - np.delete(self.response, k, axis=-1).max(axis=-1)
            if (lead > 0).any():
                fill = {"colors": [to_rgba(color, 0.25)]} | style
                ax.contourf(self.x0, self.x1, lead, levels=[0, np.inf], zorder=0, **fill)
            x, y = self.X[self.y == label].T
            ax.scatter(
                x,
                y,
                s=26,
                color=color,
                marker=_MARKERS[k % len(_MARKERS)],
                edgecolor="white",
                linewidth=0.6,
                label=f"class {label}",
                zorder=3,
            )

    def _draw_levels(self, ax: Axes, style: dict[str, Any]) -> None:
        """Samples in the colours of the level sets: a point that stands out is badly fitted."""
        from matplotlib.colors import Normalize

        values = np.concatenate([self.response.ravel(), self.y])
        norm = Normalize(values.min(), values.max())
        fill: dict[str, Any] = {"levels": 12, "cmap": "viridis", "alpha": 0.7}
        levels = ax.contourf(self.x0, self.x1, self.response, norm=norm, zorder=0, **fill | style)
        x, y = self.X.T
        ax.scatter(
            x,
            y,
            c=self.y,
            s=26,
            cmap=levels.cmap,
            norm=norm,
            edgecolor="white",
            linewidth=0.6,
            label="data",
            zorder=3,
        )
        ax.figure.colorbar(levels, ax=ax, label="prediction")

    def _draw_boundaries(self, ax: Axes) -> None:
        """One line per neuron that crosses the picture."""
        from matplotlib.patheffects import withTickedStroke

        # The ticks are to the left of the line, in the direction that `segment` gives it.
        ticks = [withTickedStroke(spacing=10, angle=90, length=0.6, linewidth=0.7)]
        largest = self.shares.max(initial=0.0) or 1.0
        label: str | None = "neuron, ticks on its active side"
        thin, thick = _WIDTHS
        for line, share in zip(self.boundaries, self.shares, strict=True):
            ends = segment(line, self.x0[[0, -1]], self.x1[[0, -1]])
            if ends is not None:
                width = thin + (thick - thin) * share / largest
                ax.plot(*ends, color="0.25", lw=width, path_effects=ticks, label=label, zorder=2)
                label = None


def _axis(column: Array, n_points: int) -> Array:
    low, high = column.min(), column.max()
    margin = _MARGIN * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, n_points)


def _support(problem: TrainingProblem, outputs: Array) -> NDArray[np.bool_]:
    """Samples whose loss has a slope near their output, on at least one side."""
    sides = [problem.loss.gradient(outputs + t, problem.y) for t in (-_AT_A_KINK, _AT_A_KINK)]
    return np.any([side.reshape(len(outputs), -1).any(axis=1) for side in sides], axis=0)


def segment(line: Array, x_range: Array, y_range: Array) -> Array | None:
    """Ends of ``{w·x + b = 0}`` in a rectangle, as rows of x and of y, with ``w`` to the left; None where it misses."""
    w, b = line[:2], line[2]
    length = np.linalg.norm(w)
    if length == 0:
        return None
    foot, along = -b * w / length**2, np.array([w[1], -w[0]]) / length
    # For each of two strips, t is in an interval; in the rectangle it is in their intersection.
    low, high = -np.inf, np.inf
    for start, step, ends in zip(foot, along, (x_range, y_range), strict=True):
        if step == 0:
            if not ends[0] <= start <= ends[1]:
                return None
            continue
        first, last = np.sort((ends - start) / step)
        low, high = max(low, first), min(high, last)
    return foot[:, None] + np.outer(along, [low, high]) if low < high else None
