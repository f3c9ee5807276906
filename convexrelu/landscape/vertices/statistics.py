"""Loss along a run of vertex descent: its decay, an estimate of where it ends, and the density of vertices."""

from __future__ import annotations

import numbers
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from convexrelu._utils.arguments import check_number, finite_array
from convexrelu._utils.typing import Array

__all__ = ["Decay", "VertexDensity", "loss_decay", "vertex_density"]

_FEWEST = 4  # losses, as three numbers are fitted
# The limit is sought between zero and this part of the last loss below it, on a grid first: there may be two minima.
_SMALLEST_PART, _GRID = 1e-8, 100


class Decay(NamedTuple):
    """Exponential decay ``L_k ≈ limit + amplitude · exp(−rate · k)`` of the loss with the number of vertices.

    Attributes
    ----------
    limit : float
        Estimate of the minimum that the run leads to, at least zero. It is no bound, neither for this minimum nor for
        others, and may be far off for runs that have not come close to it.
    amplitude, rate : float
    correlation : float
        Of ``k`` and ``log(L_k − limit)``; −1 for an exact decay.
    correlation_to_last : float
        Of ``k`` and ``log(L_k − L_last)``, over all ``k`` with a loss above the last.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import loss_decay
    >>> round(loss_decay(0.5 + 2 * np.exp(-0.1 * np.arange(50))).correlation, 6)
    -1.0
    """

    limit: float
    amplitude: float
    rate: float
    correlation: float
    correlation_to_last: float


def loss_decay(losses: ArrayLike) -> Decay:
    """The exponential decay that fits the losses of a run best: ``log(L_k − limit)`` is closest to a line in ``k``.

    Parameters
    ----------
    losses : array of shape (k,)
        At least four and not negative, such as :attr:`~convexrelu.landscape.VertexDescent.losses`. Those of the
        beginning of a run predict its end, roughly.

    Returns
    -------
    Decay

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import loss_decay
    >>> decay = loss_decay(0.5 + 2 * np.exp(-0.1 * np.arange(50)))
    >>> round(decay.limit, 4), round(decay.amplitude, 4), round(decay.rate, 4)
    (0.5, 2.0, 0.1)
    """
    values = finite_array("losses", losses, "k")
    if len(values) < _FEWEST:
        raise ValueError(f"losses has {len(values)} entries, expected at least {_FEWEST}")
    if values[-1] <= 0 or np.ptp(values) == 0 or values.min() < values[-1]:
        raise ValueError(
            f"losses ends at {values[-1]:g}, expected a run whose last loss is positive and the smallest, "
            "and not the first"
        )
    steps = np.arange(len(values))
    low, high = np.log(_SMALLEST_PART), 0.0

    def excess(log_part: float) -> Array:
        return values - values[-1] * (1 - np.exp(log_part))

    def correlation(log_part: float) -> float:
        return _correlation(steps, np.log(excess(log_part)))

    grid = np.linspace(low, high, _GRID)
    best = grid[np.argmin([correlation(each) for each in grid])]
    near = (grid[1] - grid[0]) * np.array([-1, 1])
    bounds = np.clip(best + near, low, high)
    part = minimize_scalar(correlation, bounds=bounds, method="bounded", options={"xatol": 1e-9}).x
    slope, intercept = np.polyfit(steps, np.log(excess(part)), 1)
    above = np.flatnonzero(values > values[-1])
    return Decay(
        limit=float(values[-1] * (1 - np.exp(part))),
        amplitude=float(np.exp(intercept)),
        rate=float(-slope),
        correlation=correlation(part),
        correlation_to_last=_correlation(above, np.log(values[above] - values[-1])),
    )


def _correlation(steps: NDArray, logs: Array) -> float:
    return float(np.corrcoef(steps, logs)[0, 1]) if len(logs) > 1 and np.ptp(logs) > 0 else 0.0


class VertexDensity(NamedTuple):
    """Vertices that a run visits between levels of the loss.

    Attributes
    ----------
    levels : array of shape (k + 1,)
        Decreasing.
    counts : array of shape (k,)
        Points of the run between two levels; their sum is the number of all points.
    density : array of shape (k,)
        Counts per unit of loss.

    Examples
    --------
    >>> from convexrelu.landscape import vertex_density
    >>> vertex_density([4.0, 1.5, 1.0, 0.5, 0.0], 2).levels
    array([4., 2., 0.])
    """

    levels: Array
    counts: NDArray[np.intp]
    density: Array


def vertex_density(losses: ArrayLike, n_levels: int = 20) -> VertexDensity:
    """Count the vertices of a run between equidistant levels of the loss.

    Parameters
    ----------
    losses : array of shape (k,)
        Such as :attr:`~convexrelu.landscape.VertexDescent.losses`, not all equal.
    n_levels : int
        Number of intervals.

    Returns
    -------
    VertexDensity

    Examples
    --------
    >>> from convexrelu.landscape import vertex_density
    >>> vertex_density([4.0, 1.5, 1.0, 0.5, 0.0], 2).counts
    array([1, 4])
    """
    values = finite_array("losses", losses, "k")
    check_number("n_levels", n_levels, numbers.Integral, 1)
    if np.ptp(values) == 0:
        raise ValueError(f"losses are all {values[0]:g}, expected a run in which the loss falls")
    counts, edges = np.histogram(values, bins=n_levels)
    return VertexDensity(edges[::-1].copy(), counts[::-1].copy(), (counts / np.diff(edges))[::-1])
