r"""The loss surface of a network with one feature, in the coordinates of its spline.

A ReLU network with one feature and one output, ``f(x) = Σ_j a_j relu(w_j x + b_j) + c``, has ``m`` neurons with slope
jumps and knots::

    μ_j = w_j a_j,      β_j = −b_j / w_j,      f(x) = Σ_j μ_j (x − β_j) 1{w_j (x − β_j) > 0} + c

(``μ_j`` is the jump for right-facing neurons, ``w_j > 0``, and its negative for left-facing ones). As long as
no knot passes a sample, the sets ``A_j`` of samples on which neurons are active do not change: a *cell*, in which
the unregularised loss ``L = ½ Σ_i r_i²``, ``r_i = f(x_i) − y_i``, is smooth in ``θ = (μ, β, c)``. With ``J = ∂f/∂θ``,
whose columns are ``(x − β_j) 1_{A_j}``, ``−μ_j 1_{A_j}`` and ``1``::

    ∇L = Jᵀr,      ∇²L = JᵀJ,  plus  −Σ_{A_j} r_i  in the entries (μ_j, β_j) and (β_j, μ_j)

``f`` is linear in every coordinate, and ``μ_j β_j`` its only products. So ``θ`` is critical iff::

    Σ_{A_j} r_i (x_i − β_j) = 0,      μ_j Σ_{A_j} r_i = 0  for all j,      Σ_i r_i = 0

If also all ``μ_j ≠ 0``, then ``Σ_{A_j} r_i = 0``, and the Hessian is ``JᵀJ``: positive semidefinite, of the rank of
``J``, whose columns are in the span of ``1``, and of ``1_A`` and ``x 1_A`` of the distinct active sets that are not
empty::

    rank ≤ min(n, 2 · #{A_j} + 1)

Such a point is a global minimum within its cell: ``r`` is orthogonal to that span, in which ``f`` stays. As all ``w_j ≠
0``, the critical points are those of ``L`` as a function of ``(w, b, a, c)``.

References
----------
Sahs, Pyle, Damaraju, Caro, Tavaslioglu, Lu, Anselmi & Patel 2022, "Shallow univariate ReLU networks as splines:
initialization, loss surface, Hessian, and gradient flow dynamics", Frontiers in Artificial Intelligence 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import finite_array, shown
from convexrelu._utils.typing import Array, Masks
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["CellReport", "cell_report"]


_EPS = float(np.finfo(np.float64).eps)
# |wx + b| below this fraction of |wx| + |b| may be rounding: the sample is on the knot.
_ON_KNOT = 4 * _EPS


@dataclass(frozen=True, eq=False)
class CellReport:
    """The loss ``½ Σ_i r_i²`` around a network with one feature and ``m`` neurons, for ``n`` samples.

    Attributes
    ----------
    parameters : array of shape (2m + 1,)
        ``θ = (μ_1, …, μ_m, β_1, …, β_m, c)``.
    active : bool array of shape (n, m)
        Samples on which each neuron is active. Samples on a knot do not count.
    on_knot : bool array of shape (n, m)
        Samples on knots, up to rounding, ``|wx + b| ≤ 4 eps (|wx| + |b|)``. If there are any, the network
        is on the border of cells, and all else here concerns the cell in which these neurons are not active on
        these samples.
    residuals : array of shape (n,)
        ``r = f(x) − y``.
    gradient : array of shape (2m + 1,)
    hessian : array of shape (2m + 1, 2m + 1)
    is_critical : bool
        Whether the gradient is zero, see :func:`cell_report` for the tolerance. On a border, whether it is in all the
        cells that meet there.
    rank_bound : int
        ``min(n, 2 · #{A_j} + 1)``, with the number of distinct active sets that are not empty. Not below the rank
        of ``JᵀJ``; at critical points with all ``μ_j ≠ 0`` not below that of the Hessian.
    """

    parameters: Array
    active: Masks
    on_knot: Masks
    residuals: Array
    gradient: Array
    hessian: Array
    is_critical: bool
    rank_bound: int


def cell_report(
    network: TwoLayerNetwork, X: ArrayLike, y: ArrayLike, *, rtol: float = 1e-8
) -> CellReport:
    """Gradient, Hessian and critical point test of the unregularised squared error, in spline coordinates.

    Parameters
    ----------
    network : TwoLayerNetwork
        ReLU, one feature, one output, no skip connection, all ``w_j ≠ 0``.
    X : array of shape (n, 1)
        Inputs.
    y : array of shape (n,)
        Targets.
    rtol : float
        The point is critical if each entry of ``∇L = Jᵀr`` is zero relative to the product of lengths that bounds
        it: ``|J_kᵀr| ≤ ‖J_k‖ (rtol ‖r‖ + e)``, where ``e = (m + 2) eps ‖|y| + Σ_j |μ_j (x − β_j)| 1_{A_j} + |c|‖`` is
        what rounding may do to ``r``. Without ``e`` no interpolant would be critical. ``rtol`` is the largest cosine
        between the residuals and a column of ``J``, and so does not depend on the units of ``x`` and ``y``.

    Returns
    -------
    CellReport

    Raises
    ------
    ValueError
        If the network is not of this kind, the data do not fit it or are not finite, or `rtol` is negative.

    Notes
    -----
    Samples on the knot of neuron ``j`` are in ``A_j`` on one side of the border only. They add ``−μ_j Σ r_i``, over
    these samples, to the derivative by ``β_j``, and nothing to the others. So a point on a border is critical in all
    cells that meet there iff it is in one of them and these sums are zero, with the same tolerance. Optima of the
    regularised problem with free biases may be on borders: there is one with all knots at samples.

    Examples
    --------
    A neuron and residuals that it cannot lessen, orthogonal to 1 and to ``x`` on its samples, and to 1 on all:

    >>> import numpy as np
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.univariate import cell_report
    >>> network = TwoLayerNetwork([[1.0]], [-0.5], [[1.0]], [0.0])
    >>> X = np.array([[-1.0], [0.0], [1.0], [2.0], [3.0]])
    >>> noise = np.array([1.0, -1.0, 1.0, -2.0, 1.0])
    >>> report = cell_report(network, X, network.predict(X) + noise)
    >>> report.is_critical, report.rank_bound
    (True, 3)
    >>> cell_report(network, X, network.predict(X) + X[:, 0]).gradient  # by μ, β and c
    array([-11.,   6.,  -5.])
    """
    x, targets = _checked(network, X, y)
    if not rtol >= 0:
        raise ValueError(f"rtol={shown(rtol)} is not a non-negative number")
    m, w, b = network.width, network.hidden_weights[:, 0], network.hidden_bias
    mu, beta = w * network.output_weights[0], -b / w
    seen = np.outer(x, w) + b
    on_knot = np.abs(seen) <= _ON_KNOT * (np.abs(np.outer(x, w)) + np.abs(b))
    active = (seen > 0) & ~on_knot
    distances = np.where(active, x[:, None] - beta, 0.0)
    residuals = network.predict(x[:, None]) - targets

    jacobian = np.column_stack([distances, -mu * active, np.ones(len(x))])
    gradient = jacobian.T @ residuals
    hessian = jacobian.T @ jacobian
    j = np.arange(m)
    hessian[j, j + m] -= active.T @ residuals
    hessian[j + m, j] = hessian[j, j + m]

    c = network.output_bias[0]
    terms = np.abs(targets) + np.abs(distances) @ np.abs(mu) + abs(c)
    zero = rtol * np.linalg.norm(residuals) + (m + 2) * _EPS * np.linalg.norm(terms)
    columns = np.column_stack([jacobian, -mu * on_knot])
    is_critical = np.abs(columns.T @ residuals) <= zero * np.linalg.norm(columns, axis=0)
    return CellReport(
        parameters=np.concatenate([mu, beta, [c]]),
        active=active,
        on_knot=on_knot,
        residuals=residuals,
        gradient=gradient,
        hessian=hessian,
        is_critical=bool(is_critical.all()),
        rank_bound=min(len(x), 2 * _n_distinct(active) + 1),
    )


def _n_distinct(active: Masks) -> int:
    """Number of distinct columns that are not empty."""
    return len(np.unique(active[:, active.any(axis=0)].T, axis=0))


def _checked(network: TwoLayerNetwork, X: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    if network.n_features != 1 or network.n_outputs != 1:
        raise ValueError(
            f"network has {network.n_features} features and {network.n_outputs} outputs, "
            "expected one of each"
        )
    if network.negative_slope != 0 or network.skip_weights is not None:
        raise ValueError(
            f"network has negative_slope={network.negative_slope:g} and "
            f"{'no' if network.skip_weights is None else 'a'} skip connection, "
            "expected ReLU and none"
        )
    if not network.hidden_weights.all():
        dead = np.flatnonzero(network.hidden_weights[:, 0] == 0)
        raise ValueError(
            f"network has no knot at neuron {dead[0]}, whose hidden weight is zero, expected one for "
            "each neuron; network.balance(free_bias=True) makes such neurons part of the intercept"
        )
    inputs = finite_array("X", X, "n", 1)
    return inputs[:, 0], finite_array("y", y, len(inputs))
