"""BFGS with a weak Wolfe search, for many starts at once, also where gradients jump."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array

__all__ = ["descents"]

Gradients = Callable[[Array], tuple[Array, Array]]

# Usual shares of the slope for sufficient decrease and for the curvature condition.
_DECREASE, _CURVATURE = 1e-4, 0.9
# Halvings of a step: fewer than the bits of a float64, as a shorter step is lost in rounding.
_HALVINGS = 50
# A descent ends when so many steps together lower the loss by so small a share: it is at a kink, or in rounding.
_STALL, _SHARE = 10, 1e-12


def descents(
    gradients: Gradients,
    points: Array,
    *,
    gtol: float,
    max_iter: int,
    progress: Callable[[int, Array], None] | None = None,
) -> Array:
    """Ends of descents from each row of `points`.

    A descent ends where the gradient is at most `gtol`, or steps no longer lower the loss. SciPy's
    BFGS stops at the first kink of a rectifier, since its strong Wolfe conditions need not hold anywhere on a line; the
    weak ones do (Lewis & Overton 2013, "Nonsmooth optimization via quasi-Newton methods").
    """
    points = points.copy()
    losses, slopes = gradients(points)
    inverse = np.tile(np.eye(points.shape[1]), (len(points), 1, 1))
    fresh = np.ones(len(points), dtype=bool)  # inverse Hessians that are still the identity
    alive = np.linalg.norm(slopes, axis=1) > gtol
    before = losses.copy()
    for t in range(max_iter):
        rows = np.flatnonzero(alive)
        if not len(rows):
            break
        ways = -np.einsum("kij,kj->ki", inverse[rows], slopes[rows])
        steps, new_losses, new_slopes = _search(
            gradients, points[rows], losses[rows], slopes[rows], ways
        )
        moved = new_losses < losses[rows]
        alive[rows[~moved & fresh[rows]]] = False
        _reset(inverse, fresh, rows[~moved])
        rows, change = rows[moved], (steps[:, None] * ways)[moved]
        turn = new_slopes[moved] - slopes[rows]
        inverse[rows] = _updated(inverse[rows], change, turn, fresh[rows])
        fresh[rows] = False
        points[rows] += change
        losses[rows], slopes[rows] = new_losses[moved], new_slopes[moved]
        alive[rows] = np.linalg.norm(slopes[rows], axis=1) > gtol
        if (t + 1) % _STALL == 0:
            alive &= before - losses > _SHARE * np.abs(losses)
            before = losses.copy()
        if progress is not None:
            progress(t + 1, losses)
    return points


def _search(
    gradients: Gradients, points: Array, losses: Array, slopes: Array, ways: Array
) -> tuple[Array, Array, Array]:
    """Steps with the weak Wolfe conditions, by bisection; without one, the last step that lowers the loss."""
    descent = np.einsum("ki,ki->k", ways, slopes)
    low, high = np.zeros(len(points)), np.full(len(points), np.inf)
    step, steps = np.ones(len(points)), np.zeros(len(points))
    found_losses, found_slopes = losses.copy(), slopes.copy()
    open_rows = np.arange(len(points))
    for _ in range(_HALVINGS):
        now = points[open_rows] + step[open_rows, None] * ways[open_rows]
        new_losses, new_slopes = gradients(now)
        bound = losses[open_rows] + _DECREASE * step[open_rows] * descent[open_rows]
        lower = (new_losses <= bound) & (new_losses < losses[open_rows])
        steep = np.einsum("ki,ki->k", ways[open_rows], new_slopes)
        flat = steep >= _CURVATURE * descent[open_rows]
        taken = open_rows[lower]
        low[taken], steps[taken] = step[taken], step[taken]
        found_losses[taken], found_slopes[taken] = new_losses[lower], new_slopes[lower]
        high[open_rows[~lower]] = step[open_rows[~lower]]
        open_rows = open_rows[~(lower & flat)]
        if not len(open_rows):
            break
        bounded = np.isfinite(high)
        step = np.where(bounded, (low + np.where(bounded, high, 0.0)) / 2, 2 * low)
    return steps, found_losses, found_slopes


def _updated(inverse: Array, change: Array, turn: Array, fresh: NDArray[np.bool_]) -> Array:
    """The BFGS update; the first one scales the identity."""
    curve = np.einsum("ki,ki->k", change, turn)
    fits = curve > np.finfo(np.float64).eps * np.einsum("ki,ki->k", turn, turn)
    curve = np.where(fits, curve, 1.0)
    length = np.einsum("ki,ki->k", turn, turn)
    scale = np.where(fresh & fits & (length > 0), curve / np.where(length > 0, length, 1.0), 1.0)
    inverse = inverse * scale[:, None, None]
    image = np.einsum("kij,kj->ki", inverse, turn)
    both = change[:, :, None] * image[:, None, :]
    outer = change[:, :, None] * change[:, None, :]
    weight = (1 + np.einsum("ki,ki->k", turn, image) / curve) / curve
    updated = inverse + weight[:, None, None] * outer
    updated -= (both + both.transpose(0, 2, 1)) / curve[:, None, None]
    return np.where(fits[:, None, None], updated, inverse)


def _reset(inverse: Array, fresh: NDArray[np.bool_], rows: NDArray[np.int_]) -> None:
    inverse[rows] = np.eye(inverse.shape[1])
    fresh[rows] = True
