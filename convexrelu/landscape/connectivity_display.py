"""Number of pieces of the optimal set for every width, and paths along it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.displays.common import AxesDisplay
from convexrelu.landscape.connectivity import Connectivity
from convexrelu.landscape.constant_paths import ConstantPath

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ConnectivityDisplay", "ConstantPathDisplay"]


class ConnectivityDisplay(AxesDisplay):
    """Pieces of the set of optimal networks against their width; matplotlib is imported when it is drawn.

    Parameters
    ----------
    widths, pieces : arrays of shape (k,)
        Number of connected components for every width.
    marks : dict of str to int
        Names of widths, for the ticks of the axis.
    is_complete : bool
        Whether all optimal networks are counted; the title says so.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, train
    >>> from convexrelu.landscape import ConnectivityDisplay, optimal_connectivity
    >>> from convexrelu.optimal_set import optimal_polytope
    >>> X = np.array([[-np.sqrt(3), 1.0], [np.sqrt(3), 1.0]])
    >>> problem = TrainingProblem(X, np.ones(2), 0.1, hidden_bias=False, fit_intercept=False)
    >>> found = optimal_connectivity(optimal_polytope(train(problem, tol=1e-9, random_state=0).network, problem))
    >>> ConnectivityDisplay.from_connectivity(found).ax_.get_xlabel()
    'width'
    """

    def __init__(
        self, widths: NDArray[np.intp], pieces: Array, marks: dict[str, int], *, is_complete: bool
    ) -> None:
        self.widths = widths
        self.pieces = pieces
        self.marks = marks
        self.is_complete = is_complete

    @classmethod
    def from_connectivity(cls, found: Connectivity, *, ax: Axes | None = None) -> Self:
        """Draw from the result of :func:`~convexrelu.landscape.optimal_connectivity`."""
        widths = np.arange(found.guaranteed + 2)
        pieces = np.array([float(found.n_components(int(width))) for width in widths])
        marks = {"m*": found.fewest, "M*": found.most, "min(m* + M*,\nn + 1)": found.guaranteed}
        return cls(widths, pieces, marks, is_complete=found.is_complete).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on `ax`, or on a new figure."""
        ax = self._take_axes(ax, layout=None)
        connected = self.pieces == 1
        for chosen, color, label in (
            (connected, "tab:green", "connected"),
            (~connected, "tab:red", "several pieces"),
        ):
            ax.bar(self.widths[chosen], self.pieces[chosen], color=color, label=label)
        top = max(self.pieces.max(), 1.0)
        for width, count in zip(self.widths, self.pieces, strict=True):
            text = f"{count:,.0f}" if count else "none"
            ax.annotate(text, (width, max(count, 0.6)), ha="center", va="bottom")
        kind = "all optimal networks" if self.is_complete else "optimal networks that were found"
        ax.set(
            xlabel="width", ylabel="connected pieces", title=kind, yscale="log", ylim=(0.5, 8 * top)
        )
        ax.set_xticks(self.widths, [self._tick(int(width)) for width in self.widths])
        ax.legend(loc="upper left")
        return self

    def _tick(self, width: int) -> str:
        """The width, and the names that it has."""
        names = [name for name, marked in self.marks.items() if marked == width]
        return "\n".join([str(width), *names])


class ConstantPathDisplay:
    """Shares of the neurons along a path of constant objective, and that objective; for matplotlib.

    Parameters
    ----------
    t : array of shape (k,)
    shares : array of shape (k, width)
    objectives : array of shape (k,)
    lower_bound : float or None
        A bound of all objectives, drawn as a line.
    is_proof : bool
        Whether the bound is proved.

    Attributes
    ----------
    ax_ : pair of matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, TwoLayerNetwork
    >>> from convexrelu.landscape import ConstantPathDisplay, direct_path
    >>> problem = TrainingProblem(np.eye(2), np.ones(2), 0.1, hidden_bias=False, fit_intercept=False)
    >>> one = TwoLayerNetwork([[1.0, 1.0]], [0.0], [[1.0]], [0.0])
    >>> two = TwoLayerNetwork(np.eye(2), [0.0, 0.0], [[1.0, 1.0]], [0.0])
    >>> path = direct_path(problem, one, two)
    >>> len(ConstantPathDisplay.from_path(path).ax_)
    2
    """

    figure_: Figure
    ax_: tuple[Axes, Axes]

    def __init__(
        self,
        t: Array,
        shares: Array,
        objectives: Array,
        lower_bound: float | None,
        *,
        is_proof: bool,
    ) -> None:
        self.t = t
        self.shares = shares
        self.objectives = objectives
        self.lower_bound = lower_bound
        self.is_proof = is_proof

    @classmethod
    def from_path(
        cls,
        path: ConstantPath,
        *,
        lower_bound: float | None = None,
        is_proof: bool = False,
        n_points: int = 201,
        ax: tuple[Axes, Axes] | None = None,
    ) -> Self:
        """Draw a path of :func:`~convexrelu.landscape.optimal_path` or ``direct_path``."""
        t = np.linspace(0, 1, n_points)
        display = cls(t, path.shares(t), path.objectives(t), lower_bound, is_proof=is_proof)
        return display.plot(ax)

    def plot(self, ax: tuple[Axes, Axes] | None = None) -> Self:
        """Draw on two `ax`, or on a new figure."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, made = plt.subplots(2, 1, sharex=True, layout="constrained")
            ax = made[0], made[1]
        upper, lower = ax
        names = [f"place {k + 1}" for k in range(self.shares.shape[1])]
        upper.stackplot(self.t, self.shares.T, labels=names)
        upper.set(ylabel="share of the penalty", xlim=(0, 1), ylim=(0, 1))
        upper.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        lower.plot(self.t, self.objectives, linewidth=4, alpha=0.5, label="objective")
        if self.lower_bound is not None:
            kind = "proved" if self.is_proof else "estimated"
            lower.axhline(
                self.lower_bound, linestyle="--", color="black", label=f"lower bound ({kind})"
            )
        lower.set(xlabel="position on the path", ylabel="objective")
        middle = float(self.objectives.max())
        lower.set_ylim(0.9 * middle, 1.1 * middle)
        lower.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        self.ax_ = ax
        self.figure_ = upper.figure  # type: ignore[assignment]
        return self
