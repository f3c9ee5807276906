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
# Decay from one part in a thousand to all of it over the run: other rates look like a line or like a jump.
_SLOWEST, _FASTEST = 1e-3, 1e3


class Decay(NamedTuple):
    """Exponential decay ``L_k ≈ limit + amplitude · exp(−rate · k)`` of the loss with the number of vertices.

    Attributes
    ----------
    limit : float
        Estimate of the minimum that the run leads to. It is no bound, neither for this minimum nor for others.
    amplitude, rate : float
    correlation : float
        Of ``k`` and ``log(L_k − L_last)``, over all ``k`` with a loss above the last; −1 for an exact decay to it.
    """

    limit: float
    amplitude: float
    rate: float
    correlation: float


def loss_decay(losses: ArrayLike) -> Decay:
    """Fit an exponential decay to the losses of a run, or of its beginning, by least squares.

    Parameters
    ----------
    losses : array of shape (k,)
        At least four, such as :attr:`VertexDescent.losses`; those of half a run predict its end.

    Returns
    -------
    Decay

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import loss_decay
    >>> decay = loss_decay(0.5 + 2 * np.exp(-0.1 * np.arange(50)))
    >>> round(decay.limit, 6), round(decay.amplitude, 6), round(decay.rate, 6)
    (0.5, 2.0, 0.1)
    """
    values = finite_array("losses", losses, "k")
    if len(values) < _FEWEST:
        raise ValueError(f"losses has {len(values)} entries, expected at least {_FEWEST}")
    steps = np.arange(len(values)) / (len(values) - 1)

    def fitted(log_rate: float) -> tuple[Array, float]:
        columns = np.column_stack([np.ones(len(steps)), np.exp(-np.exp(log_rate) * steps)])
        coefficients, *_ = np.linalg.lstsq(columns, values)
        return coefficients, float(np.linalg.norm(columns @ coefficients - values))

    search = minimize_scalar(
        lambda log_rate: fitted(log_rate)[1],
        bounds=(np.log(_SLOWEST), np.log(_FASTEST)),
        method="bounded",
        options={"xatol": 1e-10},
    )
    (limit, amplitude), _ = fitted(search.x)
    rate = float(np.exp(search.x)) / (len(values) - 1)
    return Decay(float(limit), float(amplitude), rate, _correlation(values))


def _correlation(losses: Array) -> float:
    gaps = losses - losses[-1]
    above = np.flatnonzero(gaps > 0)
    logs = np.log(gaps[above])
    if len(above) < 2 or np.ptp(logs) == 0:
        return 0.0
    return float(np.corrcoef(above, logs)[0, 1])


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
    """

    levels: Array
    counts: NDArray[np.intp]
    density: Array


def vertex_density(losses: ArrayLike, n_levels: int = 20) -> VertexDensity:
    """Count the vertices of a run between equidistant levels of the loss.

    Parameters
    ----------
    losses : array of shape (k,)
        Such as :attr:`VertexDescent.losses`, not all equal.
    n_levels : int
        Number of intervals.

    Returns
    -------
    VertexDensity

    Examples
    --------
    >>> from convexrelu.landscape import vertex_density
    >>> vertex_density([4.0, 2.0, 1.0, 0.5, 0.0], 2).counts
    array([1, 4])
    """
    values = finite_array("losses", losses, "k")
    check_number("n_levels", n_levels, numbers.Integral, 1)
    if np.ptp(values) == 0:
        raise ValueError(f"losses are all {values[0]:g}, expected a run in which the loss falls")
    counts, edges = np.histogram(values, bins=n_levels)
    return VertexDensity(edges[::-1].copy(), counts[::-1].copy(), (counts / np.diff(edges))[::-1])
