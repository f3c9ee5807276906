"""L-BFGS without bounds: descent along directions that the last steps and their changes of the gradient suggest.

SciPy's L-BFGS-B has bounds in mind at every step. With thousands of weights and an objective that takes less than a
millisecond, descent by it takes twice as long (``python -m benchmarks.programs.bench_lbfgs``).

With steps ``S = (s_1, …, s_k)``, oldest first, and changes ``Y`` of the gradient, the direction from the gradient ``g``
is ``−H g``, where (Byrd, Nocedal and Schnabel 1994, Theorem 2.2)::

    H = γ I + [S  γY] [ R⁻ᵀ (D + γ YᵀY) R⁻¹   −R⁻ᵀ ] [ Sᵀ  ]
                      [ −R⁻¹                    0   ] [ γYᵀ ]

    R = upper triangle of SᵀY,   D = diagonal of SᵀY,   γ = s_kᵀy_k / y_kᵀy_k

That is two passes over ``S`` and ``Y``: products with the gradient, and a combination. Products of a change ``y`` with
the pairs before it are differences of those with gradients, so they cost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.linalg.lapack import dtrtrs

from convexrelu._utils.typing import Array
from convexrelu.solvers.nonconvex.wolfe import search_wolfe

__all__ = ["CurvaturePairs", "lbfgs"]


def lbfgs(
    value_and_gradient: Callable[[Array], tuple[float, Array]],
    z: Array,
    *,
    memory: int,
    most_steps: int,
    ends_at: Callable[[Array, float], bool],
    rounding: float = 0.0,
) -> Array:
    """Lower a smooth function step by step, as long as that can be seen.

    Parameters
    ----------
    value_and_gradient : callable
        Value and gradient, of shape (p,), at a point. What it returns must not change later.
    z : array of shape (p,)
        Where to begin.
    memory : int
        Number of steps to remember, at least 1.
    most_steps : int
        Number of steps after which to end.
    ends_at : callable
        Given the point and the value of each step, whether to end there.
    rounding : float
        Of values, relative to them. It ends where steps are expected to lower the value by no more.

    Returns
    -------
    array of shape (p,)
        The last point; every value on the way is smaller than the one before. `z` itself if there is no step.

    Examples
    --------
    >>> import numpy as np
    >>> scales = np.array([1.0, 10.0, 100.0])
    >>> def paraboloid(z):
    ...     return float(scales @ z**2), 2 * scales * z
    >>> found = lbfgs(
    ...     paraboloid, np.ones(3), memory=5, most_steps=30, ends_at=lambda z, value: value < 1e-12
    ... )
    >>> bool(abs(found).max() < 1e-5)
    True
    """
    value, gradient = value_and_gradient(z)
    pairs = CurvaturePairs(memory, len(z))
    for _ in range(most_steps):
        step, hidden = None, rounding * abs(value)
        if pairs.n_pairs:
            direction = pairs.direction(gradient)
            slope = float(direction @ gradient)
            if -hidden <= slope < 0:
                break
            step = search_wolfe(value_and_gradient, z, value, direction, slope, 1.0, hidden)
        if step is None:  # from the start, or once more, along the gradient
            pairs = CurvaturePairs(memory, len(z))
            direction = -gradient
            slope = float(direction @ gradient)
            first = _first_length(slope)
            step = search_wolfe(value_and_gradient, z, value, direction, slope, first, hidden)
        if step is None:
            break
        pairs.add(step.length * direction, gradient, step.gradient)
        z, value, gradient = step.point, step.value, step.gradient
        if ends_at(z, value):
            break
    return z


def _first_length(slope: float) -> float:
    """Of a step along the gradient: at most one, in units of the variables."""
    return 1.0 / max(1.0, math.sqrt(max(0.0, -slope)))


class CurvaturePairs:
    """The last steps with the changes of the gradient along them, and directions by them.

    Parameters
    ----------
    most : int
        Number of pairs to keep.
    n_variables : int
    """

    def __init__(self, most: int, n_variables: int) -> None:
        self._pairs = np.zeros((2, most, n_variables))  # steps and changes
        self._steps_by_changes = np.zeros((most, most))  # s_i · y_j, where i is not later than j
        self._changes_by_changes = np.zeros((most, most))
        self._products = np.zeros((2, most))  # of the pairs with the last gradient
        self._order: list[int] = []  # places of the pairs, oldest first

    @property
    def n_pairs(self) -> int:
        """Number of pairs that are remembered."""
        return len(self._order)

    def add(self, step: Array, gradient: Array, next_gradient: Array) -> None:
        """Remember a step, in place of the oldest if there are too many; not one along which nothing bends upwards.

        Parameters
        ----------
        step : array of shape (p,)
        gradient, next_gradient : array of shape (p,)
            Before it, for which :meth:`direction` was asked last, and after it.
        """
        before, products = self._products, self._products_with(next_gradient)
        change = next_gradient - gradient
        curvature, size = float(step @ change), float(change @ change)
        if curvature > np.finfo(float).eps * abs(float(step @ gradient)):
            place = self._place()
            self._steps_by_changes[:, place], with_changes = products - before
            self._changes_by_changes[:, place] = self._changes_by_changes[place] = with_changes
            self._steps_by_changes[place, place] = curvature
            self._changes_by_changes[place, place] = size
            self._pairs[:, place] = step, change
            products[:, place] = step @ next_gradient, change @ next_gradient
        self._products = products

    def direction(self, gradient: Array) -> Array:
        """``−H g`` for the last gradient, of shape (p,), where there are pairs."""
        order = np.array(self._order)
        triangle = self._steps_by_changes[order[:, None], order]
        by_steps, by_changes = self._products[:, order]
        last = self._order[-1]
        scale = self._steps_by_changes[last, last] / self._changes_by_changes[last, last]
        of_changes, _ = dtrtrs(triangle, by_steps)
        right = np.diag(triangle) * of_changes - scale * by_changes
        right += scale * (self._changes_by_changes[order[:, None], order] @ of_changes)
        of_steps, _ = dtrtrs(triangle, right, trans=1)
        factors = np.zeros_like(self._products)
        factors[:, order] = -of_steps, scale * of_changes
        n = len(order)
        direction = factors[0, :n] @ self._pairs[0, :n] + factors[1, :n] @ self._pairs[1, :n]
        direction -= scale * gradient
        return direction

    def _products_with(self, gradient: Array) -> Array:
        """Those of all pairs with a gradient, of shape (2, most)."""
        products = np.zeros_like(self._products)
        n = len(self._order)
        for found, vectors in zip(products, self._pairs, strict=True):
            np.matmul(vectors[:n], gradient, out=found[:n])
        return products

    def _place(self) -> int:
        """Where the next pair goes; places are taken one after the other."""
        full = len(self._order) == len(self._products[0])
        place = self._order.pop(0) if full else len(self._order)
        self._order.append(place)
        return place
