"""Knots and losses of gradient flow, as a picture and as an animation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from convexrelu._utils.arguments import check_number
from convexrelu._utils.typing import Array
from convexrelu.certificates.words import percent
from convexrelu.landscape.splines.flow import SplineMotion
from convexrelu.landscape.ticks import plain_log_ticks
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.results.result import Result
from convexrelu.univariate import knots

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SplineMotionDisplay"]

_MARGIN = 0.1  # of the range of the data, on either side
_WIDEST, _THINNEST = 2.5, 0.3  # of lines, in points
_DOTS = 60.0  # area of the marker of the largest jump, in points²
_ON_A_LINE = 400  # points that a network is drawn with
_UP, _DOWN, _BEST = "C3", "C0", "0.25"


class SplineMotionDisplay:
    """Motion of the knots under gradient flow, and the objective over time; matplotlib is imported to draw.

    Parameters
    ----------
    motion : SplineMotion
    optimum : Result, optional
        Of :func:`~convexrelu.train` on the same data with the same penalty; its knots and its lower bound are marked.

    Attributes
    ----------
    axes_ : array of two matplotlib Axes
        For knots and for the objective.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import SplineMotionDisplay, initialisation, random_spline, spline_motion
    >>> X = np.linspace(-1, 1, 7)[:, None]
    >>> start = random_spline(initialisation("he", 10), random_state=0)
    >>> motion = spline_motion(start, X, np.abs(X[:, 0]), t_end=5.0, n_times=20)
    >>> len(SplineMotionDisplay.from_motion(motion).axes_)
    2
    """

    figure_: Figure
    axes_: Any

    def __init__(self, motion: SplineMotion, optimum: Result | None = None) -> None:
        self.motion = motion
        self.optimum = optimum

    @classmethod
    def from_motion(
        cls, motion: SplineMotion, *, optimum: Result | None = None, axes: Any = None, **kwargs: Any
    ) -> Self:
        """Draw a motion; options are those of :meth:`plot`.

        Raises
        ------
        ValueError
            If `motion` is not a SplineMotion, or `optimum` has another penalty, so that objectives cannot be compared.
        """
        if not isinstance(motion, SplineMotion):
            raise ValueError(f"motion is a {type(motion).__name__}, expected a SplineMotion")
        if optimum is not None:
            _check_optimum(optimum, motion)
        return cls(motion, optimum).plot(axes=axes, **kwargs)

    def plot(self, axes: Any = None, **kwargs: Any) -> Self:
        """Draw on two axes, or on a new figure.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, optional
        **kwargs
            Passed to the ``ax.plot`` of the objective.
        """
        import matplotlib.pyplot as plt

        if axes is None:
            _, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
        axes = np.asarray(axes, dtype=object).ravel()
        if len(axes) != 2:
            raise ValueError(f"axes has {len(axes)} entries, expected 2")
        self._draw_knots(axes[0])
        self._draw_objective(axes[1], kwargs)
        self.axes_ = axes
        self.figure_ = axes[0].figure
        return self

    def animation(self, n_frames: int = 60, **kwargs: Any) -> FuncAnimation:
        """Animate the network over time, through the data; on a figure of its own.

        Parameters
        ----------
        n_frames : int
            Equidistant among the recorded times.
        **kwargs
            For :class:`matplotlib.animation.FuncAnimation`.

        Returns
        -------
        matplotlib.animation.FuncAnimation
            ``.save("motion.gif", writer="pillow")`` writes a file, ``.to_jshtml()`` a player.
        """
        import matplotlib.pyplot as plt
        from matplotlib.animation import FuncAnimation

        check_number("n_frames", n_frames, int, 2)
        figure, ax = plt.subplots(figsize=(6, 4.2))
        figure.subplots_adjust(left=0.1, right=0.97, top=0.92, bottom=0.24)
        line, dots = self._draw_first_frame(ax)
        frames = np.linspace(0, len(self.motion.times) - 1, n_frames).round().astype(int)
        grid = line.get_xdata()

        def update(k: int) -> list[Any]:
            network = self.motion.network(k)
            line.set_ydata(network.predict(grid[:, None]))
            positions, jumps = self._drawn_knots(k)
            dots.set_offsets(np.column_stack([positions, network.predict(positions[:, None])]))
            dots.set_sizes(_DOTS * np.abs(jumps) / self._largest_jump())
            dots.set_facecolor([_UP if jump > 0 else _DOWN for jump in jumps])
            ax.set_title(f"time {self.motion.times[k]:.4g}")
            return [line, dots]

        return FuncAnimation(figure, update, frames=list(frames), **({"interval": 80} | kwargs))

    def _draw_first_frame(self, ax: Axes) -> tuple[Any, Any]:
        x, y = self.motion.X[:, 0], self.motion.y
        low, high = self._range()
        grid = np.linspace(low, high, _ON_A_LINE)
        ax.plot(x, y, "o", color="0.6", ms=5, label="data")
        if self.optimum is not None:
            assert isinstance(self.optimum.network, TwoLayerNetwork)
            best = self.optimum.network.predict(grid[:, None])
            ax.plot(grid, best, "--", color=_BEST, label=self._name_of_optimum())
        (line,) = ax.plot(grid, 0 * grid, color="C2", label="network, with its knots")
        dots = ax.scatter([], [], zorder=3)
        room = 0.25 * np.ptp(y) or 1.0
        ax.set(xlim=(low, high), ylim=(y.min() - room, y.max() + room), xlabel="x")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, frameon=False)
        return line, dots

    def _draw_knots(self, ax: Axes) -> None:
        motion = self.motion
        times = motion.times[1:]
        final = motion.jumps[-1]
        widths = _THINNEST + (_WIDEST - _THINNEST) * np.abs(final) / (np.abs(final).max() or 1.0)
        low, high = self._range()
        drawn = np.where((motion.knots > low) & (motion.knots < high), motion.knots, np.nan)
        for positions, jump, width in zip(drawn[1:].T, final, widths, strict=True):
            ax.plot(positions, times, color=_UP if jump > 0 else _DOWN, lw=width, alpha=0.7)
        for x in motion.X[:, 0]:
            ax.plot(x, times[-1], "|", color="k", ms=7, clip_on=False)
        for color, name in ((_UP, "slope rises there"), (_DOWN, "slope falls there")):
            ax.plot([], [], color=color, label=name)
        ax.plot([], [], "|", color="k", label="samples")
        if self.optimum is not None:
            assert isinstance(self.optimum.network, TwoLayerNetwork)
            for x in knots(self.optimum.network).positions:
                ax.axvline(x, color=_BEST, ls="--", lw=1)
            ax.plot([], [], "--", color=_BEST, lw=1, label="knots of the optimum")
        ax.set(xlim=self._range(), ylim=(times[0], times[-1]), yscale="log")
        ax.set(xlabel="position of knots", ylabel="time")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)

    def _draw_objective(self, ax: Axes, kwargs: dict[str, Any]) -> None:
        motion = self.motion
        name = "objective of the flow" if motion.alpha else "data fit of the flow"
        style: dict[str, Any] = {"color": "C2", "label": name} | kwargs
        ax.loglog(motion.times[1:], motion.objectives[1:], **style)
        if self.optimum is not None:
            certificate = self.optimum.certificate
            bound = "proved" if certificate.is_proof else "estimated"
            level = certificate.lower_bound
            ax.axhline(level, color=_BEST, ls="--", label=f"lower bound for all networks ({bound})")
        plain_log_ticks(ax)
        ax.set(xlabel="time", ylabel="objective" if motion.alpha else "data fit")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)

    def _range(self) -> tuple[float, float]:
        x = self.motion.X[:, 0]
        room = _MARGIN * (np.ptp(x) or 1.0)
        return float(x.min() - room), float(x.max() + room)

    def _drawn_knots(self, k: int) -> tuple[Array, Array]:
        """Positions and jumps of the knots in the drawn range."""
        positions, jumps = self.motion.knots[k], self.motion.jumps[k]
        low, high = self._range()
        inside = (positions > low) & (positions < high)
        return positions[inside], jumps[inside]

    def _largest_jump(self) -> float:
        return float(np.abs(self.motion.jumps).max()) or 1.0

    def _name_of_optimum(self) -> str:
        assert self.optimum is not None
        certificate = self.optimum.certificate
        kind = "proved" if certificate.is_proof else "estimated"
        return f"optimum ({kind}, up to {percent(certificate.relative_gap)})"


def _check_optimum(optimum: Any, motion: SplineMotion) -> None:
    if not isinstance(optimum, Result) or not isinstance(optimum.network, TwoLayerNetwork):
        raise ValueError(f"optimum is a {type(optimum).__name__}, expected a Result of train")
    problem = optimum.problem
    if problem is None or problem.alpha != motion.alpha or problem.free_bias:
        raise ValueError(
            f"optimum is of a problem with another penalty than alpha={motion.alpha:g} on weights and biases"
        )
    if problem.n_features != 1 or optimum.network.n_outputs != 1:
        raise ValueError(
            "optimum is of a problem with other data, expected one feature, one output"
        )
