"""Orthogonal samples without biases, such as whitened ones: one neuron for each output and sign, by a formula."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from convexrelu._utils.norms import lipschitz_constant, norms
from convexrelu._utils.typing import Array
from convexrelu.certificates.pricing import price_and_certify
from convexrelu.oracles.base import OracleReport
from convexrelu.oracles.exact.spike_free import ORTHOGONAL, orthogonality_error
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Progress, Result
from convexrelu.results.status import Status

__all__ = [
    "OrthogonalRowsOracle",
    "missing_for_whitened",
    "train_whitened",
]


_EPS = float(np.finfo(np.float64).eps)


def train_whitened(
    problem: TrainingProblem,
    *,
    tol: float = 1e-3,
    progress: Progress | None = None,
) -> Result:
    r"""Train on samples that are orthogonal to each other, such as whitened ones (``XXᵀ = I``), by a formula.

    With ``X = KQ``, ``K`` the lengths of the rows and ``QQᵀ = I``, ``{Xu : ‖u‖ ≤ 1}`` is an axis-aligned ellipsoid,
    and rectifying stays inside it. Hence ``M(v) = max(‖(Kv)₊‖, ‖(Kv)₋‖)``, and with ``f = Kg``::

        P = min_g  F(Kg) + alpha (‖g₊‖ + ‖g₋‖)

    that is, one neuron for the positive outputs and one for the negative ones. Each part takes its sign from the target
    and is a problem in ``ρ = ‖g_±‖`` alone, solved by finding a root in one dimension::

        squared error   g_i = s_i κ_i |y_i| ρ/(s_i κ_i² ρ + alpha)         0 from alpha ≥ ‖(s κ y)_±‖ on
        hinge           g_i = min(1/κ_i, s_i κ_i ρ/alpha)                  0 from alpha ≥ ‖(s κ)_±‖ on

    For equal weights ``s = 1/n`` and whitened rows these are the formulas of Ergen & Pilanci 2021: the norm of ``y_±``
    is soft-thresholded by ``alpha n``, and the outputs of a class are ``±1`` if ``√n_±`` is above ``alpha n``, else 0.

    For several outputs (Ergen & Pilanci 2021, one-hot labels), where every row of ``Y`` has at most one nonzero entry,
    the outputs do not interact: ``‖Vᵀz‖² = Σ_k (V_kᵀz)² ≤ max_k ‖(±V_k)₊‖² ‖z‖²`` for ``z ≥ 0``, since the
    supports of the ``V_k`` are disjoint.

    Parameters
    ----------
    problem : TrainingProblem
        With orthogonal rows, no biases and no intercept; squared error, with at most one nonzero entry per row of the
        targets if there are several outputs; or the hinge loss.
    tol : float
        Relative gap at which training counts as converged.
    progress : callable, optional
        Called once, with the only round.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        If the problem is of another kind; the message says what is not supported.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem
    >>> from convexrelu.closed_forms import train_whitened
    >>> problem = TrainingProblem(np.eye(2), [3.0, -4.0], alpha=0.5, hidden_bias=False, fit_intercept=False)
    >>> result = train_whitened(problem)  # 3 - 2 alpha and 4 - 2 alpha
    >>> result.network.predict(np.eye(2)).round(9), result.certificate.is_proof
    (array([ 2., -3.]), True)
    """
    started = time.perf_counter()
    problem = problem.condensed()
    _refuse(problem)
    X = problem.inputs
    lengths = np.asarray(norms(X))
    parts = _parts(problem)
    scaled, pulls = zip(*(part.solution(problem, lengths) for part in parts), strict=True)
    # The shortest u with Xu = Kg.
    directions = np.array([X.T @ (g / lengths) for g in scaled])
    outer = np.array([part.outer for part in parts])
    network = problem.network(directions, outer, np.zeros(problem.n_outputs)).prune()
    v = sum(np.outer(pull, part.outer) for pull, part in zip(pulls, parts, strict=True))
    v = problem.feasible(np.reshape(v, problem.y.shape))
    certificate, _ = price_and_certify(problem, network, OrthogonalRowsOracle(X), v)
    return Result.of_one_program(
        network,
        certificate,
        Status.CONVERGED,
        tol=tol,
        seconds=time.perf_counter() - started,
        n_blocks=len(parts),
        progress=progress,
        dual=v,
    )


class OrthogonalRowsOracle:
    r"""``M(V) ≤ √(1 + ‖QQᵀ − I‖) max_k max(‖(K V_k)₊‖, ‖(K V_k)₋‖)`` for ``V`` with at most one nonzero per row.

    With ``X = KQ`` and unit rows ``Q``, ``‖Qu‖² ≤ 1 + ‖QQᵀ − I‖`` for ``‖u‖ ≤ 1``: valid for any rows, and sharp for
    orthogonal ones. See :func:`train_whitened` for the rest.

    Parameters
    ----------
    design : array of shape (n, d)

    Examples
    --------
    >>> import numpy as np
    >>> report = OrthogonalRowsOracle(np.eye(2))(np.array([3.0, -4.0]))
    >>> round(report.bound, 12), report.is_proof
    (4.0, True)
    """

    def __init__(self, design: Array) -> None:
        self.design = design
        self._lengths = np.asarray(norms(design))
        self._stretch = math.sqrt(1 + orthogonality_error(design))

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Bound ``M(v)`` at the dual point ``v`` of shape (n,) or (n, K)."""
        n, dim = self.design.shape
        columns = v.reshape(n, -1)
        if (np.count_nonzero(columns, axis=1) > 1).any():
            raise ValueError("v has several nonzero entries in a row, expected at most one")
        scaled = self._lengths[:, None] * columns
        parts = np.hstack([np.maximum(scaled, 0.0), np.maximum(-scaled, 0.0)])
        largest = float(norms(parts.T).max(initial=0.0))
        bound = self._stretch * largest if largest > 0 else 0.0
        bound += 8 * n * _EPS * lipschitz_constant(self.design, v)
        return OracleReport.without_witnesses(bound, v, dim, method="whitened")


