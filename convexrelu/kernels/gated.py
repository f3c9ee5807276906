"""From the tangent kernel of gated ReLU networks to their convex program, by reweighting."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from convexrelu._utils.arguments import check_number, finite_array
from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.pricing import certificate_of
from convexrelu.kernels.inputs import augmented_pair, checked_weights
from convexrelu.kernels.ridge import kernel_ridge
from convexrelu.networks.gated import GatedNetwork
from convexrelu.oracles import PatternOracle
from convexrelu.patterns import ActivationPatterns
from convexrelu.patterns.activation import row_keys
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.status import Status

__all__ = ["ReweightedKernel", "gated_kernel", "reweighted_kernel"]


# Largest increase of the objective by smoothing, in units of the gap.
_SMOOTHING = 0.01
# Reweightings between two evaluations of the gap, each of which takes longer than a reweighting.
_EVERY = 10


@dataclass(frozen=True, eq=False)
class ReweightedKernel:
    """Result of :func:`reweighted_kernel`.

    Attributes
    ----------
    eta : array of shape (P,)
        Weights ``η_i`` of the patterns in the last kernel: `network` is kernel ridge regression with it.
    patterns : ActivationPatterns
        The distinct patterns, with a gate for each.
    objectives : array of shape (k + 1,)
        Objective of the gated program after 0, 1, …, k reweightings. The first is that of the tangent kernel.
    network : GatedNetwork
        The last solution.
    certificate : Certificate
        Its gap, of scope ``"program"``.
    status : Status
        ``CONVERGED`` or ``MAX_ITER``.
    """

    eta: Array
    patterns: ActivationPatterns
    objectives: Array
    network: GatedNetwork
    certificate: Certificate
    status: Status

    def kernel(self, X: ArrayLike, Z: ArrayLike | None = None) -> Array:
        """The last kernel on the rows of `X` and `Z`, see :func:`gated_kernel`."""
        return gated_kernel(
            X, Z, gates=self.patterns.gates, weights=self.eta, hidden_bias=self.network.hidden_bias
        )


def gated_kernel(
    X: ArrayLike,
    Z: ArrayLike | None = None,
    *,
    gates: ArrayLike,
    weights: ArrayLike,
    hidden_bias: bool = True,
) -> Array:
    """``K(x, z) = Σ_i η_i 1{g_iᵀx̃ ≥ 0} 1{g_iᵀz̃ ≥ 0} x̃ᵀz̃``, the kernel of gated ReLU networks.

    With equal weights ``η_i = 1/P`` and ``P → ∞`` standard normal gates, this is the neural tangent kernel of gated
    networks, ``x̃ᵀz̃ (π − t)/(2π)`` with ``t`` the angle of ``x̃`` and ``z̃``: the second term of
    :func:`~convexrelu.kernels.tangent_kernel`.

    Parameters
    ----------
    X : array of shape (n, d)
        Inputs.
    Z : array of shape (m, d), optional
        Other inputs; ``None`` means `X`.
    gates : array of shape (P, d̃)
        ``g_i``.
    weights : array of shape (P,)
        ``η_i``, non-negative.
    hidden_bias : bool
        Whether ``x̃ = (x, 1)``.

    Returns
    -------
    array of shape (n, m)

    Raises
    ------
    ValueError
        For arrays with the wrong shape or invalid entries; the message names them.

    Examples
    --------
    >>> gated_kernel([[2.0], [-1.0]], gates=[[1.0], [-1.0]], weights=[1.0, 3.0], hidden_bias=False)
    array([[ 4., -0.],
           [-0.,  3.]])
    """
    rows, others = augmented_pair(X, Z, hidden_bias)
    g = finite_array("gates", gates, "P", rows.shape[1])
    eta = checked_weights(weights, len(g))
    return ((rows @ g.T >= 0) * eta) @ (others @ g.T >= 0).T * (rows @ others.T)


def reweighted_kernel(
    problem: TrainingProblem,
    patterns: ActivationPatterns | ArrayLike,
    *,
    weights: ArrayLike | None = None,
    n_iter: int = 1000,
    tol: float = 1e-5,
) -> ReweightedKernel:
    r"""Reweight the tangent kernel of a gated ReLU network until it is that of the convex optimum.

    The gated program is multiple kernel learning over ``K_i = D_i X̃X̃ᵀ D_i``, since ``‖u‖ = min_{η > 0} ½ (‖u‖²/η +
    η)``::

        min_{u, c}  F(Σ_i D_i X̃u_i + c) + alpha Σ_i ‖u_i‖
          = min_{η ≥ 0} min_{u, c}  F(Σ_i D_i X̃u_i + c) + (alpha/2) Σ_i (‖u_i‖²/η_i + η_i)

    Given ``η``, this is kernel ridge regression with ``K_η = Σ_i η_i K_i``: ``u_i = η_i X̃ᵀD_i a`` with ``(K_η +
    alpha S⁻¹) a + c1 = y`` (``1ᵀa = 0`` with an intercept). The tangent kernel has weights that do not depend on
    targets. Given ``u``, the best weights are ``η_i = ‖u_i‖``. Alternating between the two, which is iteratively
    reweighted least squares, decreases the objective to the optimum of the program.

    Parameters
    ----------
    problem : TrainingProblem
        With ``activation="gated_relu"`` and the squared error.
    patterns : ActivationPatterns or array of shape (P, d̃)
        The gates ``g_i``, or patterns with gates.
    weights : array of shape (P,), optional
        Initial weights of the gates, nonnegative; weights of gates with the same pattern are added. ``None`` makes them
        equal: with independent standard normal gates that estimates the tangent kernel, in which a pattern has the
        probability of its cell. Only proportions matter, see the notes.
    n_iter : int
        Largest number of reweightings. Zero keeps the tangent kernel.
    tol : float
        Relative duality gap of the program at which to stop; evaluated every tenth reweighting.

    Returns
    -------
    ReweightedKernel
        Weights, objectives, network, certificate.

    Raises
    ------
    ValueError
        For another activation or loss, or invalid arguments; the message names them.

    Notes
    -----
    *Scale.* A tangent kernel has an arbitrary scale. Initial weights are ``η = τw`` with the ``τ`` that minimises the
    right-hand side above. By Cauchy–Schwarz its penalty is then ``alpha √(Σ_i w_i) √(Σ_i ‖u_i‖²/w_i) ≥ alpha Σ_i
    ‖u_i‖``, the best bound that ``w`` gives. The function of ``τ`` is convex, and its derivative has one root.

    *Zeros.* A weight of zero would stay zero. Hence ``η_i = √(‖u_i‖² + ε²)``, which is reweighting for the objective
    with ``√(‖u_i‖² + ε²)`` in the place of ``‖u_i‖``. That never increases, and is larger by ``alpha P ε`` at most: a
    hundredth of the smallest gap seen so far, so that ``objectives`` rise by no more than that. Gaps go to zero. If
    not, ``ε`` would have a positive limit, and the iterates would tend to the minimiser for it. There ``‖X̃ᵀD_i v‖ <
    alpha`` for ``v = −∇F``, and the gap is ``alpha Σ_i (‖u_i‖ − ‖u_i‖²/η_i) ≤ 0.31 alpha P ε``, less than that of
    which ``ε`` was made.

    One reweighting takes ``O(n²P + n³)`` operations, and near the optimum the gap falls slowly: use
    :func:`convexrelu.train` for the optimum itself.

    References
    ----------
    Dwaraknath, Ergen & Pilanci 2023, "Fixing the NTK: From Neural Network Linearizations to Exact Convex Programs",
    NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, train
    >>> rng = np.random.default_rng(0)
    >>> X, gates = rng.standard_normal((30, 2)), rng.standard_normal((20, 3))
    >>> problem = TrainingProblem(X, np.abs(X[:, 0]), alpha=0.01, activation="gated_relu")
    >>> reweighted = reweighted_kernel(problem, gates)
    >>> reweighted.status.name, reweighted.certificate.relative_gap <= 1e-5
    ('CONVERGED', True)
    >>> optimum = train(problem, patterns=gates, tol=1e-6).certificate.objective
    >>> (reweighted.objectives[[0, 1, -1]] / optimum).round(2)
    array([1.08, 1.03, 1.  ])
    """
    _check(problem, n_iter, tol)
    problem = problem.condensed()
    gates = patterns.gates if isinstance(patterns, ActivationPatterns) else patterns
    distinct, shares = _distinct(problem.design, gates, weights)
    ridge = _GatedRidge(problem, distinct)
    eta, epsilon = ridge.best_scale(shares) * shares, math.inf
    objectives: list[float] = []
    for k in range(n_iter + 1):
        network, outputs = ridge.solve(eta)
        objectives.append(problem.data_fit(outputs) + problem.alpha * network.penalty())
        if k % _EVERY == 0 or k == n_iter:
            certificate = ridge.certificate(objectives[-1], outputs)
            allowed = _SMOOTHING * certificate.gap
            epsilon = min(epsilon, allowed / (problem.alpha * len(distinct)))
            if certificate.relative_gap <= tol:
                break
        if k < n_iter:
            eta = np.hypot(np.linalg.norm(network.weights, axis=1), epsilon)
    status = Status.CONVERGED if certificate.relative_gap <= tol else Status.MAX_ITER
    return ReweightedKernel(eta, distinct, np.array(objectives), network, certificate, status)


class _GatedRidge:
    """Kernel ridge regression with weights for given patterns."""

    def __init__(self, problem: TrainingProblem, patterns: ActivationPatterns) -> None:
        self.problem = problem
        self.patterns = patterns
        self.masks = patterns.masks.astype(np.float64)
        self.gram = problem.design @ problem.design.T
        self.oracle = PatternOracle(problem.design, patterns.masks, cones=False, method="gates")

    def kernel(self, eta: Array) -> Array:
        """``K_η`` on the samples."""
        return (self.masks.T * eta) @ self.masks * self.gram

    def solve(self, eta: Array) -> tuple[GatedNetwork, Array]:
        """The network with these weights, and its outputs."""
        problem = self.problem
        a, intercept = kernel_ridge(
            self.kernel(eta),
            problem.y,
            problem.alpha,
            weights=problem.weights,
            fit_intercept=problem.fit_intercept,
        )
        blocks = eta[:, None] * ((self.masks * a) @ problem.design)
        network = GatedNetwork(
            self.patterns.gates, blocks, float(intercept), bool(problem.hidden_bias)
        )
        return network, network.predict(problem.X)

    def certificate(self, objective: float, outputs: Array) -> Certificate:
        """Certificate of the gap in the program."""
        v = self.problem.dual_point(outputs)
        return certificate_of(self.problem, objective, v, self.oracle(v))

    def best_scale(self, shares: Array) -> float:
        r"""The ``τ`` that minimises the objective with weights ``η = τw``.

        Let ``λ_k`` be the eigenvalues of ``S^{½} K_w S^{½}``, and ``b_k`` the entries of ``S^{½} y`` along its
        eigenvectors, both taken orthogonal to ``S^{½} 1`` if there is an intercept. The objective is ``(alpha/2) (Σ_k
        b_k²/(τλ_k + alpha) + τ Σ_i w_i)``. As ``λ/(τλ + alpha)² ≤ 1/(4τ alpha)``, the root of its derivative is at most
        ``Σ_k b_k²/(4 alpha Σ_i w_i)``.
        """
        problem, alpha, total = self.problem, self.problem.alpha, float(shares.sum())
        root = np.sqrt(problem.weights)
        matrix, targets = root[:, None] * self.kernel(shares) * root, root * problem.y
        if problem.fit_intercept:
            project = np.eye(len(root)) - np.outer(root, root)
            matrix, targets = project @ matrix @ project, project @ targets
        eigenvalues, vectors = np.linalg.eigh(matrix)
        squares = np.square(vectors.T @ targets)
        slopes = np.maximum(eigenvalues, 0.0) * squares

        def descent(tau: float) -> float:
            return float((slopes / np.square(tau * eigenvalues + alpha)).sum()) - total

        largest = float(squares.sum()) / (4 * alpha * total)
        if descent(0.0) <= 0:  # nothing improves on the best constant
            return 0.0
        # Twice that for rounding.
        return float(brentq(descent, 0.0, 2 * largest, xtol=1e-12 * largest))


def _check(problem: TrainingProblem, n_iter: int, tol: float) -> None:
    if not isinstance(problem, TrainingProblem):
        raise ValueError(f"problem is a {type(problem).__name__}, expected a TrainingProblem")
    if problem.activation != "gated_relu" or not problem.loss.is_least_squares:
        raise ValueError(
            f"problem has activation={problem.activation!r} and loss={problem.loss.name!r}; only "
            "'gated_relu' and 'squared_error' are supported"
        )
    check_number("n_iter", n_iter, numbers.Integral, 0)
    check_number("tol", tol, numbers.Real, 0)


def _distinct(
    design: Array, gates: ArrayLike, weights: ArrayLike | None
) -> tuple[ActivationPatterns, Array]:
    """Distinct patterns of the gates, and the sums of the gates' weights."""
    g = finite_array("patterns", gates, "P", design.shape[1])
    w = np.ones(len(g)) if weights is None else checked_weights(weights, len(g))
    masks = g @ design.T >= 0
    _, first, inverse = np.unique(row_keys(masks), return_index=True, return_inverse=True)
    shares = np.bincount(inverse, weights=w).astype(np.float64)
    return ActivationPatterns(masks[first], g[first]), shares
