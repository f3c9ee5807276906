"""Certificates: the only place that turns a primal point and a bound on ``M(v)`` into a duality gap.

At any primal point take ``v = −∇F(f)``, with sum zero where there is an intercept. For ANY ``M̂ ≥
M(v)`` every ``t ∈ [0, alpha/M̂]`` makes ``tv`` dual feasible, so ``−F*(−tv)`` is a lower bound on
the optimum; the best ``t`` is used. What the bound proves is decided by where ``M̂`` comes from:
see :mod:`convexrelu.oracles`. :mod:`convexrelu.verification` does the same without rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from convexrelu.network import TwoLayerNetwork
from convexrelu.oracles import Oracle, OracleReport
from convexrelu.oracles.base import largest_value, lipschitz_constant
from convexrelu.oracles.free_bias import free_bias_factor
from convexrelu.oracles.of_problem import relaxation_for
from convexrelu.problem import TrainingProblem

__all__ = [
    "Certificate",
    "best_scale",
    "certificate_of",
    "level_for",
    "lower_bound",
    "price",
    "price_and_certify",
]

Array = NDArray[np.float64]

_BISECTIONS = 60


@dataclass(frozen=True)
class Certificate:
    """How far an objective is from the optimum, and how that is known.

    Attributes
    ----------
    objective : float
        Regularised loss of the network, ``F(f) + (alpha/2) Σ_j (‖w̃_j‖² + ‖a_j‖²)``.
    lower_bound : float
        Lower bound on the optimum if `is_proof`, an estimate of one otherwise.
    scope : str
        ``"global"``: the optimum over all networks; ``"programme"``: over networks with the
        programme's patterns.
    method : str
        Oracle behind the bound: ``"sweep"``, ``"cells"``, ``"branch_and_bound"``, ``"semidefinite"``,
        ``"relaxation"``, ``"whitened"``, ``"spike_free"``, ``"search"``; ``"patterns"`` or ``"gates"`` for a programme.
    is_proof : bool
        Whether `lower_bound` holds for certain. False for a searched bound.
    proved_lower_bound : float
        Lower bound on the global optimum that is proved even where `lower_bound` is not; often
        loose, 0 if unknown.
    n_starts : int
        Independent random starts of a searched bound, 0 otherwise.
    violation : float
        ``M̂/alpha − 1``, by how much the dual point passes the constraint; 0 where it does not.
    arithmetic : str
        ``"float64"``: a proof allows for rounding; ``"rational"``: there was none.

    Examples
    --------
    >>> certificate = Certificate(2.0, 1.998, "global", "cells", True)
    >>> round(certificate.relative_gap, 6)
    0.001
    >>> print(certificate)
    certified: objective 2, lower bound 1.998, relative gap 1.0e-03 (global optimum, by cells)
    """

    objective: float
    lower_bound: float
    scope: str
    method: str
    is_proof: bool
    proved_lower_bound: float = 0.0
    n_starts: int = 0
    violation: float = 0.0
    arithmetic: str = "float64"

    @property
    def gap(self) -> float:
        """``objective − lower_bound``, not below zero."""
        return max(self.objective - self.lower_bound, 0.0)

    @property
    def relative_gap(self) -> float:
        """``(objective − lower_bound) / |objective|``; 0 where both are zero."""
        return self.gap / abs(self.objective) if self.gap > 0 else 0.0

    def __str__(self) -> str:
        numbers = f"objective {self.objective:.6g}, {{}} {self.lower_bound:.6g}, relative gap {self.relative_gap:.1e}"
        if not self.is_proof:
            return self._estimate(numbers.format("estimated lower bound"))
        of = (
            "global optimum"
            if self.scope == "global"
            else "optimum over the programme's patterns only"
        )
        how = ", verified in rational arithmetic" if self.arithmetic == "rational" else ""
        return f"certified: {numbers.format('lower bound')} ({of}, by {self.method}{how})"

    def _estimate(self, numbers: str) -> str:
        text = f"estimated, not proved: {numbers} (by {self.method}; proved: at least {self.proved_lower_bound:.6g})"
        if self.n_starts and self.violation < 0.1:
            text += (
                f"; {self.n_starts} random starts found no violation above {self.violation:.1e}, so one more "
                f"start does with probability at most {min(1.0, 3 / self.n_starts):.1%} (95 % confidence)"
            )
        return text


def lower_bound(problem: TrainingProblem, v: Array, bound: float) -> float:
    """Best ``−F*(−tv)`` over ``t ∈ [0, alpha/M̂]``, rounded down.

    Parameters
    ----------
    problem : TrainingProblem
        Without weightless samples (see :meth:`~convexrelu.problem.TrainingProblem.condensed`).
    v : array of shape (n,) or (n, K)
        Dual point of :meth:`~convexrelu.problem.TrainingProblem.dual_point` or
        :meth:`~convexrelu.problem.TrainingProblem.feasible`: with an intercept its sum is zero, not only to rounding.
    bound : float
        ``M̂``. If it is at least ``M(v)`` the result is a lower bound on the optimum. Where it is not finite,
        the result is the dual value at ``t = 0``.
    """
    with np.errstate(over="ignore"):
        # Every product of a pricing is below this: if it is finite, none of them has overflowed.
        largest_product = np.square(lipschitz_constant(problem.design, v))
    if not (math.isfinite(bound) and math.isfinite(largest_product)):
        return problem.dual(np.zeros_like(v))  # t = 0, which needs no bound
    largest = problem.alpha / bound if bound > problem.alpha * 1e-9 else 1e9
    # One rounding of the quotient must not make the point infeasible.
    largest *= 1 - 4 * float(np.finfo(np.float64).eps)
    return problem.dual(best_scale(problem, v, largest) * v)


def best_scale(problem: TrainingProblem, v: Array, largest: float) -> float:
    """The ``t`` in ``[0, largest]`` with the best ``−F*(−tv)``."""
    largest = _largest_in_domain(problem, v, largest)
    unit = abs(problem.dual(largest * v)) or 1.0  # SciPy multiplies values, which must not overflow
    inside = minimize_scalar(
        lambda t: -problem.dual(t * v) / unit,
        bounds=(0.0, largest),
        method="bounded",
        options={"xatol": 1e-12 * largest},
    ).x
    return max(
        (float(t) for t in (0.0, inside, largest, min(largest, 1.0))),
        key=lambda t: problem.dual(t * v),
    )


def _largest_in_domain(problem: TrainingProblem, v: Array, largest: float) -> float:
    """The largest ``t`` up to `largest` with ``tv`` in the domain of the dual; at least ``min(1, largest)``."""
    if math.isfinite(problem.dual(largest * v)):
        return largest
    inside, outside = min(1.0, largest), largest
    for _ in range(_BISECTIONS):
        middle = math.sqrt(inside * outside)
        if math.isfinite(problem.dual(middle * v)):
            inside = middle
        else:
            outside = middle
    return inside


def certificate_of(
    problem: TrainingProblem, objective: float, v: Array, report: OracleReport
) -> Certificate:
    """Certificate from an objective, a dual point and an oracle's report on it.

    Parameters
    ----------
    problem : TrainingProblem
        Without weightless samples.
    objective : float
        Primal objective of the point that is certified.
    v : array of shape (n,)
        Dual point, normally ``problem.dual_point(outputs)``.
    report : OracleReport
        Bound on ``M(v)``.

    Notes
    -----
    A searched report is accompanied by the closed-form relaxation: where that gives the same
    bound, the result is a proof after all (the zero network at large `alpha`).
    """
    bound = lower_bound(problem, v, report.bound)
    violation = max(float(report.bound) / problem.alpha - 1.0, 0.0)
    if report.is_proof:
        proved = bound if report.scope == "global" else 0.0
        return Certificate(
            objective, bound, report.scope, report.method, True, proved, 0, violation
        )
    relaxed = relaxation_for(problem)(v)
    closed = lower_bound(problem, v, relaxed.bound)
    if closed >= bound - 1e-9 * abs(bound):
        return Certificate(objective, closed, "global", relaxed.method, True, closed, 0, violation)
    proved = max(closed, lower_bound(problem, v, report.proved_bound))
    return Certificate(
        objective, bound, report.scope, report.method, False, proved, report.n_starts, violation
    )


def price(
    problem: TrainingProblem,
    network: TwoLayerNetwork,
    oracle: Oracle,
    v: Array,
    *,
    level: float = 0.0,
    deadline: float = math.inf,
) -> OracleReport:
    """Ask an oracle about a dual point, for the certificate of a network.

    Where the oracle searches, the network's own neurons are among its directions: with them no estimate can be
    above the objective of the network (weak duality over these neurons). A search that had no time is worth less
    than a relaxation, which takes none.

    Parameters
    ----------
    problem : TrainingProblem
        Without weightless samples.
    network : TwoLayerNetwork
    oracle : Oracle
    v : array of shape (n,)
    level, deadline : float
        As for :class:`~convexrelu.oracles.Oracle`.
    """
    report = oracle(v, level=level, deadline=deadline)
    if report.is_proof:
        return report
    if not report.finished:
        return replace(relaxation_for(problem)(v), finished=False)
    own = problem.directions(network.prune())
    reached = largest_value(problem.design, v, own, problem.slope)
    if problem.free_bias:
        reached *= free_bias_factor(problem.design)
    return replace(report, bound=max(report.bound, reached))


def price_and_certify(
    problem: TrainingProblem,
    network: TwoLayerNetwork,
    oracle: Oracle,
    v: Array | None = None,
) -> tuple[Certificate, OracleReport]:
    """Certificate of a network, at the dual point of its own outputs or a better one.

    A bound is valid at any dual point. A programme's solution gives a sharper one than the network
    recovered from it, in which blocks that are almost zero are left out.
    """
    v = problem.dual_point(network.predict(problem.X)) if v is None else v
    report = price(problem, network, oracle, v)
    return certificate_of(problem, problem.objective(network), v, report), report


def level_for(problem: TrainingProblem, v: Array, wanted: float) -> float:
    """Largest ``M̂`` with which ``v`` gives a lower bound of `wanted`; 0 where none does, infinity where all do.

    The question that a proof has to answer: is ``M(v)`` at most this?
    """
    if wanted <= problem.dual(np.zeros_like(v)):
        return math.inf
    span = 1.0
    while problem.dual(2 * span * v) > problem.dual(span * v) and span < 1e9:
        span *= 2
    top = best_scale(problem, v, 2 * span)
    if problem.dual(top * v) <= wanted:
        return 0.0
    part = float(brentq(lambda t: problem.dual(t * top * v) - wanted, 0.0, 1.0))
    return problem.alpha / (part * top) if part > 0 else math.inf
