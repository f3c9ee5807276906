"""When a gap will not close: the objective has settled, and the bound needs more rounds than there are.

With many classes the objective settles within a few rounds, and the bound needs hundreds. What is left
would be spent on digits that no prediction shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from convexrelu.results.result import Round

__all__ = ["AFTER_CHOICE", "AFTER_CHOICE_OF_MANY", "PATIENT", "Patience", "will_not_close"]


class Patience(NamedTuple):
    """Rounds over which progress is measured, and the drop of the objective in them below which it has settled."""

    rounds: int
    drop: float  # as a fraction of tol
    far: float = math.inf  # a gap above this multiple of tol is given up, whatever its rate


# On digits and on two teachers, gaps that closed later than that closed within five rounds.
PATIENT = Patience(5, 0.05)
# Where cross-validation chose the penalty, what is left changes predictions far less than the next penalty would.
AFTER_CHOICE = Patience(3, 1.0)
# With so many outputs that gaps hardly ever close, they move less in a round than the last, longest search moves them:
# rates say little.
AFTER_CHOICE_OF_MANY = Patience(1, 1.0, 5.0)


def will_not_close(
    rounds: Sequence[Round], tol: float, max_iter: int | None, patience: Patience = PATIENT
) -> bool:
    """Whether the objective has settled, and at the present rate the gap is above `tol` when `max_iter` is reached.

    That is, in the last rounds the objective fell by less than a fraction of `tol`, by default a twentieth in five
    rounds, and the gap by a factor which, continued, does not suffice; or the gap is far above `tol`, if so much
    patience is not asked for.

    Examples
    --------
    >>> from convexrelu.results import Round
    >>> def entry(gap):
    ...     return Round(0.0, 1.0, 1.0 - gap, gap, False, 1, 1, 1, 0.0, "")
    >>> will_not_close([entry(0.1)] * 8, tol=1e-3, max_iter=30)
    True
    >>> will_not_close([entry(0.1 / 2**k) for k in range(8)], tol=1e-3, max_iter=30)
    False
    """
    if (
        max_iter is None or len(rounds) <= patience.rounds + 1
    ):  # the first bound is not from a search
        return False
    before, now = rounds[-1 - patience.rounds], rounds[-1]
    if before.objective - now.objective >= patience.drop * tol * abs(before.objective):
        return False
    if now.relative_gap <= tol or before.relative_gap <= 0:
        return False
    if now.relative_gap > patience.far * tol:
        return True
    left = max_iter - len(rounds) + 2
    rate = min(now.relative_gap / before.relative_gap, 1.0)
    return now.relative_gap * rate ** (left / patience.rounds) > tol
