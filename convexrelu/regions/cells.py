"""Lists of linear regions of small two-layer networks, each with its affine piece."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.arguments import check_number
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.regions.arrangement import distinct_rows, meets_in
from convexrelu.regions.counting import box_of, checked_box
from convexrelu.regions.domains import (
    DomainOfPoints,
    Everywhere,
    Point,
    Row,
    pivot_of,
    primitive,
    restricted,
    value,
)
from convexrelu.regions.hyperplanes import TOL, Hyperplanes, as_two_layer, checked_tol

__all__ = ["Region", "list_regions"]

Signs = tuple[int, ...]
Cells = dict[Signs, Point]  # signs of the rows and a point inside


@dataclass(frozen=True, eq=False)
class Region:
    """A linear region of a two-layer network, ``{x : A x ≤ b}``, on which it is ``slope x + intercept``.

    Attributes
    ----------
    signs : array of shape (m,)
        1 for neurons that are active on it, −1 for those that are not, 0 for neurons that are zero everywhere. With
        ``of="function"``, of the neurons that make no boundary, at the point.
    point : array of shape (d,)
        A point inside, rounded: in regions as narrow as rounding errors it may be outside.
    slope : array of shape (K, d)
    intercept : array of shape (K,)
    A, b : arrays of shape (q, d) and (q,)
        One inequality for each neighbour across a hyperplane, and no redundant ones; in a box, those for neighbours
        within it, then those of the box.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import list_regions
    >>> regions = list_regions(TwoLayerNetwork([[1.0]], [0.0], [[2.0]], [0.5]))
    >>> [(region.slope.item(), region.intercept.item()) for region in regions]
    [(2.0, 0.5), (0.0, 0.5)]
    """

    signs: NDArray[np.int8]
    point: Array
    slope: Array
    intercept: Array
    A: Array
    b: Array


def list_regions(
    network: Any,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    *,
    of: str = "neurons",
    tol: float = TOL,
    max_regions: int = 10_000,
) -> list[Region]:
    """All linear regions of a two-layer network, or those that meet the interior of a box.

    Hyperplanes are inserted one after the other. The cells that a new one cuts in two are those that the earlier ones
    cut on it, see :mod:`convexrelu.regions.arrangement`; a point on it, moved to either side, is in each half.
    All computations are in integers.

    Parameters
    ----------
    network : TwoLayerNetwork
        Or what :func:`~convexrelu.regions.count_regions` takes, but for networks of gates.
    lower, upper : arrays of shape (d,), optional
        A box; give both or neither.
    of, tol
        As for :func:`~convexrelu.regions.count_regions`.
    max_regions : int
        Largest number of regions; more raise a ValueError.

    Returns
    -------
    list of Region

    Raises
    ------
    ValueError
        If there are more than `max_regions`, or an argument is wrong.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import list_regions
    >>> network = TwoLayerNetwork([[1.0, 1.0], [1.0, -1.0]], [0.0, 0.0], [[1.0, 2.0]], [0.5])
    >>> for region in list_regions(network, [-1.0, -1.0], [1.0, 1.0]):
    ...     print(region.signs, region.slope, region.intercept)
    [1 1] [[ 3. -1.]] [0.5]
    [ 1 -1] [[1. 1.]] [0.5]
    [-1  1] [[ 2. -2.]] [0.5]
    [-1 -1] [[0. 0.]] [0.5]
    """
    network = as_two_layer(network)
    check_number("max_regions", max_regions, numbers.Integral, 1)
    tol = checked_tol(tol)
    every = Hyperplanes.of(network, tol=tol)
    planes = Hyperplanes.of(network, of=of, tol=tol)
    domain: DomainOfPoints = Everywhere()
    faces = np.zeros((0, network.n_features)), np.zeros(0)
    if lower is not None or upper is not None:
        if lower is None or upper is None:
            raise ValueError("lower and upper are given together or not at all")
        low, high = checked_box(lower, upper, network.n_features)
        domain = box_of(planes, low, high)
        identity = np.eye(network.n_features)
        faces = np.vstack([identity, -identity]), np.append(high, -low)
    cells = _Cells(tol, max_regions).of(planes.rows, domain, planes.n_features)
    regions = [_region(network, every, planes, signs, cells, faces) for signs in cells]
    return sorted(regions, key=lambda region: tuple(-region.signs))


def _region(
    network: TwoLayerNetwork,
    every: Hyperplanes,
    planes: Hyperplanes,
    signs: Signs,
    cells: Cells,
    faces: tuple[Array, Array],
) -> Region:
    """A cell as a region: a hyperplane bounds it iff there is a cell across it."""
    across = [
        index
        for index, sign in enumerate(signs)
        if (*signs[:index], -sign, *signs[index + 1 :]) in cells
    ]
    sides = np.array(signs, dtype=np.float64)[across]
    *x, t = cells[signs]
    point = [
        float(Fraction(entry, t) * power) for entry, power in zip(x, planes.powers(), strict=True)
    ]
    active = _neuron_signs(every, planes, network.hidden_bias, signs, np.array(point))
    factors = np.where(active > 0, 1.0, network.negative_slope)
    slope = (network.output_weights * factors) @ network.hidden_weights
    intercept = (network.output_weights * factors) @ network.hidden_bias + network.output_bias
    if network.skip_weights is not None:
        slope = slope + network.skip_weights
    return Region(
        signs=active,
        point=np.array(point),
        slope=slope,
        intercept=intercept,
        A=np.vstack([-sides[:, None] * planes.weights[across], faces[0]]),
        b=np.append(sides * planes.bias[across], faces[1]),
    )


def _neuron_signs(
    every: Hyperplanes, planes: Hyperplanes, bias: Array, signs: Signs, point: Array
) -> NDArray[np.int8]:
    """Signs of all neurons.

    Those without a hyperplane in the list have the side of the point. All neurons of one are on the same side of it,
    also where the point is on it: their jumps cancel, so that both sides have the same affine piece.
    """
    found = np.sign(bias).astype(np.int8)
    sides = np.where(every.weights @ point + every.bias >= 0, 1, -1)
    for one, of_planes in ((every, sides), (planes, np.array(signs, dtype=np.int64))):
        known = one.neurons >= 0
        found[known] = of_planes[one.neurons[known]] * one.signs[known]
    return found


class _Cells:
    """Cells of arrangements, by their signs."""

    def __init__(self, tol: float, most: int) -> None:
        self.tol, self.most = tol, most

    def of(self, rows: list[Row], domain: DomainOfPoints, dimension: int) -> Cells:
        """Cells of distinct hyperplanes, some of which may not meet the domain."""
        cells: Cells = {(): domain.centre(dimension)}
        for j, row in enumerate(rows):
            cut = self._cut(rows[:j], row, domain, dimension)
            found: Cells = {}
            for signs, point in cells.items():
                if signs not in cut:
                    found[*signs, 1 if value(row, point) > 0 else -1] = point
                    continue
                for side in (1, -1):
                    found[*signs, side] = _beside(cut[signs], row, side, rows[:j], domain)
            cells = found
            if len(cells) > self.most:
                raise ValueError(
                    f"network has more than max_regions={self.most} linear regions; "
                    "count_regions only counts them"
                )
        return cells

    def _cut(self, earlier: list[Row], row: Row, domain: DomainOfPoints, dimension: int) -> Cells:
        """Cells of the earlier hyperplanes that a new one cuts, with points on it."""
        if not meets_in(row, domain, self.tol):
            return {}
        pivot = pivot_of(row)
        if dimension == 1:
            return self._at_point(earlier, row)
        traces = [restricted(other, row, pivot) for other in earlier]
        section = domain.section(row)
        crossing = [i for i, trace in enumerate(traces) if meets_in(trace, section, self.tol)]
        groups = distinct_rows([traces[i] for i in crossing], self.tol) if crossing else []
        leaders = sorted({leader for leader, _ in groups})
        cells = self.of([traces[crossing[i]] for i in leaders], section, dimension - 1)
        somewhere = section.centre(dimension - 1)
        fixed = [1 if value(trace, somewhere) > 0 else -1 for trace in traces]
        found = {}
        for signs, point in cells.items():
            place = dict(zip(leaders, signs, strict=True))
            whole = list(fixed)
            for i, (leader, sign) in zip(crossing, groups, strict=True):
                whole[i] = place[leader] * sign
            found[tuple(whole)] = _lifted(point, row, pivot)
        return found

    def _at_point(self, earlier: list[Row], row: Row) -> Cells:
        """On a line a hyperplane is a point, in one cell of the others."""
        slope, offset = row
        point = (-offset, slope) if slope > 0 else (offset, -slope)
        return {tuple(1 if value(other, point) > 0 else -1 for other in earlier): point}


def _lifted(point: Point, row: Row, pivot: int) -> Point:
    """A point of a section in all coordinates: ``w·x + b = 0`` gives the pivot's."""
    weight = row[pivot]
    others = (*row[:pivot], *row[pivot + 1 :])
    entry, scale = -value(others, point), abs(weight)
    scaled = [x * scale for x in point]
    scaled.insert(pivot, entry if weight > 0 else -entry)
    return primitive(scaled)


def _beside(point: Point, row: Row, side: int, others: list[Row], domain: DomainOfPoints) -> Point:
    """A point near one on a hyperplane, on the given side of it, and on the same sides of the others."""
    pivot = pivot_of(row)
    step = Fraction(1)
    for other in others:
        if other[pivot]:
            step = min(step, Fraction(abs(value(other, point)), 2 * point[-1] * abs(other[pivot])))
    # The power of two below it keeps the numbers short.
    shift = step.denominator.bit_length() - step.numerator.bit_length() + 1
    direction = side if row[pivot] > 0 else -side
    while True:
        moved = [x << shift for x in point]
        moved[pivot] += direction * point[-1]
        found = primitive(moved)
        if domain.contains(found):
            return found
        shift += 1
