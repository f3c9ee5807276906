"""Local minima of a loss landscape, by descent from many starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from convexrelu._utils.random import checked_random_state
from convexrelu._utils.typing import Array
from convexrelu.landscape.loss_landscape import LossLandscape

__all__ = ["Minima", "find_minima"]


@dataclass(frozen=True, eq=False)
class Minima:
    """Ends of descents, the lowest first.

    Attributes
    ----------
    points : array of shape (k, p)
        Where.
    losses, gradient_norms : arrays of shape (k,)
        Losses, and lengths of gradients. A rectifier may have a minimum at a kink, where the gradient is not small.
    """

    points: Array
    losses: Array
    gradient_norms: Array

    def distinct(self, landscape: LossLandscape, tol: float = 1e-4) -> Minima:
        """One of each kind: the lowest among those with equal outputs, up to `tol` of their spread."""
        outputs = landscape.outputs(self.points).reshape(len(self.points), -1)
        scale = np.abs(landscape.y - landscape.y.mean(axis=0)).max() or 1.0
        chosen: list[int] = []
        for i, row in enumerate(outputs):
            if all(np.abs(row - outputs[j]).max() > tol * scale for j in chosen):
                chosen.append(i)
        return Minima(self.points[chosen], self.losses[chosen], self.gradient_norms[chosen])


def find_minima(
    landscape: LossLandscape,
    n_starts: int = 20,
    *,
    starts: ArrayLike | None = None,
    max_iter: int = 2000,
    random_state: int | np.random.RandomState | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Minima:
    """Descend by BFGS from many starts.

    Parameters
    ----------
    landscape : LossLandscape
        What to descend on.
    n_starts : int
        Number of random starts, with normal weights of variance ``1/d̃`` and ``1/m``.
    starts : array of shape (k, p), optional
        Starts, instead of random ones.
    max_iter : int
        Steps of a descent.
    random_state : int, RandomState or None
        Seed.
    progress : callable, optional
        Called with the number of descents that are done and the last loss.

    Notes
    -----
    20 starts with 13 parameters and 20 samples take 5 s on one core.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import LossLandscape, find_minima
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> landscape = LossLandscape(X, np.abs(X[:, 0]), width=2, activation="tanh", alpha=0.01)
    >>> minima = find_minima(landscape, 3, random_state=0)
    >>> bool(minima.gradient_norms.max() < 1e-5)
    True
    """
    if starts is None:
        points = landscape.start(n_starts, checked_random_state(random_state))
    else:
        points = np.array(starts, dtype=np.float64).reshape(-1, landscape.size)
    for i, point in enumerate(points):
        points[i] = _descend(landscape, point, max_iter)
        if progress is not None:
            progress(i + 1, float(landscape.losses(points[i])))
    losses, gradients = landscape.gradients(points)
    order = np.argsort(losses, kind="stable")
    norms = np.linalg.norm(gradients, axis=1)
    return Minima(points[order], losses[order], norms[order])


def _descend(landscape: LossLandscape, point: Array, max_iter: int) -> Array:
    """End of a descent. BFGS stops at a kink, or where rounding hides the descent; that is as far as it goes."""

    def objective(x: Array) -> tuple[float, Array]:
        loss, gradient = landscape.gradients(x)
        return float(loss), gradient

    options = {"gtol": 1e-9, "maxiter": max_iter}
    return minimize(objective, point, jac=True, method="BFGS", options=options).x