class _Part(NamedTuple):
    """Targets of one sign in one output, fitted by one neuron."""

    samples: NDArray[np.intp]
    targets: Array  # positive
    outer: Array  # unit vector of outer weights

    def solution(self, problem: TrainingProblem, lengths: Array) -> tuple[Array, Array]:
        """``g_±`` and the dual point on its samples, both of shape (n,) and nonnegative.

        ``K v = alpha g/ρ``, or the gradient of the loss where ``g`` is zero.
        """
        hinge = problem.loss.is_hinge
        s, kappa, alpha = problem.weights[self.samples], lengths[self.samples], problem.alpha
        share = self._hinge if hinge else self._squared
        g, v = np.zeros((2, len(lengths)))
        pull = s if hinge else s * self.targets
        v[self.samples] = pull
        if float(norms(kappa * pull)) > alpha:
            rho = _root(
                lambda rho: float(norms(share(rho, s, kappa, alpha))) - 1.0,
                float(norms(self.targets / kappa)),
            )
            unit = share(rho, s, kappa, alpha)
            g[self.samples], v[self.samples] = rho * unit, alpha * unit / kappa
        return g, v

    def _squared(self, rho: float, s: Array, kappa: Array, alpha: float) -> Array:
        """``g/ρ`` at ``‖g‖ = ρ``."""
        return s * kappa * self.targets / (s * kappa**2 * rho + alpha)

    def _hinge(self, rho: float, s: Array, kappa: Array, alpha: float) -> Array:
        """``g/ρ`` at ``‖g‖ = ρ``; the targets are ones."""
        return s * kappa / np.maximum(s * kappa**2 * rho, alpha)


def _root(excess: Callable[[float], float], most: float) -> float:
    """Root of a nonincreasing function on ``[0, most]``, with values from above one to zero or below."""
    if excess(most) >= 0:  # up to rounding
        return most
    if excess(0.0) <= 0:
        return 0.0
    tiny = float(np.finfo(np.float64).tiny)
    return float(brentq(excess, 0.0, most, xtol=tiny, maxiter=2000))


def _parts(problem: TrainingProblem) -> list[_Part]:
    columns = problem.y.reshape(problem.n_samples, -1)
    parts: list[_Part] = []
    for k in range(columns.shape[1]):
        for sign in (1.0, -1.0):
            samples = np.flatnonzero(sign * columns[:, k] > 0)
            if len(samples) or not parts:
                outer = sign * np.eye(columns.shape[1])[k]
                parts.append(_Part(samples, sign * columns[samples, k], outer))
    return parts


def missing_for_whitened(problem: TrainingProblem) -> str:
    """Reason why a problem does not have the formula, whatever its data; empty if there is none."""
    if problem.activation != "relu" or problem.skip or problem.hidden_bias or problem.fit_intercept:
        return "biases, an intercept, a skip connection or activations other than 'relu'"
    if not (problem.loss.is_least_squares or problem.loss.is_hinge):
        return f"loss={problem.loss.name!r}"
    if (np.count_nonzero(problem.y.reshape(problem.n_samples, -1), axis=1) > 1).any():
        return "targets with several entries in a row"
    return ""


def _refuse(problem: TrainingProblem) -> None:
    missing = missing_for_whitened(problem)
    if missing:
        raise ValueError(f"the closed form of whitened rows does not support {missing}; use train")
    if orthogonality_error(problem.inputs) > ORTHOGONAL:
        raise ValueError("X has rows that are zero or not orthogonal; use train")
