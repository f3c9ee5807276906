"""Projection on the cones of many patterns at once, by active sets that persist between calls."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial

from convexrelu._utils.torch_import import Tensor, torch

try:
    from convexrelu.patterns import _cones
except ImportError:  # installed without a compiler
    _cones = None  # type: ignore[assignment]

__all__ = ["ConeProjector"]

# A row is violated if its product is below −1e-11 of the length of the point, a hundred thousand roundings.
_VIOLATION = 1e-11
# Limit on the steps of the active-set search, against cycling; no measurement is recorded.
_SWEEPS_PER_FEATURE = 20
# Blocks that compiled code takes together, without a look at the time, in entries of their patterns by features: some
# milliseconds, but with 200,000 samples, where projections take many sweeps, a tenth of a second.
_TOGETHER = 2**22
# Multiplications of compiled code without a look at the time, where there is a deadline: less than a tenth of a second.
# To begin anew with the rows that are held takes a part of that.
_BETWEEN_LOOKS = 200_000_000
_LATE = "projections on cones take longer than there is time"


class ConeProjector:
    """Projection on the cones ``K_j = {u : (2D_j − I) X̃u ≥ 0}``.

    The projection of ``z`` is ``p = z + Nᵀμ``, where ``N`` holds the few rows ``±x̃_i`` with ``x̃_iᵀp = 0``
    that are active, and ``μ ≥ 0`` solves the non-negative least-squares problem ``min ‖z + Nᵀμ‖`` (Moreau).
    The active-set method of Lawson & Hanson (1974, chapter 23) adds the row that is violated most and
    drops rows whose multipliers turn negative. Here it runs for all blocks at once, and starts
    from the rows that were active in the last call, of which few change.

    ``‖z + Nᵀμ‖`` only decreases from step to step, and is never below ``‖p‖``. A block whose value falls below the
    caller's `level` is left there.

    Parameters
    ----------
    design : tensor of shape (n, d̃)
        Rows ``x̃_i``; only their directions matter. Zero rows bound nothing.
    masks : boolean tensor of shape (B, n)
        Patterns.

    Attributes
    ----------
    rows : integer tensor of shape (B, d̃)
        Active rows of each block, in the slots where `held` is True.
    held : boolean tensor of shape (B, d̃)
    multipliers : tensor of shape (B, d̃)
        ``μ`` of the last call, for normals of unit length; zero where not held.
    kept : integer tensor of shape (m,)
        The nonzero rows of the design; `rows` are positions among them.
    normals_of_rows : tensor of shape (m, d̃)
        These rows at unit length.
    inside : boolean tensor of shape (B, m)
        Patterns on them.

    Notes
    -----
    One sweep over ``k`` undecided blocks costs ``k n d̃`` operations. Memory ``B n`` bytes for the patterns and
    ``8 k n`` for a sweep. In double precision on a CPU, compiled code (``_cones.c``) takes one block after the other,
    in a quarter of the time.

    A row is added only if it is violated by more than rounding, and then it is independent of the
    active ones, to which ``p`` is orthogonal: duplicate rows and rank-deficient designs need no care.

    Examples
    --------
    >>> import torch
    >>> quadrant = ConeProjector(torch.eye(2, dtype=torch.float64), torch.tensor([[True, True]]))
    >>> quadrant.project(torch.tensor([[1.0, -1.0]], dtype=torch.float64), torch.tensor([0]), 0.0)
    tensor([[1., 0.]], dtype=torch.float64)
    """

    def __init__(self, design: Tensor, masks: Tensor) -> None:
        lengths = design.norm(dim=1)
        self.kept = lengths.nonzero()[:, 0]
        self.normals_of_rows = design[self.kept] / lengths[self.kept, None]
        self.inside = masks[:, self.kept]
        shape = (len(masks), design.shape[1])
        self.rows = torch.zeros(shape, dtype=torch.long, device=design.device)
        self.held = torch.zeros(shape, dtype=torch.bool, device=design.device)
        self.multipliers = torch.zeros(shape, dtype=design.dtype, device=design.device)
        self._corrections = torch.zeros_like(self.multipliers)

    def project(
        self,
        points: Tensor,
        index: Tensor,
        level: float | Tensor,
        deadline: float = math.inf,
    ) -> Tensor:
        """Project points of shape (k, d̃) on the cones of the blocks in `index`.

        Where the result is not longer than `level`, one for all or one each, it may not be the projection: it is
        ``z + Nᵀμ`` for some ``μ ≥ 0``, no shorter than the projection.

        Raises
        ------
        TimeoutError
            If the projections are not found by the deadline, a value of :func:`time.perf_counter`.
        """
        result = self._guess(points, index)
        levels = torch.as_tensor(level, dtype=points.dtype, device=points.device).expand(
            len(points)
        )
        far = (torch.linalg.vector_norm(result, dim=1) > levels).nonzero()[:, 0]
        if len(far) and len(self.normals_of_rows):
            search = _search_for(points)
            result[far] = search(self, points[far], index[far], levels[far], deadline)
            self._corrections[index[far]] = result[far] - points[far]
        return result

    @cached_property
    def columns_of_rows(self) -> Tensor:
        """`normals_of_rows` as compiled code reads them: one feature after the other, with zeros at the end."""
        n, dim = self.normals_of_rows.shape
        columns = self.normals_of_rows.new_zeros((dim, -(-n // _cones.LANES) * _cones.LANES))
        columns[:, :n] = self.normals_of_rows.T
        return columns

    def _guess(self, points: Tensor, index: Tensor) -> Tensor:
        """``z + sNᵀμ`` with the multipliers of the last call and the best ``s ≥ 0``: often short enough."""
        last = self._corrections[index]
        square = last.square().sum(dim=1).clamp(min=torch.finfo(points.dtype).tiny)
        scale = (-(points * last).sum(dim=1) / square).clamp(min=0)
        return points + scale[:, None] * last

    def normals(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Active normals of blocks, the held ones first: (k, d̃, d̃) with zeros, and their numbers, (k,)."""
        held, order = self.held[index].sort(dim=1, descending=True, stable=True)
        rows = self.rows[index].gather(1, order)
        return self.signed(index, rows, held), held.sum(dim=1)

    def n_dimensions(self, index: Tensor) -> int:
        """Of the faces on which blocks are, in all."""
        return int((~self.held[index]).sum())

    def active(self, index: Tensor) -> tuple[Tensor, ...]:
        """Active rows of blocks with their multipliers, for :meth:`restore`."""
        return self.rows[index], self.held[index], self.multipliers[index]

    def restore(self, index: Tensor, active: Sequence[Tensor]) -> None:
        """Go back to these active rows."""
        self.rows[index], self.held[index], self.multipliers[index] = active

    def cross(self, index: Tensor, rows: Tensor, crossed: Tensor) -> None:
        """Flip patterns in those of the rows, of shape (k, d̃), that are `crossed`, and release these."""
        block, slot = crossed.nonzero(as_tuple=True)
        block, row = index[block], rows[block, slot]
        self.inside[block, row] = ~self.inside[block, row]
        self.held[index] &= ~crossed
        self._corrections[index] = 0.0

    def signed(self, index: Tensor, rows: Tensor, held: Tensor) -> Tensor:
        """Rows oriented into their cone, zero where not held; of shape (k, d̃, d̃)."""
        if len(self.normals_of_rows) == 0:  # nothing to look up
            return self._corrections.new_zeros((*rows.shape, rows.shape[1]))
        sign = torch.where(self.inside[index[:, None], rows], 1.0, -1.0) * held
        return self.normals_of_rows[rows] * sign[:, :, None].to(self.normals_of_rows.dtype)


