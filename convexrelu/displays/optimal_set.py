"""Differences between predictions of equally good networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.arguments import finite_array, shown
from convexrelu._utils.typing import Array
from convexrelu.displays.common import BELOW, AxesDisplay, checked_targets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["OptimalSetDisplay"]


class _PredictsRange(Protocol):
    def prediction_range(self, X: ArrayLike) -> tuple[Array, Array]: ...


class OptimalSetDisplay(AxesDisplay):
    """Range of the predictions of equally good networks; matplotlib is imported when it is drawn.

    Over one feature the range is a band; without one, samples are drawn side by side, sorted, each with an interval.

    Parameters
    ----------
    low, high : arrays of shape (n,)
        Smallest and largest prediction for each sample.
    prediction : array of shape (n,), optional
        Prediction of one of the networks.
    x : array of shape (n,), optional
        The feature. Without it, samples are sorted by `prediction`, or the middle of the interval.
    y : array of shape (n,), optional
        Targets, drawn as points.
    feature_name : str
        Name of `x`.

    Attributes
    ----------
    order : integer array of shape (n,)
        Order of the samples from left to right.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Raises
    ------
    ValueError
        If arrays have different shapes, or `low` is above `high`.

    Examples
    --------
    >>> from convexrelu.displays import OptimalSetDisplay
    >>> display = OptimalSetDisplay([0.0, 0.5], [1.0, 0.5], x=[1.0, 0.0]).plot()
    >>> display.order, display.ax_.get_xlabel()
    (array([1, 0]), 'x')
    """

    def __init__(
        self,
        low: ArrayLike,
        high: ArrayLike,
        prediction: ArrayLike | None = None,
        *,
        x: ArrayLike | None = None,
        y: ArrayLike | None = None,
        feature_name: str = "x",
    ) -> None:
        self.low = np.asarray(low, dtype=np.float64)
        if self.low.ndim != 1 or not self.low.size:
            raise ValueError(f"low has shape {self.low.shape}, expected (n,)")
        self.high = self._one_each("high", high)
        if not (self.low <= self.high).all():
            raise ValueError("low is above high for some sample")
        self.prediction = None if prediction is None else self._one_each("prediction", prediction)
        self.x = None if x is None else self._one_each("x", x)
        self.y = None if y is None else self._one_each("y", y)
        self.feature_name = feature_name
        middle = (self.low + self.high) / 2 if self.prediction is None else self.prediction
        self.order = np.argsort(middle if self.x is None else self.x, kind="stable")

    def _one_each(self, name: str, values: ArrayLike) -> Array:
        array = np.asarray(values, dtype=np.float64)
        if array.shape != self.low.shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {self.low.shape}, as low")
        return array

    @classmethod
    def from_polytope(
        cls,
        polytope: _PredictsRange,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        prediction: ArrayLike | None = None,
        feature: int | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the ranges that ``polytope.prediction_range(X)`` returns.

        Parameters
        ----------
        polytope : object
            A set of networks whose ``prediction_range(X)`` is the pair of arrays ``(low, high)``.
        X : array of shape (n, d)
        y : array of shape (n,), optional
            Targets.
        prediction : array of shape (n,), optional
            Prediction of one of the networks.
        feature : int, optional
            Column of `X` to draw along. By default the only one; with several, samples are drawn side by side.
            A band is meaningful between samples only if the other columns do not vary.
        ax : matplotlib Axes, optional
        **kwargs
            As for :meth:`plot`.

        Raises
        ------
        ValueError
            If the arrays do not fit together, or the column does not exist.
        """
        names = getattr(X, "columns", None)
        rows = finite_array("X", X, "n", "d")
        d = rows.shape[1]
        if feature is None and d == 1:
            feature = 0
        if feature is not None and not 0 <= feature < d:
            raise ValueError(f"feature={shown(feature)} is no column of X, expected 0 to {d - 1}")
        low, high = polytope.prediction_range(rows)
        one_name = "x" if d == 1 else f"feature {feature}"
        display = cls(
            low,
            high,
            prediction,
            x=None if feature is None else rows[:, feature],
            y=None if y is None else checked_targets(y, len(rows)),
            feature_name=one_name if names is None or feature is None else str(names[feature]),
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, *, name: str | None = None, **kwargs: Any) -> Self:
        """Draw on `ax`, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        name : str, optional
            Label of the range.
        **kwargs
            Passed to the ``ax.fill_between`` of the band, or the ``ax.vlines`` of intervals.
        """
        ax = self._take_axes(ax)
        low, high = self.low[self.order], self.high[self.order]
        label = name or "range over equally good networks"
        style: dict[str, Any]
        along = np.arange(len(low)) if self.x is None else self.x[self.order]
        if self.x is None:
            style = {"color": "C0", "lw": 3, "alpha": 0.5, "label": label}
            ax.vlines(along, low, high, **style | kwargs)
            ax.set(xlabel="samples, sorted by prediction")
        else:
            style = {"color": "C0", "lw": 0, "alpha": 0.35, "label": label}
            ax.fill_between(along, low, high, **style | kwargs)
            ax.set(xlabel=self.feature_name)
        self._draw_points(ax, along)
        ax.set(ylabel="prediction")
        ax.legend(**BELOW, ncols=3)
        return self

    def _draw_points(self, ax: Axes, along: Array | NDArray[np.intp]) -> None:
        if self.prediction is not None:
            line = "none" if self.x is None else "-"
            mark = "_" if self.x is None else None
            style: dict[str, Any] = {"linestyle": line, "marker": mark, "color": "0.1", "lw": 1.2}
            ax.plot(along, self.prediction[self.order], label="one of them", **style)
        if self.y is not None:
            ax.scatter(along, self.y[self.order], s=16, color="C1", label="data", zorder=3)
