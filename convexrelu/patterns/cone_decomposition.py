"""From a gated block to a pair of ReLU neurons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.cvxpy_import import cp
from convexrelu._utils.typing import Array

__all__ = ["cone_decomposition"]


def cone_decomposition(
    block: Array, mask: NDArray[np.bool_], design: Array, gate: Array, *, solver: str = "CLARABEL"
) -> tuple[Array, Array]:
    """Smallest-norm decomposition ``u = v − w`` of a gated block into two vectors of its cone.

    ::

        min ‖v‖ + ‖w‖   s.t.  v − w = u,  (2D − I)X̃ v ≥ 0,  (2D − I)X̃ w ≥ 0

    Then ``D X̃u = relu(X̃v) − relu(X̃w)`` on the training data (Mishkin, Sahiner & Pilanci 2022,
    section 3).

    Parameters
    ----------
    block : array of shape (d̃,)
        ``u``.
    mask : boolean array of shape (n,)
        Diagonal of ``D``.
    design : array of shape (n, d̃)
        Rows ``x̃_i``.
    gate : array of shape (d̃,)
        A point inside the cone; a multiple of it, of the size of the solver's inaccuracy, is added
        to both parts, so that the cones hold up to rounding and ``v − w = u`` to the last bit.
    solver : str
        A cvxpy solver.

    Returns
    -------
    v, w : arrays of shape (d̃,)

    Raises
    ------
    RuntimeError
        If the solver returns nothing.

    Examples
    --------
    >>> import numpy as np
    >>> design = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> both_active, gate = np.array([True, True]), np.array([1.0, 1.0])
    >>> v, w = cone_decomposition(np.array([2.0, -1.0]), both_active, design, gate)
    >>> v.round(6), w.round(6)
    (array([2., 0.]), array([0., 1.]))
    """
    scale = np.linalg.norm(block)
    norms = np.linalg.norm(design, axis=1)
    bounding = norms > 0
    towards = (2.0 * mask - 1.0)[bounding, None] * design[bounding] / norms[bounding, None]
    if scale == 0.0 or (towards @ block >= 0).all():
        return block, np.zeros_like(block)
    target = block / scale
    w = cp.Variable(block.size)
    distance = cp.norm(target + w, 2) + cp.norm(w, 2)
    problem = cp.Problem(cp.Minimize(distance), [towards @ w >= 0, towards @ (target + w) >= 0])
    problem.solve(solver=solver)
    if w.value is None:
        raise RuntimeError(f"cone decomposition: {solver} ended with status {problem.status!r}")
    minus = _moved_inside(w.value, target, towards, gate)
    return block + scale * minus, scale * minus


def _moved_inside(w: Array, target: Array, towards: Array, gate: Array) -> Array:
    """Add the least multiple of `gate` that puts both ``w`` and ``target + w`` in the cone."""
    margin = towards @ gate
    missing = np.maximum(-(towards @ w), -(towards @ (target + w)))
    violated = missing > 0
    if not violated.any() or (margin[violated] <= 0).any():
        return w
    return w + gate * np.max(missing[violated] / margin[violated])
