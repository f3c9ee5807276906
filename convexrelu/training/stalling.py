"""When a gap will not close: the objective has settled, and the bound needs more rounds than there are.

With many classes the objective settles within a few rounds, and the bound needs hundreds. What is left
would be spent on digits that no prediction shows.
"""

from __future__ import annotations

from collections.abc import Sequence

from convexrelu.results.result import Round

__all__ = ["will_not_close"]

# Rounds over which progress is measured, and the drop of the objective in them, as a fraction of tol, below which the
# objective has settled. On digits and on two teachers, gaps that closed later than that closed within five rounds.
_ROUNDS, _DROP = 5, 0.05


def will_not_close(rounds: Sequence[Round], tol: float, max_iter: int | None) -> bool:
    """Whether the objective has settled, and at the present rate the gap is above `tol` when `max_iter` is reached.

    That is, in the last five rounds the objective fell by less than a twentieth of `tol`, and the gap by a factor
    which, continued, does not suffice.

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
    if max_iter is None or len(rounds) <= _ROUNDS + 1:  # the first bound is not from a search
        return False
    before, now = rounds[-1 - _ROUNDS], rounds[-1]
    if before.objective - now.objective >= _DROP * tol * abs(before.objective):
        return False
    if now.relative_gap <= tol or before.relative_gap <= 0:
        return False
    left = max_iter - len(rounds) + 2
    rate = min(now.relative_gap / before.relative_gap, 1.0)
    return now.relative_gap * rate ** (left / _ROUNDS) > tol
