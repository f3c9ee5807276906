"""How many searches stand behind an estimate."""

from __future__ import annotations

import math

__all__ = ["searches_for"]

# One where tol is this, more in proportion to the cube root of its inverse, up to a limit.
_ONE_SEARCH, _MOST_SEARCHES = 1e-3, 16


def searches_for(tol: float) -> int:
    """Number of searches that find no larger value before a gap within `tol` counts.

    Examples
    --------
    >>> searches_for(1e-2), searches_for(1e-3), searches_for(1e-6), searches_for(0.0)
    (1, 1, 10, 16)
    """
    wanted = (_ONE_SEARCH / tol) ** (1 / 3) if tol > 0 else math.inf
    return math.ceil(min(wanted * (1 - 1e-9), _MOST_SEARCHES))
