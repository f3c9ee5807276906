"""Accelerated proximal gradient steps on arrays, with restarts, for the sum of a smooth and a simple function."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array

__all__ = ["accelerated", "shrunk"]


_MAX_DOUBLINGS = 60  # of the curvature: a factor of 1e18
_ROUNDING = 1e-12  # relative error of the objective that may be rounding


def accelerated(
    fit: Callable[[Array], tuple[float, Array]],
    prox: Callable[[Array, float], Array],
    start: Array,
    curvature: float,
    *,
    max_steps: int,
    accuracy: float,
    deadline: float = math.inf,
) -> tuple[Array, bool]:
    """Minimise ``F + P`` by FISTA (Beck & Teboulle 2009), restarted where the momentum points uphill.

    The restart is that of O'Donoghue & Candès 2015; curvatures are doubled until they majorise ``F`` on the step.

    Parameters
    ----------
    fit : callable
        Value and gradient of ``F``.
    prox : callable
        ``argmin_x P(x) + (L/2) ‖x − z‖²`` as a function of ``z`` and ``L``. A TimeoutError of it ends the steps.
    start : array
    curvature : float
        The first ``L``, positive.
    max_steps : int
        Largest number of steps.
    accuracy : float
        Relative change of the point in a step at which to stop.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop.

    Returns
    -------
    point : array
        Point after the last step.
    settled : bool
        Whether the last step was that small.

    Examples
    --------
    >>> import numpy as np
    >>> target = np.array([3.0, 0.5])
    >>> soft = lambda z, L: np.sign(z) * np.maximum(np.abs(z) - 1 / L, 0)
    >>> fit = lambda x: (0.5 * np.sum((x - target) ** 2), x - target)
    >>> accelerated(fit, soft, np.zeros(2), 1.0, max_steps=50, accuracy=1e-9)
    (array([2., 0.]), True)
    """
    x, y, t = start, start, 1.0
    for _ in range(max_steps):
        try:
            following, curvature = _step(fit, prox, y, curvature)
        except TimeoutError:
            break
        if np.vdot(y - following, following - x) > 0:
            t = 1.0
        t_next = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * t * t))
        moved = following - x
        x, y, t = following, following + (t - 1.0) / t_next * moved, t_next
        if np.linalg.norm(moved) <= accuracy * np.linalg.norm(x):
            return x, True
        if time.perf_counter() > deadline:
            break
    return x, False


def _step(
    fit: Callable[[Array], tuple[float, Array]],
    prox: Callable[[Array, float], Array],
    y: Array,
    curvature: float,
) -> tuple[Array, float]:
    """A proximal step from ``y``, with a curvature that majorises ``F`` on it."""
    value, gradient = fit(y)
    for _ in range(_MAX_DOUBLINGS):
        moved = prox(y - gradient / curvature, curvature)
        step = moved - y
        bound = value + np.vdot(gradient, step) + 0.5 * curvature * np.vdot(step, step)
        if fit(moved)[0] <= bound + _ROUNDING * abs(value):
            break
        curvature *= 2.0
    return moved, curvature


def shrunk(rows: Array, level: float) -> Array:
    """Rows shortened by `level`, zero if shorter than that: the proximal map of ``level Σ ‖row‖``."""
    lengths = norms(rows)[:, None]
    return rows * np.maximum(1.0 - level / np.where(lengths > 0, lengths, np.inf), 0.0)
