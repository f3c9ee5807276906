"""The rectified ellipsoid, over which pricing maximises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import finite_array, float_array
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.displays.common import BELOW
from convexrelu.oracles.exact.spike_free import spike_free_margin
from convexrelu.oracles.exact.sweep import SweepOracle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RectifiedEllipsoidDisplay", "SupportingPlane"]


_N_ANGLES = 721  # every half degree, including both ends of the circle
_COARSE = 6  # every third degree in three dimensions
_CLEAR = 1e-9  # below this fraction of its length a sample is not clearly rectified
_FILL = "#1f77b440"


class SupportingPlane(NamedTuple):
    """A supporting hyperplane ``{z : vᵀz = level}`` of the rectified ellipsoid; a line for two samples.

    Attributes
    ----------
    v : array of shape (k,)
        Its normal.
    level : float
        ``M(v)``, or ``−M(v)`` where the value of largest magnitude is negative.
    touched : array of shape (k,)
        A point where it touches the set, up to rounding.
    """

    v: Array
    level: float
    touched: Array

    def equation(self) -> str:
        """Label for a legend."""
        sign = "−" if self.level < 0 else ""
        return f"vᵀz = {sign}M(v), M(v) = {abs(self.level):.3g}"


class RectifiedEllipsoidDisplay:
    """The rectified ellipsoid ``{relu(Xu) : ‖u‖ ≤ 1}`` of two or three samples.

    ``M(v) = max_{‖u‖ ≤ 1} |vᵀ relu(Xu)|`` is a maximum over this set, which has one dimension per sample. Rectifying
    can lead out of the ellipsoid ``{Xu : ‖u‖ ≤ 1}``: the parts that stick out are spikes, and data without them are
    *spike-free* (Ergen & Pilanci 2021). The largest ``i``-th coordinate of the set is ``‖x_i‖``, attained only at the
    point ``relu(X x_i)/‖x_i‖``, which is therefore extreme; it is the tip of a spike if other samples were
    rectified there.

    Surfaces are drawn through images of a grid of vectors ``u`` and prove nothing. ``M(v)`` comes from
    :class:`~convexrelu.oracles.SweepOracle`, a proved bound that is attained up to rounding. matplotlib is
    imported when it is drawn.

    Parameters
    ----------
    points : array of shape (p, 2) or (p, q, 3)
        A curve or grid on the boundary of the ellipsoid.
    tips : array of shape (k, 2) or (k, 3)
        Tips of spikes.
    supporting : SupportingPlane, optional
        A plane or line to draw.
    polar : array of shape (p, 2), optional
        Boundary of ``{v : M(v) ≤ 1}``, drawn in a separate panel.
    spike_free : bool, optional
        Value for the title; None where a "yes" is not proved.

    Attributes
    ----------
    ax_ : matplotlib Axes, or array of two with a polar set
    figure_ : matplotlib Figure

    References
    ----------
    Ergen & Pilanci 2021, "Convex Geometry and Duality of Over-parameterized Neural Networks", JMLR 22.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.displays import RectifiedEllipsoidDisplay
    >>> X = np.array([[1.0, 0.0], [-0.6, 0.8]])  # an obtuse angle
    >>> display = RectifiedEllipsoidDisplay.from_data(X, v=np.array([1.0, 0.0]))
    >>> display.spike_free, display.supporting.touched
    (False, array([1., 0.]))
    """

    figure_: Figure
    ax_: Any

    def __init__(
        self,
        points: Array,
        tips: Array,
        *,
        supporting: SupportingPlane | None = None,
        polar: Array | None = None,
        spike_free: bool | None = None,
    ) -> None:
        self.points = points
        self.tips = tips
        self.supporting = supporting
        self.polar = polar
        self.spike_free = spike_free

    @classmethod
    def from_data(
        cls,
        X: ArrayLike,
        v: ArrayLike | None = None,
        *,
        polar: bool = False,
        ax: Axes | Sequence[Axes] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the set of two or three samples.

        Parameters
        ----------
        X : array of shape (2, d) or (3, d)
            Samples, with a column of ones where neurons have a bias.
        v : array of shape (2,) or (3,), optional
            A nonzero dual point: draws the supporting line or plane ``vᵀz = ±M(v)`` and the point where it touches.
        polar : bool
            Whether to draw ``{v : M(v) ≤ 1}`` in a second panel; for two samples only.
        ax : matplotlib Axes, optional
            Three-dimensional axes for three samples; two axes with `polar`.
        **kwargs
            As for :meth:`plot`.

        Raises
        ------
        ValueError
            If the number of samples is not two or three, or `v` does not fit them; with `polar`, if samples have one
            direction, so that the polar set is unbounded.
        """
        rows = _checked_rows(X)
        if polar:
            _check_bounded(rows)
        oracle = SweepOracle(rows)
        test = spike_free_margin(rows)
        display = cls(
            _sphere(len(rows)) @ _root(rows).T,
            _tips(rows),
            supporting=None if v is None else _supporting(oracle, _checked_dual(v, len(rows))),
            polar=_polar_curve(oracle) if polar else None,
            spike_free=test.is_spike_free if test.is_proof else None,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | Sequence[Axes] | None = None, **kwargs: Any) -> Self:
        """Draw on `ax`, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, or two, optional
            As for :meth:`from_data`.
        **kwargs
            Passed to the ``fill`` of the set in two dimensions, ``plot_surface`` in three.
        """
        import matplotlib.pyplot as plt

        solid = self.points.shape[-1] == 3
        if ax is None:
            style = {"projection": "3d"} if solid else None
            n, size = (1, (6.4, 5.6)) if self.polar is None else (2, (10.0, 5.6))
            _, ax = plt.subplots(1, n, figsize=size, subplot_kw=style, layout="constrained")
        main: Any = ax if self.polar is None else ax[0]  # type: ignore[index]
        if solid:
            self._draw_solid(main, kwargs)
        else:
            self._draw_plane(main, kwargs)
        endings = {None: "", True: ", spike-free", False: ", not spike-free"}
        main.set(title=f"rectified ellipsoid{endings[self.spike_free]}")
        main.legend(**BELOW | ({"bbox_to_anchor": (0.5, 0.0)} if solid else {}), ncols=2)
        if self.polar is not None:
            self._draw_polar(ax[1], self.polar)  # type: ignore[index]
        self.ax_ = main if self.polar is None else np.array(ax)
        self.figure_ = main.figure
        return self

    def _draw_plane(self, ax: Axes, style: dict[str, Any]) -> None:
        ax.axhline(0, color="0.8", lw=0.8, zorder=0)
        ax.axvline(0, color="0.8", lw=0.8, zorder=0)
        ax.plot(*self.points.T, color="0.4", ls="--", lw=1.2, label="ellipse {Xu}")
        fill: dict[str, Any] = {"facecolor": _FILL, "edgecolor": "C0", "lw": 2.5}
        fill["label"] = "rectified: {relu(Xu)}"
        ax.fill(*np.maximum(self.points, 0.0).T, **fill | style)
        self._mark_tips(ax)
        if self.supporting is not None:
            v, level, touched = self.supporting
            foot = level * v / (v @ v)
            ends = tuple(foot), (foot[0] - v[1], foot[1] + v[0])
            ax.axline(*ends, color="C1", lw=1.5, label=self.supporting.equation())
            _mark_touched(ax, touched)
        ax.set(xlabel="sample 1", ylabel="sample 2")
        ax.set_aspect("equal", adjustable="datalim")

    def _draw_solid(self, ax: Any, style: dict[str, Any]) -> None:
        from matplotlib.colors import LightSource

        ax.computed_zorder = False  # markers stay visible
        wires = {"color": "0.4", "lw": 0.4, "rcount": 16, "ccount": 24, "zorder": 1}
        ax.plot_wireframe(*np.moveaxis(self.points, -1, 0), label="ellipsoid {Xu}", **wires)
        fill: dict[str, Any] = {"color": "C0", "alpha": 0.8, "lw": 0, "zorder": 2}
        fill |= {"rcount": len(self.points), "ccount": self.points.shape[1]}
        fill |= {"lightsource": LightSource(100, 35), "label": "rectified: {relu(Xu)}"}
        ax.plot_surface(*np.moveaxis(np.maximum(self.points, 0.0), -1, 0), **fill | style)
        # The set is star-shaped about zero; surfaces do not show a spike that is a segment.
        for tip in self.tips:
            ax.plot(*np.outer(tip, [0.0, 1.0]), color="C0", lw=2, zorder=1.5)
        self._mark_tips(ax, depthshade=False)
        if self.supporting is not None:
            v, _, touched = self.supporting
            plane = touched + square_of(v, 0.4 * np.abs(self.points).max())
            look: dict[str, Any] = {"color": "C1", "alpha": 0.4, "lw": 0, "zorder": 3}
            ax.plot_surface(*np.moveaxis(plane, -1, 0), label=self.supporting.equation(), **look)
            _mark_touched(ax, touched, depthshade=False)
        ax.set(xlabel="sample 1", ylabel="sample 2", zlabel="sample 3")
        ax.locator_params(nbins=4)
        sides = [np.ptp(limits) for limits in (ax.get_xlim(), ax.get_ylim(), ax.get_zlim())]
        ax.set_box_aspect(sides, zoom=0.95)
        ax.view_init(elev=25, azim=40)  # the orthant of the set is in front

    def _draw_polar(self, ax: Axes, polar: Array) -> None:
        ax.fill(*polar.T, facecolor="0.92", edgecolor="0.2", lw=1.5, label="{v : M(v) ≤ 1}")
        if self.supporting is not None:
            x, y = self.supporting.v / abs(self.supporting.level)
            ax.plot([0, x], [0, y], color="C1", marker="o", markevery=[1], label="v / M(v)")
        ax.set(xlabel="v₁", ylabel="v₂", title="polar set")
        ax.set_aspect("equal", adjustable="datalim")
        ax.legend(**BELOW, ncols=2)

    def _mark_tips(self, ax: Any, **style: Any) -> None:
        if len(self.tips):
            style |= {"color": "black", "marker": "D", "s": 36, "label": "tip of a spike"}
            ax.scatter(*self.tips.T, zorder=4, **style)


