"""Certificates: the only place that turns a primal point and a bound on ``M(v)`` into a duality gap.

At any primal point take ``v = −∇F(f)``, with sum zero where there is an intercept. For ANY ``M̂ ≥
M(v)`` every ``t ∈ [0, alpha/M̂]`` makes ``tv`` dual feasible, so ``−F*(−tv)`` is a lower bound on
the optimum; the best ``t`` is used. Whether the bound is a proof depends on the source of ``M̂``:
see :mod:`convexrelu.oracles`. :mod:`convexrelu.certificates.rational` does the same without rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

__all__ = ["Certificate"]


@dataclass(frozen=True)
class Certificate:
    """Distance of an objective from the optimum, and the evidence for it.

    Attributes
    ----------
    objective : float
        Regularised loss of the network, ``F(f) + (alpha/2) Σ_j (‖w̃_j‖² + ‖a_j‖²)``.
    lower_bound : float
        Lower bound on the optimum if `is_proof`, an estimate of one otherwise.
    scope : str
        ``"global"``: the optimum over all networks; ``"program"``: over networks with the
        program's patterns.
    method : str
        Oracle behind the bound: ``"sweep"``, ``"cells"``, ``"branch_and_bound"``, ``"semidefinite"``,
        ``"relaxation"``, ``"whitened"``, ``"spike_free"``, ``"search"``; ``"patterns"`` or ``"gates"`` for a program.
    is_proof : bool
        Whether `lower_bound` is proved. False for a bound from a search.
    proved_lower_bound : float
        Proved lower bound on the global optimum, even where `lower_bound` is an estimate; often
        loose, 0 if unknown.
    n_starts : int
        Independent random starts of the search behind the bound, 0 without a search.
    violation : float
        ``M̂/alpha − 1``, by how much the dual point violates the constraint; 0 where it does not.
    arithmetic : str
        ``"float64"``: proofs allow for rounding; ``"rational"``: no rounding occurred.

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
        """``objective − lower_bound``, or zero if that is negative."""
        return max(self.objective - self.lower_bound, 0.0)

    @property
    def relative_gap(self) -> float:
        """``(objective − lower_bound) / |objective|``; 0 where both are zero."""
        return self.gap / abs(self.objective) if self.gap > 0 else 0.0

    def strengthened(self, proved: float) -> Self:
        """The same with another proved bound on the global optimum, if that is larger."""
        if proved <= self.proved_lower_bound:
            return self
        lower = self.lower_bound
        if self.is_proof and self.scope == "global":
            lower = max(lower, proved)
        return replace(self, lower_bound=lower, proved_lower_bound=proved)

    def __str__(self) -> str:
        numbers = f"objective {self.objective:.6g}, {{}} {self.lower_bound:.6g}, relative gap {self.relative_gap:.1e}"
        if not self.is_proof:
            return self._estimate(numbers.format("estimated lower bound"))
        of = (
            "global optimum"
            if self.scope == "global"
            else "optimum over the program's patterns only"
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
