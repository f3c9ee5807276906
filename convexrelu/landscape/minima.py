"""Local minima of a loss landscape, by descent from many starts."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from convexrelu._utils.arguments import check_number, check_type, finite_array
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.typing import Array
from convexrelu.landscape.descents import descents
from convexrelu.landscape.loss_landscape import LossLandscape

__all__ = ["Minima", "find_minima"]

# Gradients are compared at points of this distance, relative to the largest parameter.
_RADIUS = 1e-6


@dataclass(frozen=True, eq=False)
class Minima:
    """Ends of descents, the lowest first.

    They need not be minima: a descent may also end at a saddle, or stop at `max_iter`.

    Attributes
    ----------
    points : array of shape (k, p)
    losses : array of shape (k,)
        Losses at the points.
    stationarity : array of shape (k,)
        Length of the shortest convex combination of gradients at the point and within 1e-6 of it. It is about zero at
        a stationary point, also on a kink of a rectifier, where gradients jump.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import LossLandscape, find_minima
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> landscape = LossLandscape(X, np.abs(X[:, 0]), width=2, activation="tanh", alpha=0.01)
    >>> minima = find_minima(landscape, 3, random_state=0)
    >>> bool((np.diff(minima.losses) >= 0).all())
    True
    """

    points: Array
    losses: Array
    stationarity: Array

    def __len__(self) -> int:
        return len(self.losses)

    def __getitem__(self, rows: slice | list[int] | NDArray) -> Minima:
        """Some of them."""
        return Minima(self.points[rows], self.losses[rows], self.stationarity[rows])

    def distinct(self, landscape: LossLandscape, tol: float = 1e-3) -> Minima:
        """One of each kind: the lowest among those with equal outputs, up to `tol` of the spread of the targets."""
        outputs = landscape.outputs(self.points).reshape(len(self.points), -1)
        scale = np.abs(landscape.y - landscape.y.mean(axis=0)).max() or 1.0
        chosen: list[int] = []
        for i, row in enumerate(outputs):
            if all(np.abs(row - outputs[j]).max() > tol * scale for j in chosen):
                chosen.append(i)
        return self[chosen]


def find_minima(
    landscape: LossLandscape,
    n_starts: int = 20,
    *,
    starts: ArrayLike | None = None,
    gtol: float = 1e-9,
    max_iter: int = 1000,
    random_state: int | np.random.RandomState | None = None,
    progress: Callable[[int, Array], None] | None = None,
) -> Minima:
    """Descend by BFGS from many starts at once.

    Parameters
    ----------
    landscape : LossLandscape
    n_starts : int
        Number of random starts, with normal weights of variance ``1/d̃`` and ``1/m``.
    starts : array of shape (k, p), optional
        Starts, instead of random ones.
    gtol : float
        Length of a gradient at which a descent ends.
    max_iter : int
        Largest number of steps of a descent.
    random_state : int, RandomState or None
        Seed.
    progress : callable, optional
        Called after every step with its number and the losses.

    Notes
    -----
    20 starts with 13 parameters and 20 samples take 4 s on one core, with 25 parameters 5 s.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import LossLandscape, find_minima
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> landscape = LossLandscape(X, np.abs(X[:, 0]), width=2, activation="tanh", alpha=0.01)
    >>> minima = find_minima(landscape, 3, random_state=0)
    >>> bool(minima.stationarity.max() < 1e-6)
    True
    """
    check_type("landscape", landscape, LossLandscape)
    check_number("n_starts", n_starts, numbers.Integral, 1)
    check_number("gtol", gtol, numbers.Real, 0)
    check_number("max_iter", max_iter, numbers.Integral, 0)
    if starts is None:
        points = landscape.start(n_starts, checked_random_state(random_state))
    else:
        points = finite_array("starts", starts)
        if points.shape[-1:] != (landscape.size,):
            raise ValueError(f"starts has shape {points.shape}, expected (k, {landscape.size})")
        points = points.reshape(-1, landscape.size)
    points = descents(landscape.gradients, points, gtol=gtol, max_iter=max_iter, progress=progress)
    losses = landscape.losses(points)
    order = np.argsort(losses, kind="stable")
    return Minima(points[order], losses[order], _stationarity(landscape, points[order]))


def _stationarity(landscape: LossLandscape, points: Array) -> Array:
    """Shortest vectors in the hulls of gradients near points (gradient sampling, Burke, Lewis & Overton 2005)."""
    # Measurements do not depend on the seed of a search.
    generator = np.random.RandomState(0)
    p = landscape.size
    shifts = generator.uniform(-1.0, 1.0, size=(2 * p + 1, p))
    shifts[0] = 0.0
    radius = _RADIUS * np.abs(points).max(axis=1)
    _, gradients = landscape.gradients(points[:, None] + radius[:, None, None] * shifts)
    return np.array([_shortest(rows) for rows in gradients])


def _shortest(rows: Array) -> float:
    """Length of the shortest convex combination of rows."""
    largest = np.linalg.norm(rows, axis=1).max()
    if largest == 0:
        return 0.0
    # The nearest point of the cone of (row, 1) to (0, 1) is a multiple of the combination that is wanted.
    system = np.vstack([rows.T / largest, np.ones(len(rows))])
    weights, _ = nnls(system, np.append(np.zeros(rows.shape[1]), 1.0))
    return float(np.linalg.norm(weights @ rows) / weights.sum())