def _mark_touched(ax: Any, touched: Array, **style: Any) -> None:
    """A ring, so that the tip of a spike stays visible."""
    style |= {"facecolor": "none", "edgecolor": "C1", "linewidth": 2, "s": 170}
    ax.scatter(*touched[:, None], zorder=5, label="where it touches", **style)


def _checked_rows(X: ArrayLike) -> Array:
    rows = finite_array("X", X, "n", "d")
    if len(rows) not in (2, 3):
        raise ValueError(f"X has shape {rows.shape}, expected (2, d) or (3, d)")
    if not rows.any(axis=1).all():
        raise ValueError("X has a row of zeros, so that the set is flat")
    return rows


def _checked_dual(v: ArrayLike, n_samples: int) -> Array:
    dual = float_array("v", v)
    if dual.shape != (n_samples,):
        raise ValueError(f"v has shape {dual.shape}, expected ({n_samples},)")
    if not (np.isfinite(dual).all() and dual.any()):
        raise ValueError(f"v={dual} is not finite and nonzero")
    return dual


def _check_bounded(rows: Array) -> None:
    """Raise an error for samples whose polar set cannot be drawn."""
    if len(rows) != 2:
        raise ValueError(f"polar=True takes two samples, X has {len(rows)}")
    one, other = rows / norms(rows)[:, None]
    if norms(one - other) < _CLEAR:
        raise ValueError("polar=True takes samples of two directions, those of X have one")


