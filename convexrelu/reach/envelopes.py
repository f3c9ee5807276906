r"""Cuts from the concave envelopes of rectifiers over boxes, sharper than the triangle around their graph.

The triangle knows only an interval of the argument ``z``. Over a box of ``v``, with ``z = w v + p``, let ``s`` be the
corner where ``z`` is least, ``z_s`` its value there and ``γ_i = |w_i| (u_i − l_i)``. For any ``0 ≤ θ ≤ 1``,

.. math::

   \max(z, 0) \le \sum_i θ_i w_i (v_i - s_i) + \max\Bigl(0, \; z_s + \sum_i (1 - θ_i) γ_i \Bigr) ,

because ``z`` and zero are both below the right side: ``w_i (v_i − s_i)`` is between zero and ``γ_i``. The least right
side at a point has ``θ_i = 1`` for the features that are nearest to ``s_i``, and ``θ_i = 0`` for those that are
farthest from it, as the envelope is a Lovász extension (Tjandraatmadja et al. 2020).
"""

from __future__ import annotations

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.reach.rectifiers import EPS

__all__ = ["envelope_cuts"]


def envelope_cuts(
    rows: Array, constants: Array, lower: Array, upper: Array, point: Array
) -> tuple[Array, Array]:
    """``(G, g)`` with ``max(rows v + constants, 0) ≤ G v + g`` in the box, as low as can be at the point.

    Examples
    --------
    >>> import numpy as np
    >>> zero, one = np.zeros(2), np.ones(2)
    >>> envelope_cuts(np.ones((1, 2)), np.array([-1.0]), zero, one, np.array([0.2, 0.9]))[0]   # max(v₁ + v₂ − 1, 0)
    array([[1., 0.]])
    """
    start = np.where(rows > 0, lower, upper)
    width = upper - lower
    gains = np.abs(rows) * width
    far = np.abs(point - start) / np.where(width > 0, width, 1.0)
    order = np.argsort(-far, axis=1, kind="stable")
    least = (rows * start).sum(axis=1) + constants
    sorted_gains = np.take_along_axis(gains, order, axis=1)
    sums = least[:, None] + np.cumsum(sorted_gains, axis=1)
    parts = np.clip(sums / np.where(sorted_gains > 0, sorted_gains, 1.0), 0.0, 1.0)
    theta = np.zeros_like(gains)
    np.put_along_axis(theta, order, parts, axis=1)
    G = theta * rows
    rest = np.maximum(least + ((1 - theta) * gains).sum(axis=1), 0.0)
    reach = np.maximum(np.abs(lower), np.abs(upper))
    rounding = 16 * (len(point) + 4) * EPS * (np.abs(rows) @ reach + np.abs(constants))
    return G, rest - (G * start).sum(axis=1) + rounding
