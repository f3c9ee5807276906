"""Trees of boxes that prove ``M(v) ≤ bound``, as the records of a proof file.

The derivation is that of :mod:`convexrelu.oracles.bounds.corner_bound`, and the format is described in
``docs/proofs.rst``. Floating point proposes slopes and unit vectors; they are rounded to a few bits, and what is
written has been checked in integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.certificates.exact_boxes import CORNER_BITS, ExactBoxes, Open
from convexrelu.oracles.bounds.boxes import Boxes
from convexrelu.oracles.bounds.corner_bound import ABOVE, CornerBound

__all__ = ["Refuted", "TooManyBoxes", "Tree", "proof_tree"]

_BASIS_BITS = 18
_ENTRIES = 2**22  # of the tables of boxes that are bounded at a time
_MOST_AT_ONCE = 256
_SHRINKAGE = 0.2  # of the logarithm of the volume, from which on a box is cut, not halved
_PARTS = 256  # strips that are cut off are multiples of this part of a side
_LEAF, _CUT = 252, 254  # first byte of the records with slopes of one byte; one more with two


class Refuted(Exception):
    """``M(v)`` is above the bound, at least `ratio` times it."""

    def __init__(self, ratio: float) -> None:
        super().__init__(ratio)
        self.ratio = ratio


class TooManyBoxes(Exception):
    """No proof with as many boxes as are allowed."""


class Tree(NamedTuple):
    """A proof of ``M(v) ≤ bound``."""

    basis: list[list[int]]
    bits: int
    records: bytes
    n_boxes: int


class _Node:
    """A box with its record, and those that follow from it."""

    __slots__ = ("children", "record")

    def __init__(self) -> None:
        self.record = b""
        self.children: list[_Node] = []


def proof_tree(rows: Any, v: Any, bound: Fraction, *, max_boxes: int) -> Tree:
    """Prove ``M(v) = max_{‖u‖ ≤ 1} |vᵀ relu(X̃u)| ≤ bound``.

    Parameters
    ----------
    rows : array of shape (n, d̃)
        Fractions, the ``x̃_i``.
    v : array of shape (n,)
        Fractions.
    bound : Fraction
        Positive.
    max_boxes : int
        Number of boxes after which to give up.

    Raises
    ------
    Refuted
        Where a point with a larger value was found.
    TooManyBoxes
        Where `max_boxes` are not enough.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.oracles.bounds.rational import fractions
    >>> rows, v = fractions(np.eye(2)), fractions(np.array([3.0, 4.0]))  # M(v) = 5
    >>> proof_tree(rows, v, Fraction(5001, 1000), max_boxes=1000).n_boxes > 8
    True
    >>> proof_tree(rows, v, Fraction(4999, 1000), max_boxes=1000)
    Traceback (most recent call last):
    convexrelu.certificates.proof_tree.Refuted: 1.0002...
    """
    rows, v = _joined(rows, v)
    basis = _basis(rows, v)
    exact = ExactBoxes(rows, v, bound, basis)
    records, n_boxes = [], 0
    for sign in (1, -1):
        grown = _Cover(exact.with_sign(sign), max_boxes - n_boxes)
        grown.grow()
        records.extend(grown.records())
        n_boxes += grown.n_boxes
    return Tree(basis.tolist(), CORNER_BITS, b"".join(records), n_boxes)


def _joined(rows: Any, v: Any) -> tuple[Any, Any]:
    """Distinct rows, and the sums of ``v`` on them."""
    joined: dict[tuple[Fraction, ...], Fraction] = {}
    for row, value in zip(map(tuple, rows), v, strict=True):
        joined[row] = joined.get(row, Fraction(0)) + value
    return np.array(list(joined), dtype=object), np.array(list(joined.values()), dtype=object)


def _basis(rows: Any, v: Any) -> Any:
    """Principal axes of ``Σ |v_i| x̃_i x̃_iᵀ`` as columns, in multiples of ``2^-18``: nearly orthogonal."""
    weighted = abs(rows) * abs(v)[:, None]
    size, largest = weighted.max() or 1, abs(rows).max() or 1
    left = (rows * abs(v)[:, None] / size).astype(np.float64)
    axes = np.linalg.eigh(left.T @ (rows / largest).astype(np.float64))[1]
    return np.rint(axes * 2.0**_BASIS_BITS).astype(np.int64).astype(object)


class _Cover:
    """Boxes on the faces of the cube on which to prove ``vᵀ relu(X̃u) ≤ bound ‖u‖``."""

    def __init__(self, exact: ExactBoxes, max_boxes: int) -> None:
        self.exact = exact
        self.max_boxes = max_boxes
        self.n_boxes = 0
        rank = exact.rank
        rows, v, self._target = exact.in_floats()
        self._down = v < 0
        self._bound = CornerBound(rows, v, n_free=rank, clips=False)
        boxes = Boxes.of_cube(rank, np.inf)
        faces = [k + side * rank for k in range(rank) for side in (0, 1)]
        self._roots = [_Node() for _ in faces]
        ends = np.ldexp(boxes.lower[faces], CORNER_BITS), np.ldexp(boxes.upper[faces], CORNER_BITS)
        ints = [end.astype(np.int64).astype(object) for end in ends]
        self._open = list(zip(self._roots, *ints, strict=True))
        entries = max(1, len(v)) * 2**rank
        self._at_once = min(_MOST_AT_ONCE, max(1, _ENTRIES // entries))

    def grow(self) -> None:
        """Examine boxes, the last ones first, until all are closed."""
        while self._open:
            taken = self._open[-self._at_once :]
            del self._open[-self._at_once :]
            self.n_boxes += len(taken)
            if self.n_boxes > self.max_boxes:
                raise TooManyBoxes
            nodes, lower, upper = zip(*taken, strict=True)
            boxes = _floats(lower, upper)
            with np.errstate(all="ignore"):
                found = self._bound.examine(boxes, self._target)
            if found.value > ABOVE * self._target:
                raise Refuted(found.value / self._target)
            slopes = np.zeros((len(nodes), len(self._down)))
            slopes[:, self._down] = found.slopes
            order = np.argsort(-found.errors, axis=1, kind="stable")
            inside = self.exact.open_boxes(lower, upper, boxes)
            for k, node in enumerate(nodes):
                self._close(node, inside[k], slopes[k], found.units[k], order[k])

    def _close(self, node: _Node, box: Open, slopes: Array, unit: Array, order: Any) -> None:
        """Write the record of a box, and put what it leaves open on the list."""
        tables = []
        convex = self.exact.convex_table(box)
        for size in (1, 2):
            multipliers = self.exact.rounded(box, slopes, unit, size)
            table = self.exact.table(box, convex, multipliers, size)
            if max(table) <= 0:
                node.record = bytes([_LEAF + size - 1]) + self.exact.packed(multipliers, size)
                return
            tables.append((table, multipliers))
        if not self._cut(node, box, *tables[0]):
            self._halve(node, box, order)

    def _cut(self, node: _Node, box: Open, table: list[int], multipliers: Any) -> bool:
        """Cut strips off, if that makes the box much smaller."""
        parts, lower, upper = _strips(box, table)
        left = [1 - (a + b) / _PARTS for a, b in parts]
        if min(left, default=1.0) > 0 and -np.log(left).sum() < _SHRINKAGE:
            return False
        ends = bytes(part for pair in parts for part in pair)
        node.record = bytes([_CUT]) + self.exact.packed(multipliers, 1) + ends
        if all(lower[j] < upper[j] for j in box.free):
            self._add(node, lower, upper)
        return True

    def _halve(self, node: _Node, box: Open, order: Any) -> None:
        """Halve the box across the first side that is wide enough."""
        wide = [j for j in order if box.upper[j] - box.lower[j] > 1]
        if not wide:
            raise TooManyBoxes
        j = int(wide[0])
        node.record = bytes([j])
        lower, upper = list(box.lower), list(box.upper)
        lower[j] = upper[j] = (box.lower[j] + box.upper[j]) // 2
        self._add(node, box.lower, upper)
        self._add(node, lower, box.upper)

    def _add(self, node: _Node, lower: Sequence[int], upper: Sequence[int]) -> None:
        child = _Node()
        node.children.append(child)
        self._open.append((child, lower, upper))

    def records(self) -> list[bytes]:
        """All records, each box before those that follow from it."""
        out, stack = [], self._roots[::-1]
        while stack:
            node = stack.pop()
            out.append(node.record)
            stack.extend(node.children[::-1])
        return out


def _floats(lower: Any, upper: Any) -> Boxes:
    """The boxes in floats, without rounding."""
    low, high = (np.ldexp(np.array(end, dtype=np.float64), -CORNER_BITS) for end in (lower, upper))
    faces = (low == high).argmax(axis=1)
    return Boxes(low, high, faces, np.full(len(faces), np.inf))


def _strips(box: Open, table: list[int]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Strips to cut off at both ends of the free sides, in parts of these, and the box without them.

    A convex function that is at most ``first ≤ 0`` at the lower end of a side and ``last`` at the upper one is
    nonpositive up to ``first/(first − last)`` of it.
    """
    lower, upper = list(box.lower), list(box.upper)
    values, parts = np.array(table, dtype=object), []
    for k, j in enumerate(box.free):
        halves = values.reshape(-1, 2, 2**k)
        first, last = halves[:, 0].max(), halves[:, 1].max()
        parts.append((_part(first, last), _part(last, first)))
        side = box.upper[j] - box.lower[j]
        lower[j] += side * parts[-1][0] // _PARTS
        upper[j] -= side * parts[-1][1] // _PARTS
    return parts, lower, upper


def _part(near: int, far: int) -> int:
    """Largest number of parts that can be cut off at the near end; one of the two values is positive."""
    if near > 0:
        return 0
    return min(_PARTS - 1, _PARTS * -near // (far - near))