def _sphere(n_dimensions: int) -> Array:
    """A grid on the unit circle or sphere."""
    angles = np.linspace(0, 2 * np.pi, _N_ANGLES)
    if n_dimensions == 2:
        return np.column_stack([np.cos(angles), np.sin(angles)])
    longitudes, heights = np.meshgrid(angles[::_COARSE], angles[: len(angles) // 2 + 1 : _COARSE])
    across = np.sin(heights)
    parts = np.cos(longitudes) * across, np.sin(longitudes) * across, np.cos(heights)
    return np.stack(parts, axis=-1)


def _root(rows: Array) -> Array:
    """A square ``R`` with ``RRᵀ = XXᵀ``, so that ``{Xu : ‖u‖ ≤ 1} = {Rw : ‖w‖ ≤ 1}``."""
    values, vectors = np.linalg.eigh(rows @ rows.T)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _tips(rows: Array) -> Array:
    """``relu(X x_i)/‖x_i‖`` for all ``x_i`` where another sample is clearly rectified."""
    lengths = norms(rows)
    images = (rows / lengths[:, None]) @ rows.T
    rectified = (images < -_CLEAR * lengths).any(axis=1)
    return np.maximum(images[rectified], 0.0)


def _supporting(oracle: SweepOracle, v: Array) -> SupportingPlane:
    report = oracle(v)
    touched = np.maximum(oracle.design @ report.directions[0], 0.0)
    return SupportingPlane(v, float(report.signs[0] * report.bound), touched)


def _polar_curve(oracle: SweepOracle) -> Array:
    directions = _sphere(2)[::2]
    return np.array([v / oracle(v).bound for v in directions])


def square_of(normal: Array, half: float) -> Array:
    """Corners, of shape (2, 2, 3), of a square around zero."""
    along = np.linalg.svd(normal[None, :])[2][1:]
    steps = np.array([-half, half])
    return steps[:, None, None] * along[0] + steps[None, :, None] * along[1]
