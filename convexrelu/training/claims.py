"""What a round may claim of a gap that was estimated, and how many searches that takes.

The search of a round looks for cuts, and is short. Where it finds next to none, the gap seems closed, but the programs
have taken in what that search can see: on autompg with ``alpha = 0.0001``, gaps from 0.0002 to 0.02 of such searches
were 0.06 to 0.1 by longer ones. So a longer one, of exact pricing, follows wherever a gap seems closed. If time cuts
that short, nothing has confirmed the gap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from convexrelu.certificates.certificate import Certificate
from convexrelu.results.result import Round

__all__ = ["n_searches", "unconfirmed"]

# Searches behind an estimate: one where tol is this, more in proportion to the cube root of its inverse, up to a limit.
_ONE_SEARCH, _MOST_SEARCHES = 1e-3, 16


def n_searches(tol: float) -> int:
    """Number of exact pricings that are to find the gap within the tolerance, where these are searches.

    Examples
    --------
    >>> n_searches(1e-3), n_searches(1e-4), n_searches(0.0)
    (1, 3, 16)
    """
    wanted = (_ONE_SEARCH / tol) ** (1 / 3) if tol > 0 else math.inf
    return math.ceil(min(wanted * (1 - 1e-9), _MOST_SEARCHES))


def unconfirmed(found: Certificate, history: Sequence[Round], tol: float) -> Certificate:
    """An estimate that claims no more than the last round without a closed gap did, or than is proved.

    Parameters
    ----------
    found : Certificate
        By a search whose confirmation was cut short.
    history : sequence of Round
        All rounds until now. Those within `tol` are left out: nothing has confirmed them, either.
    tol : float
        Relative gap at which training counts as converged.

    Examples
    --------
    >>> found = Certificate(1.0, 0.9998, "global", "search", False, 0.2)
    >>> before = Round(0.1, 1.1, 0.95, 0.14, False, 3, 3, 2, 0.0, "")
    >>> unconfirmed(found, [before], tol=1e-3).lower_bound, unconfirmed(found, [], tol=1e-3).lower_bound
    (0.95, 0.2)
    """
    open_ones = (entry.lower_bound for entry in reversed(history) if entry.relative_gap > tol)
    lower = max(min(found.lower_bound, next(open_ones, 0.0)), found.proved_lower_bound)
    return replace(found, lower_bound=lower)
