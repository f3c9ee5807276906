"""Local maxima of ``h(u) = vᵀ relu(X̃u)`` by moving from cell to cell, one candidate at a time, in numpy."""

from __future__ import annotations

import math
import time

import numpy as np

from convexrelu._utils.typing import Array, Masks
from convexrelu.patterns.cone_support import PatternCones

__all__ = ["MARGIN", "RISE", "climb_alone"]


RISE = 1e-12  # smaller relative rises of the value do not count
MARGIN = 1e-9  # a facet blocks the ascent if its multiplier exceeds the kink by this


def climb_alone(
    cones: PatternCones,
    design: Array,
    v: Array,
    mask: Masks,
    deadline: float = math.inf,
    tilt: Array | float = 0.0,
) -> tuple[Masks, Array]:
    """Hop from cell to cell until the maximum over the cell is a local maximum of the function.

    A facet with multiplier ``μ`` is stationary as a kink of the function only if ``v_i < 0`` and ``μ ≤ |v_i|‖x̃_i‖``;
    where the multiplier is larger the function keeps rising on the other side.

    With a `tilt`, of shape (d̃,), the function is ``vᵀ relu(X̃u) + tiltᵀu``.

    Returns
    -------
    mask, projection : arrays of shape (n,) and (d̃,)
        The last cell, and the projection on its cone, whose length is the maximum.
    """
    kinks = (1 + MARGIN) * np.maximum(-v[cones.rows], 0.0) * cones.norms
    value, projection, multipliers = cones.support((mask * v) @ design + tilt, mask)
    while time.perf_counter() <= deadline:
        excess = np.where(multipliers > 0, multipliers - kinks, 0.0)
        blocked = np.flatnonzero(excess > 0)
        if len(blocked) == 0:
            break
        # All blocked facets at once is the long step; the worst one alone always leads upwards.
        for crossed in (blocked, [np.argmax(excess)]):
            trial = mask.copy()
            trial[cones.rows[crossed]] ^= True
            outcome = cones.support((trial * v) @ design + tilt, trial)
            if outcome[0] > value * (1 + RISE):
                break
        else:
            break
        mask, (value, projection, multipliers) = trial, outcome
    return mask, projection
