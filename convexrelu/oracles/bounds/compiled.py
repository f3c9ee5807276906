"""Branch and bound on boxes in compiled code, where the extension has been built."""

from __future__ import annotations

import numpy as np

from convexrelu._utils.threads import in_threads
from convexrelu._utils.typing import Array
from convexrelu.oracles.bounds.boxes import NARROWEST, Boxes
from convexrelu.oracles.bounds.corner_bound import N_FREE, CornerBound, Explored
from convexrelu.oracles.bounds.pace import ON_CPU

try:
    from convexrelu.oracles.bounds import _corners
except ImportError:  # installed without a compiler
    _corners = None  # type: ignore[assignment]

__all__ = ["CompiledBound", "corner_bound", "is_compiled"]

_LANES = 8
_TURN = 2e8  # about 0.2 s on one core


def is_compiled() -> bool:
    """Whether branch and bound runs in compiled code, not in NumPy.

    Examples
    --------
    >>> is_compiled() in (True, False)
    True
    """
    return _corners is not None


def corner_bound(rows: Array, v: Array, device: str = "cpu") -> CornerBound | CompiledBound:
    """The fastest bound that there is for these rows, see :mod:`convexrelu.oracles.bounds.corner_bound`.

    On ``"cpu"`` compiled code or NumPy, otherwise tensors on a device of torch.
    """
    if device != "cpu":
        return CornerBound(rows, v, device=device)
    if _corners is None or not 0 < rows.shape[1] <= _corners.MAX_RANK:
        return CornerBound(rows, v)
    return CompiledBound(rows, v)


class CompiledBound:
    """:class:`~convexrelu.oracles.bounds.corner_bound.CornerBound` in compiled code.

    The extension lets other threads run: each box is explored on a core of its own, with an equal share of the work, so
    that the result does not depend on the number of cores.
    """

    pace = ON_CPU._replace(turn=_TURN)

    def __init__(self, rows: Array, v: Array, *, n_free: int = N_FREE) -> None:
        self._rank = rows.shape[1]
        self._n_free = min(n_free, self._rank - 1)
        self._counts = int((v > 0).sum()), int((v < 0).sum())
        up, down = v > 0, v < 0
        self._samples = _padded(rows[up]), _padded(v[up]), _padded(rows[down]), _padded(-v[down])

    def explore(self, boxes: Boxes, target: float, max_work: float) -> Explored:
        """Branch on each of these boxes until it is closed, or its share of the work is done."""
        share = max_work / max(1, len(boxes.faces))

        def branch(k: int) -> Explored:
            return self._branch(boxes.select(slice(k, k + 1)), target, share)

        parts = in_threads(branch, range(len(boxes.faces)))
        best = max(parts, key=lambda part: part.value)
        return Explored(
            Boxes.join([part.left for part in parts]),
            max(part.stuck for part in parts),
            sum(part.n_boxes for part in parts),
            sum(part.work for part in parts),
            best.value,
            best.witness,
        )

    def _branch(self, box: Boxes, target: float, max_work: float) -> Explored:
        rank, face = self._rank, int(box.faces[0])
        rows, outcome = np.zeros((_corners.MAX_OPEN, 2 * rank + 1)), np.zeros(5 + rank)
        rows[0] = np.concatenate([box.lower[0], box.upper[0], box.bounds])
        _corners.explore(
            *self._samples,
            *self._counts,
            rank,
            face,
            self._n_free,
            target,
            NARROWEST,
            max_work,
            rows,
            outcome,
        )
        rows = rows[: int(outcome[0])]
        left = Boxes(rows[:, :rank], rows[:, rank:-1], np.full(len(rows), face), rows[:, -1].copy())
        n_boxes, work, stuck, value = outcome[1:5].tolist()
        return Explored(left, stuck, int(n_boxes), work, value, outcome[5:])


def _padded(part: Array) -> Array:
    """Columns of samples, padded with zeros to full lanes."""
    shape = (-(-len(part) // _LANES) * _LANES, *part.shape[1:])
    out = np.zeros(shape)
    out[: len(part)] = part
    return np.ascontiguousarray(out.T)
