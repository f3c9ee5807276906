"""Certificates in words: the gap first, and no claim that the evidence does not carry."""

from __future__ import annotations

import math
from typing import Protocol

__all__ = ["SMALL_GAP", "Evidence", "details", "headline", "is_claim", "percent"]

# Conventions. Up to the first relative gap, a proved bound is printed as a statement about the optimum. Above the
# second, the sentence begins with "far from".
SMALL_GAP, LARGE_GAP = 1e-2, 1e-1
# Rounding in the conversion to percent, which is no reason to round up to the next digit.
_SLACK = 1e-6

# What a certificate of a scope other than "global" compares with.
_COMPETITORS = {
    "program": "the program's patterns",
    "monotone": "networks whose neurons meet the monotonic constraints",
    "positive": "networks with non-negative outer weights",
    "monotone_positive": "networks whose neurons meet the monotonic constraints, with non-negative outer weights",
    "output_constraints": "networks whose outputs meet the constraints",
}


class Evidence(Protocol):
    """The attributes of a :class:`~convexrelu.Certificate` that its words depend on."""

    @property
    def objective(self) -> float:
        """Of the network."""
        ...

    @property
    def lower_bound(self) -> float:
        """Proved or estimated."""
        ...

    @property
    def relative_gap(self) -> float:
        """Relative to the objective."""
        ...

    @property
    def proved_gap(self) -> float:
        """The same to the proved bound."""
        ...

    @property
    def scope(self) -> str:
        """Competitors."""
        ...

    @property
    def method(self) -> str:
        """Source of the bound."""
        ...

    @property
    def is_proof(self) -> bool:
        """Whether the bound is proved."""
        ...

    @property
    def n_starts(self) -> int:
        """Random starts of a search."""
        ...

    @property
    def violation(self) -> float:
        """Of the dual constraint."""
        ...

    @property
    def arithmetic(self) -> str:
        """Of the bound."""
        ...


def percent(gap: float) -> str:
    """A relative gap in percent, rounded up to two digits.

    Examples
    --------
    >>> percent(0.00091), percent(0.961), percent(3.01e-9), percent(0.0)
    ('0.091 %', '97 %', '3.1e-07 %', '0 %')
    """
    value = 100.0 * gap
    if value == 0 or not math.isfinite(value):
        return f"{value:g} %"
    step = 10.0 ** min(math.floor(math.log10(value)) - 1, 0)
    value = max(1, math.ceil(value / step - _SLACK)) * step
    return f"{value:.0f} %" if 10 <= value < 1e6 else f"{value:.2g} %"


def is_claim(certificate: Evidence) -> bool:
    """Whether the gap is proved, and small: a statement about the optimum."""
    return certificate.is_proof and certificate.relative_gap <= SMALL_GAP


def headline(certificate: Evidence) -> str:
    """The gap and the evidence for it.

    Examples
    --------
    >>> from convexrelu import Certificate
    >>> headline(Certificate(1.0, 0.03, "global", "relaxation", True))
    'far from a proof: the bound allows 97 % (by relaxation)'
    """
    gap, evidence = certificate.relative_gap, _evidence(certificate)
    if is_claim(certificate):
        text = f"within {percent(gap)} of the {_competitors(certificate)}"
    elif certificate.is_proof:
        start = "far from a proof" if gap > LARGE_GAP else "short of a proof"
        text = f"{start}: the bound allows {percent(gap)}"
    elif gap > LARGE_GAP:
        text = f"far from the estimated bound: the gap is about {percent(gap)}"
    else:
        text = f"within about {percent(gap)}"
    if certificate.scope != "global" and not is_claim(certificate):
        text += f", among {_among(certificate)} only"
    return f"{text} ({evidence})"


def details(certificate: Evidence) -> str:
    """Objective and bound, and how far random starts support an estimate."""
    kind = "lower bound" if certificate.is_proof else "estimated lower bound"
    text = f"objective {certificate.objective:.6g}, {kind} {certificate.lower_bound:.6g}"
    if certificate.is_proof or not certificate.n_starts or certificate.violation >= 0.1:
        return text
    n = certificate.n_starts
    return (
        f"{text}; {n} random starts found no violation above {certificate.violation:.1e}, so one more start does "
        f"with probability at most {min(1.0, 3 / n):.1%} (95 % confidence)"
    )


def _competitors(certificate: Evidence) -> str:
    if certificate.scope == "global":
        return "global optimum"
    return f"optimum over {_among(certificate)} only"


def _among(certificate: Evidence) -> str:
    """The networks of a scope; those of a custom oracle's are some patterns."""
    return _COMPETITORS.get(certificate.scope, _COMPETITORS["program"])


def _evidence(certificate: Evidence) -> str:
    method = certificate.method.replace("_", " ")
    verified = ", verified in rational arithmetic" if certificate.arithmetic == "rational" else ""
    if is_claim(certificate):
        return f"proved by {method}{verified}"
    if certificate.is_proof:
        return f"by {method}{verified}"
    allowed = certificate.proved_gap
    proved = f"proved: within {percent(allowed)}" if allowed < 1 else "nothing is proved"
    return f"estimated by {method}; {proved}"
