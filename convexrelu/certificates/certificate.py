"""Certificates: the only place that turns a primal point and a bound on ``M(v)`` into a duality gap.

At any primal point take ``v = −∇F(f)``, with sum zero where there is an intercept. For ANY ``M̂ ≥
M(v)`` every ``t ∈ [0, alpha/M̂]`` makes ``tv`` dual feasible, so ``−F*(−tv)`` is a lower bound on
the optimum; the best ``t`` is used. Whether the bound is a proof depends on the source of ``M̂``:
see :mod:`convexrelu.oracles`. :mod:`convexrelu.certificates.rational` does the same without rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

from convexrelu.certificates.html import certificate_html
from convexrelu.certificates.words import details, headline

__all__ = ["PROVED_SCOPES", "Certificate"]

# Scopes of `proved_lower_bound`: all networks, and those of a class. Patterns of a program are less.
PROVED_SCOPES = ("global", "monotone", "positive", "monotone_positive", "output_constraints")


@dataclass(frozen=True)
class Certificate:
    """Distance of an objective from the optimum, and the evidence for it.

    Printed, it begins with the relative gap in percent of the objective, rounded up. It speaks of the global optimum,
    and of a proof, only where `is_proof` is true and the relative gap is at most 1 %. Notebooks show a bar as well.

    Attributes
    ----------
    objective : float
        Regularised loss of the network, ``F(f) + (alpha/2) Σ_j (‖w̃_j‖² + ‖a_j‖²)``.
    lower_bound : float
        Lower bound on the optimum if `is_proof`, an estimate of one otherwise.
    scope : str
        ``"global"``: the optimum over all networks; ``"program"``: over networks with the program's patterns;
        ``"monotone"``, ``"positive"`` and ``"monotone_positive"``: over networks whose neurons keep the signs of
        `monotonic_cst`, that have non-negative outer weights, or both; ``"output_constraints"``: over networks whose
        outputs meet the constraints.
    method : str
        Oracle behind the bound: ``"sweep"``, ``"cells"``, ``"branch_and_bound"``, ``"affine"``, ``"semidefinite"``,
        ``"relaxation"``, ``"whitened"``, ``"spike_free"``, ``"search"``; ``"patterns"`` or ``"gates"`` for a program.
    is_proof : bool
        Whether `lower_bound` is proved. False for a bound from a search.
    proved_lower_bound : float
        Proved lower bound on the global optimum, or on that of a monotone or positive class, even where `lower_bound`
        is an estimate; often loose, 0 if unknown.
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
    within 0.1 % of the global optimum (proved by cells): objective 2, lower bound 1.998
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
        return _relative(self.gap, self.objective)

    @property
    def proved_gap(self) -> float:
        """``(objective − proved_lower_bound) / |objective|``, or zero if that is negative."""
        return _relative(self.objective - self.proved_lower_bound, self.objective)

    def strengthened(self, proved: float) -> Self:
        """The same with another proved bound on the optimum over all networks, or over the class, if that is larger."""
        if proved <= self.proved_lower_bound:
            return self
        lower = self.lower_bound
        if self.scope in PROVED_SCOPES:  # no estimate is below what is proved
            lower = max(lower, proved)
        return replace(self, lower_bound=lower, proved_lower_bound=proved)

    def or_proof(self, proof: Self) -> Self:
        """The same with the bound of another certificate, where that proves as much as this one says, or more.

        Parameters
        ----------
        proof : Certificate
            For the same problem; its objective, of another network, does not matter.

        Examples
        --------
        >>> estimate = Certificate(1.0, 0.8, "global", "search", False, 0.1)
        >>> proof = Certificate(1.5, 0.9, "global", "relaxation", True, 0.9)
        >>> print(estimate.or_proof(proof))
        short of a proof: the bound allows 10 % (by relaxation): objective 1, lower bound 0.9
        >>> estimate.or_proof(Certificate(1.5, 0.7, "global", "relaxation", True, 0.7)).proved_lower_bound
        0.7
        """
        proves = proof.is_proof and proof.scope in PROVED_SCOPES
        if proves and proof.lower_bound >= self.lower_bound:
            return replace(proof, objective=self.objective)
        return self.strengthened(proof.proved_lower_bound)

    def __str__(self) -> str:
        return f"{headline(self)}: {details(self)}"

    def _repr_html_(self) -> str:
        """HTML for notebooks: the sentence, and a bar of objective and bounds."""
        return certificate_html(self)


def _relative(gap: float, objective: float) -> float:
    if gap <= 0:
        return 0.0
    return gap / abs(objective) if objective else math.inf