def _search_for(points: Tensor) -> Callable[..., Tensor]:
    compiled = _cones is not None and points.is_cpu and points.dtype is torch.float64
    return _compiled_search if compiled else _search


def _compiled_search(
    cones: ConeProjector, points: Tensor, index: Tensor, levels: Tensor, deadline: float
) -> Tensor:
    """Projections of points of shape (k, d̃), one block after the other."""
    n, dim = cones.normals_of_rows.shape
    normals, columns = cones.normals_of_rows.contiguous().numpy(), cones.columns_of_rows.numpy()
    inside, rows, held, multipliers = (
        each.numpy() for each in (cones.inside, cones.rows, cones.held, cones.multipliers)
    )
    points = points.contiguous()
    found = torch.empty_like(points)

    def undecided(own: Tensor, z: Tensor, level: Tensor, end: Tensor, most: int) -> int:
        of_blocks = own.numpy(), z.numpy(), level.numpy(), rows, held, multipliers, end.numpy()
        noise = _violation(points.dtype)
        return int(_cones.project(n, dim, normals, columns, inside, *of_blocks, most, noise))

    together = max(1, _TOGETHER // (n * dim))
    for part in zip(
        *(each.split(together) for each in (index, points, levels, found)), strict=True
    ):
        _sweep(partial(undecided, *part), dim, len(part[0]) * dim * (n + dim), deadline)
    return found


def _sweep(undecided: Callable[[int], int], dim: int, work: int, deadline: float) -> None:
    """Add rows until `undecided` says that no block needs more, with looks at the time where rows take long.

    `undecided` adds up to so many rows to each block, beginning with those it holds; `work` are the multiplications of
    a row.
    """
    left = _most_sweeps(dim)
    at_once = left if math.isinf(deadline) else min(left, 1 + _BETWEEN_LOOKS // work)
    while left > 0:
        is_late = time.perf_counter() > deadline
        if not undecided(0 if is_late else min(left, at_once)):
            return
        if is_late:
            raise TimeoutError(_LATE)
        left -= at_once


def _search(
    cones: ConeProjector, points: Tensor, index: Tensor, levels: Tensor, deadline: float
) -> Tensor:
    """The same for all blocks at once."""
    return _Search(cones, points, index).run(levels, deadline)


class _Search:
    """The active-set search of one call; everything has one entry for each block that is still too long."""

    def __init__(self, cones: ConeProjector, points: Tensor, index: Tensor) -> None:
        self.cones = cones
        self.points = points
        self.index = index
        self.rows = cones.rows[index]
        self.held = cones.held[index]
        self.multipliers = torch.zeros_like(points)
        self.projections = points.clone()
        self._slots = torch.arange(1, points.shape[1] + 1, device=points.device)
        # Rounding of a sweep, which must not count as a violation.
        self.noise = 1e2 * torch.finfo(points.dtype).eps * torch.linalg.vector_norm(points, dim=1)

    def run(self, levels: Tensor, deadline: float) -> Tensor:
        self._start()
        alive = torch.arange(len(self.points), device=self.points.device)
        for _ in range(_most_sweeps(self.points.shape[1])):
            alive = alive[torch.linalg.vector_norm(self.projections[alive], dim=1) > levels[alive]]
            alive, slot = self._add_worst_rows(alive)
            if len(alive) == 0:
                break
            if time.perf_counter() > deadline:
                raise TimeoutError(_LATE)
            self._settle(alive, slot)
            # A row that was released again was violated by rounding only: its block is done.
            alive = alive[self.held[alive, slot]]
        self.cones.rows[self.index] = self.rows
        self.cones.held[self.index] = self.held
        self.cones.multipliers[self.index] = self.multipliers * self.held
        return self.projections

    def _start(self) -> None:
        """Multipliers of the rows held from before; those with negative ones are released."""
        todo = self.held.any(dim=1).nonzero()[:, 0]
        while len(todo):
            normals, solved, sound = self._least_squares(todo)
            kept = self.held[todo] & (solved >= 0) & sound[:, None]
            done = (kept == self.held[todo]).all(dim=1)
            self.held[todo] = kept
            self._finish(todo[done], normals[done], solved[done])
            todo = todo[~done]

    def _add_worst_rows(self, alive: Tensor) -> tuple[Tensor, Tensor]:
        """Give each block its most violated row; return the blocks that had one, and the slots."""
        points = self.projections[alive]
        values = points @ self.cones.normals_of_rows.T
        values = torch.where(self.cones.inside[self.index[alive]], values, -values)
        worst, row = values.min(dim=1)
        allowed = torch.maximum(
            _violation(points.dtype) * torch.linalg.vector_norm(points, dim=1), self.noise[alive]
        )
        violated = (worst < -allowed) & ~self.held[alive].all(dim=1)
        alive, row = alive[violated], row[violated]
        slot = (~self.held[alive]).to(torch.int8).argmax(dim=1)
        self.rows[alive, slot] = row
        self.held[alive, slot] = True
        self.multipliers[alive, slot] = 0.0
        return alive, slot

    def _settle(self, todo: Tensor, slot: Tensor) -> None:
        """Minimise over the multipliers of the held rows, dropping rows until all are positive."""
        while len(todo):
            normals, solved, sound = self._least_squares(todo)
            old, held = self.multipliers[todo], self.held[todo]
            falling = held & (solved <= 0) & sound[:, None]
            tiny = torch.finfo(old.dtype).tiny
            reach = torch.where(falling, old / (old - solved).clamp(min=tiny), torch.inf)
            step = reach.min(dim=1, keepdim=True).values.clamp(max=1.0)
            dropped = falling & (reach <= step)
            new = (old + step * (solved - old)).masked_fill(dropped, 0.0)
            # Dependent on the rows held already, up to rounding: the new row cannot be used.
            new = torch.where(sound[:, None], new, old)
            self.held[todo] = held & ~dropped
            self.held[todo[~sound], slot[~sound]] = False
            self.multipliers[todo] = new
            done = ~falling.any(dim=1)
            self._finish(todo[done], normals[done], new[done])
            todo, slot = todo[~done], slot[~done]

    def _finish(self, blocks: Tensor, normals: Tensor, multipliers: Tensor) -> None:
        self.multipliers[blocks] = multipliers
        used = multipliers[:, : normals.shape[1], None]
        moved = (normals.transpose(1, 2) @ used)[:, :, 0]
        self.projections[blocks] = self.points[blocks] + moved

    def _least_squares(self, blocks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Active normals, the multipliers that make their rows zero, and whether they could be computed."""
        held = self.held[blocks]
        # Slots fill from the front, so that the last ones are often free in all blocks.
        width = max(1, int((held.any(dim=0) * self._slots).max()))
        held = held[:, :width]
        normals = self.cones.signed(self.index[blocks], self.rows[blocks, :width], held)
        gram = normals @ normals.transpose(1, 2)
        gram.diagonal(dim1=1, dim2=2).add_((~held).to(gram.dtype))
        factor, failed = torch.linalg.cholesky_ex(gram)
        wanted = -(normals @ self.points[blocks][:, :, None])
        solved = torch.cholesky_solve(wanted, factor)
        # The normal equations square the condition number; one refinement restores accuracy.
        rest = wanted - normals @ (normals.transpose(1, 2) @ solved)
        solved = (solved + torch.cholesky_solve(rest, factor))[:, :, 0] * held
        sound = (failed == 0) & solved.isfinite().all(dim=1)
        multipliers = torch.zeros_like(self.points[blocks])
        multipliers[:, :width] = torch.where(sound[:, None], solved, 0.0)
        return normals, multipliers, sound


def _most_sweeps(dim: int) -> int:
    return _SWEEPS_PER_FEATURE * dim + 100


def _violation(dtype: torch.dtype) -> float:
    return max(_VIOLATION, 1e2 * torch.finfo(dtype).eps)
