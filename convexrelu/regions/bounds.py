r"""Upper bounds on the number of linear regions of any network with given widths.

**Framework** (Hinz & van de Geer 2019). A layer of ``m`` ReLU units that sees a region of its inputs of dimension ``d``
cuts it into at most ``r`` pieces; where ``i`` units are active, the image of a piece has at most dimension ``min(d,
i)``. Let ``h_{d,m}``, a *histogram*, bound the number of pieces by active units: for every ``k``, no layer has more
pieces with at least ``k`` active units than ``Σ_{i≥k} h_{d,m}(i)``. The matrix ``B_m`` maps ``e_d`` to this histogram
with all entries above ``d`` added to that at ``d``. Then no network has more regions than::

    ‖B_{n_L} ⋯ B_{n_1} e_{n_0}‖₁

**Histograms**, as polynomials ``Σ_i h(i) x^i``, for ``d < m``; for ``d ≥ m`` read ``d = m``:

* ``"naive"``: ``2^m x^m``;
* ``"montufar"`` (Montúfar 2017): ``Σ_{j≤d} C(m, j) x^m``, as many pieces as hyperplanes in general position have cells;
* ``"serra"`` (Serra, Tjandraatmadja & Ramalingam 2018): ``Σ_{j≤d} C(m, j) x^{m−j}``;
* ``"hinz"`` (Hinz 2021): the recursion ``h_{d,m} = x h_{d,m−1} + h_{d−1,m−1}``, which deletes one unit and restricts
  to its hyperplane. Serra's bound begins it at ``d = 0``, with ``x^m``. This one begins at ``d = 2``, where at most
  ``1 + jm`` cells have at most ``j < m/2`` inactive units; for ``d = 1`` these are at most ``1 + 2j`` cells.

With one hidden layer all but the first are Zaslavsky's sum, which is attained. No bound falls when a layer is widened
or an input is added, and none is above the one before it in this list.

References
----------
Montúfar 2017, "Notes on the number of linear regions of deep neural networks".

Serra, Tjandraatmadja & Ramalingam 2018, "Bounding and counting linear regions of deep neural networks".

Hinz & van de Geer 2019, "A framework for the construction of upper bounds on the number of affine linear regions of
ReLU feed-forward neural networks".

Hinz 2021, "Using activation histograms to bound the number of affine regions in ReLU feed-forward neural networks".
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import comb
from typing import Any

from convexrelu._utils.arguments import check_choice, shown

__all__ = ["METHODS", "region_bound", "zaslavsky"]

METHODS = ("naive", "montufar", "serra", "hinz")
Histogram = tuple[int, ...]  # number of pieces with 0, 1, …, m active units


def zaslavsky(n_hyperplanes: int, dimension: int) -> int:
    """``Σ_{i≤d} C(m, i)``: cells of `n_hyperplanes` in general position, and the most that any have."""
    return sum(comb(n_hyperplanes, i) for i in range(min(n_hyperplanes, dimension) + 1))


def region_bound(widths: Sequence[int], method: str = "hinz") -> int:
    """Upper bound on the number of linear regions of any ReLU network with these widths, as an exact integer.

    Parameters
    ----------
    widths : sequence of int
        Number of inputs, then the width of every hidden layer, ``[n_0, n_1, …, n_L]``. The output layer does not count,
        as it has no activation. :func:`~convexrelu.regions.widths_of` reads them from a network.
    method : {"hinz", "serra", "montufar", "naive"}
        From the tightest to the loosest. "naive" and "montufar" also hold for leaky ReLU units and absolute values;
        the others hold for ReLU only, whose inactive units are constant.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If `widths` are not at least two positive integers, or `method` is not known.

    Examples
    --------
    >>> from convexrelu.regions import region_bound
    >>> [region_bound([2, 4, 4], method) for method in ("naive", "montufar", "serra", "hinz")]
    [256, 121, 121, 109]
    >>> region_bound([2, 100])  # attained by one hidden layer
    5051
    """
    check_choice("method", method, METHODS)
    sizes = _checked_widths(widths)
    regions = {sizes[0]: 1}  # number of regions by the dimension of their images
    for width in sizes[1:]:
        histograms = _histograms(method, max(regions), width)
        found: dict[int, int] = {}
        for dimension, count in regions.items():
            for active, pieces in enumerate(histograms[min(dimension, width)]):
                if pieces:
                    image = min(active, dimension)
                    found[image] = found.get(image, 0) + count * pieces
        regions = found
    return sum(regions.values())


def _checked_widths(widths: Any) -> list[int]:
    try:
        sizes = [operator.index(width) for width in widths]
    except TypeError as error:
        raise ValueError(
            f"widths={shown(widths)} is not a sequence of integers [inputs, hidden, ...]"
        ) from error
    if len(sizes) < 2 or min(sizes) < 1 or any(isinstance(width, bool) for width in widths):
        raise ValueError(
            f"widths={shown(widths)} are not at least two positive integers [inputs, hidden, ...]"
        )
    return sizes


def _histograms(method: str, most: int, m: int) -> list[Histogram]:
    """Pieces of a layer of `m` units by active units, for input regions of dimensions ``0, …, min(most, m)``."""
    dimensions = range(min(most, m) + 1)
    if method == "naive":
        return [(*(0,) * m, 2**m) for _ in dimensions]
    if method == "montufar":
        return [(*(0,) * m, zaslavsky(m, d)) for d in dimensions]
    by_active = [comb(m, i) for i in range(m + 1)]
    if method == "serra":
        return [(*(0,) * (m - d), *by_active[m - d :]) for d in dimensions]
    return _hinz(len(dimensions) - 1, m)


def _hinz(most: int, m: int) -> list[Histogram]:
    """All ``h_{d,m}`` with ``d ≤ most``: polynomials are packed into integers: their values at ``x = 2^bits``."""
    bits = m + 1
    rows = [1]  # of width 0
    for width in range(1, m + 1):
        rows = [_next(rows, d, width, bits) for d in range(min(most, width) + 1)]
    lowest = (1 << bits) - 1
    return [tuple(row >> i * bits & lowest for i in range(m + 1)) for row in rows]


def _next(rows: list[int], d: int, width: int, bits: int) -> int:
    """``h_{d,width}`` from all ``h_{·,width−1}``; a shift multiplies by ``x``."""
    if d == width:
        return rows[-1] + (rows[-1] << bits)
    if d <= 2:
        return sum(count << i * bits for i, count in enumerate(_by_inactive(d, width)) if count)
    return (rows[d] << bits) + rows[d - 1]


def _by_inactive(d: int, m: int) -> Histogram:
    """One cell with all units active, and 2 or `m` more with each further inactive one, until all are placed."""
    left, step = zaslavsky(m, d) - 1, (1, 2, m)[d]
    counts = [1]
    while left > 0:
        counts.append(min(step, left))
        left -= counts[-1]
    return (*(0,) * (m + 1 - len(counts)), *reversed(counts))
