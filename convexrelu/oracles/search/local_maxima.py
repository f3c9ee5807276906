"""Local maxima of ``h(u) = σ vᵀ φ(X̃u)`` over the unit ball, for many candidates at once, in torch.

With ``φ(t) = t`` for ``t ≥ 0`` and ``slope·t`` for ``t < 0``, ``vᵀ φ(X̃u) = (1 − slope) vᵀ relu(X̃u) + slope
vᵀX̃u``: kinks of ``1 − slope`` times the height, and a tilt.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import NamedTuple

from convexrelu._utils.deadlines import product_fits
from convexrelu._utils.torch_import import Tensor, torch
from convexrelu.oracles.search.ascents import Best, indicator_, unit
from convexrelu.oracles.search.climb import MARGIN, RISE, climb_alone
from convexrelu.patterns.cone_projection import ConeProjector
from convexrelu.patterns.cone_support import PatternCones

__all__ = ["Sharpened", "climb", "sharpen"]

# Number of kinks to smooth in the first and in the last Newton step, in units of d̃.
_NEWTON_STEPS, _FIRST_KINKS, _LAST_KINKS = 12, 8.0, 0.7
_FIRST_SHARE = 1 / 16  # of all samples, if that is more
# Operations of one projection alone, besides n d̃², and of a batch that is worth its many small steps.
_CALL, _BATCH = 3e4, 2e6
_ROUNDING = 1e-14  # a value is zero, as a part of the largest there could be
_HOPS, _FEWEST_HOPS = 2**18, 3  # the most of a batch: samples times hops, but not fewer than these


class Sharpened(NamedTuple):
    """What Newton steps lead to.

    Attributes
    ----------
    directions : tensor of shape (k, d̃)
        The best point of every candidate, for the original ``h``; no worse than its start.
    finished : bool
        Whether all steps had the time that they need.
    """

    directions: Tensor
    finished: bool


def sharpen(
    design: Tensor,
    v: Tensor,
    signs: Tensor,
    starts: Tensor,
    deadline: float = math.inf,
    slope: float = 0.0,
) -> Sharpened:
    """Newton steps on ``h`` with its concave kinks smoothed, fewer and fewer of them.

    Where many kinks meet, gradients zigzag. Here the nearest concave ones (``σv_i < 0``) become quadratic
    between ``−ε`` and ``ε``, with ``ε`` the distance of the farthest among them. A `v` of shape (k, n) has one row
    per candidate.

    Returns
    -------
    Sharpened
    """
    if time.perf_counter() > deadline:
        return Sharpened(starts, finished=False)
    (n, dim), lengths = design.shape, design.norm(dim=1)
    normals, heights, best = unit(design), (1 - slope) * v * lengths, Best(starts)
    tilt = slope * (v @ design)
    features = normals.T.contiguous()
    first = max(_FIRST_KINKS * dim, _FIRST_SHARE * n)
    u = starts
    for step in range(_NEWTON_STEPS + 1):
        outputs = u @ features
        gradient = signs[:, None] * (_pull(outputs, heights, normals) + tilt)
        best.update(u, gradient)
        if step == _NEWTON_STEPS:
            break
        share = first * (_LAST_KINKS * dim / first) ** (step / (_NEWTON_STEPS - 1))
        size = min(n, max(1, round(share)))
        work = len(u) * dim**2 * (size + dim / 3)  # of curvatures, and of their factors
        if time.perf_counter() > deadline or not product_fits(work, deadline):
            return Sharpened(best.directions, finished=False)
        kinks = _Kinks.nearest(outputs, normals, signs, heights, size)
        u = kinks.newton_step(u, gradient)
    return Sharpened(best.directions, finished=True)


def climb(
    design: Tensor,
    v: Tensor,
    signs: Tensor,
    starts: Tensor,
    deadline: float = math.inf,
    slope: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Hop from cell to cell until the maximum over the cell is a local maximum of the function.

    The first hops are made by all at once, the last one by one, when few are left: many small steps cost
    more than few calls. Where the maximum over the first cell is zero, the start stays: its
    projection is only rounding error. A `v` of shape (k, n) has one row per candidate.

    Returns
    -------
    masks, directions, values : tensors of shape (k, n), (k, d̃) and (k,)
        Cells, maxima over them, and ``h`` there. If time is up on entry, the starts.
    """
    first, kinks, tilt = starts @ design.T >= 0, (1 - slope) * v, slope * (v @ design)
    masks, projections = first.clone(), starts.clone()
    fewest = _fewest_in_a_batch(design)
    left = torch.arange(len(starts))
    if len(left) >= fewest and time.perf_counter() <= deadline and design.any():
        with suppress(TimeoutError):  # of the first projections: the starts are left
            climbers = _Climbers(design, kinks, tilt, signs, masks, starts, deadline)
            left = climbers.run(fewest, deadline)
            masks[:, climbers.cones.kept] = climbers.cones.inside
            projections = climbers.projections.clone()
    if len(left):
        _climb_alone(design, kinks, tilt, signs, masks, projections, left, deadline)
    size = kinks.abs() @ design.norm(dim=1) + tilt.norm(dim=-1)
    stays = projections.norm(dim=1) <= _ROUNDING * size
    stays |= (projections == starts).all(dim=1)  # there was no time
    masks[stays] = first[stays]
    directions = torch.where(stays[:, None], starts, unit(projections))
    bent = _dot((directions @ design.T).clamp_(min=0), kinks)
    return masks, directions, signs * (bent + _dot(directions, tilt))


def _fewest_in_a_batch(design: Tensor) -> int:
    n, dim = design.shape
    return math.ceil(_BATCH / (n * dim**2 + _CALL)) if design.is_cpu else 1


def _climb_alone(
    design: Tensor,
    kinks: Tensor,
    tilt: Tensor,
    signs: Tensor,
    masks: Tensor,
    projections: Tensor,
    index: Tensor,
    deadline: float,
) -> None:
    """Climb from the candidates at `index` one by one, in place."""
    X, masks_ = design.cpu().numpy(), masks.cpu().numpy()
    kinks_ = kinks.expand(masks.shape).cpu().numpy()
    tilts = tilt.expand(projections.shape).cpu().numpy()
    cones = PatternCones(X)
    for k in index.tolist():
        if time.perf_counter() > deadline:
            break
        sign = float(signs[k])
        masks_[k], projection = climb_alone(
            cones, X, sign * kinks_[k], masks_[k], deadline, sign * tilts[k]
        )
        projections[k] = torch.as_tensor(projection)
        masks[k] = torch.as_tensor(masks_[k])


def _dot(rows: Tensor, v: Tensor) -> Tensor:
    """Products with one vector, or with one for each row."""
    return rows @ v if v.ndim == 1 else (rows * v).sum(dim=1)


def _at(heights: Tensor, index: Tensor) -> Tensor:
    """Entries of a vector, or of each candidate's own vector, at positions of shape (k, s)."""
    return heights[index] if heights.ndim == 1 else heights.gather(1, index)


def _pull(outputs: Tensor, heights: Tensor, normals: Tensor) -> Tensor:
    """Gradients of ``Σ_i heights_i relu(t_i)``, one row per candidate."""
    active = indicator_(outputs.clone())
    if heights.ndim == 1:
        return active @ (heights[:, None] * normals)
    return active.mul_(heights) @ normals


class _Kinks:
    """The concave kinks near each candidate: distances, heights and normals, (k, s), (k, s), (k, s, d̃)."""

    def __init__(self, outputs: Tensor, heights: Tensor, normals: Tensor) -> None:
        self.outputs = outputs
        self.heights = heights
        self.normals = normals
        reach = torch.where(heights > 0, outputs.abs(), 0.0).max(dim=1, keepdim=True).values
        self.width = reach.clamp(min=torch.finfo(outputs.dtype).eps)

    @classmethod
    def nearest(
        cls, outputs: Tensor, normals: Tensor, signs: Tensor, heights: Tensor, size: int
    ) -> _Kinks:
        index = _nearest_kinks(outputs, signs, heights, size)
        depths = (-signs[:, None] * _at(heights, index)).clamp(min=0)
        return cls(outputs.gather(1, index), depths, normals[index])

    def newton_step(self, u: Tensor, gradient: Tensor) -> Tensor:
        """To the maximum of the smoothed function minus ``½‖g‖‖u‖²``, whose maxima on the sphere are the same."""
        inside = ((self.outputs / self.width + 1) / 2).clamp(0, 1)
        softened = self.heights * ((self.outputs > 0).to(inside.dtype) - inside)
        gradient = gradient + (softened[:, None, :] @ self.normals)[:, 0]
        size = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        curvature = self.normals.mT @ ((self.heights / (2 * self.width))[:, :, None] * self.normals)
        curvature.diagonal(dim1=1, dim2=2).add_(torch.where(size > 0, size, 1.0))
        rest = (gradient - size * u)[:, :, None]
        step, _ = torch.linalg.solve_ex(curvature, rest)
        return unit(u + step[:, :, 0])


def _nearest_kinks(outputs: Tensor, signs: Tensor, heights: Tensor, size: int) -> Tensor:
    """Positions of the concave kinks nearest to each candidate, (k, size), filled up with others."""
    concave = signs[:, None] * heights < 0
    distances = torch.where(concave, outputs.abs(), math.inf)
    return distances.topk(size, dim=1, largest=False, sorted=False).indices


class _Climbers:
    """Candidates, each at the maximum over its cell: :func:`climb_alone` for all at once."""

    def __init__(
        self,
        design: Tensor,
        kinks: Tensor,
        tilt: Tensor,
        signs: Tensor,
        masks: Tensor,
        starts: Tensor,
        deadline: float,
    ) -> None:
        self.cones = ConeProjector(design, masks)
        kept = self.cones.kept
        self.signs = signs
        self.heights = kinks[..., kept] * design[kept].norm(dim=1)
        self.linear = signs[:, None] * ((masks * kinks) @ design + tilt)
        self._expect(starts @ self.cones.normals_of_rows.T)
        everything = torch.arange(len(masks), device=design.device)
        self.projections = self.cones.project(self.linear, everything, 0.0, deadline)
        self.values = self.projections.norm(dim=1)

    def _expect(self, outputs: Tensor) -> None:
        """Start the projections from the nearest kinks."""
        size = min(self.cones.rows.shape[1] - 1, outputs.shape[1])
        rows = _nearest_kinks(outputs, self.signs, self.heights, size)
        self.cones.rows[:, :size] = rows
        self.cones.held[:, :size] = self.signs[:, None] * _at(self.heights, rows) < 0

    def run(self, fewest: int, deadline: float) -> Tensor:
        """Hop while enough candidates rise; returns the rest, unless time is up."""
        moving = torch.arange(len(self.signs), device=self.signs.device)
        for _ in range(max(_FEWEST_HOPS, _HOPS // self.heights.shape[-1])):
            if time.perf_counter() > deadline:
                break
            excess = self._excess(moving)
            blocked = (excess > 0).any(dim=1)
            moving, excess = moving[blocked], excess[blocked]
            if len(moving) < fewest or len(moving) == 0:
                return moving
            risen = self._hop(moving, excess > 0)
            rest = (~risen).nonzero()[:, 0]
            worst = excess[rest].argmax(dim=1, keepdim=True)
            alone = torch.zeros_like(excess[rest], dtype=torch.bool).scatter(1, worst, True)
            risen[rest] = self._hop(moving[rest], alone)
            moving = moving[risen]
        return moving[:0]

    def _excess(self, index: Tensor) -> Tensor:
        """Excess of the facets' multipliers over the kinks, (k, d̃); at most zero where crossing does not help."""
        multipliers = self.cones.multipliers[index]
        kinks = (-self._slopes(index)).clamp(min=0)
        return torch.where(multipliers > 0, multipliers - (1 + MARGIN) * kinks, 0.0)

    def _slopes(self, index: Tensor) -> Tensor:
        """``σv_i‖x̃_i‖`` of the active rows, (k, d̃)."""
        rows = self.cones.rows[index]
        own = self.heights.ndim > 1
        heights = self.heights[index[:, None], rows] if own else self.heights[rows]
        return self.signs[index, None] * heights

    def _hop(self, index: Tensor, crossed: Tensor) -> Tensor:
        """Cross facets where the maximum on the other side is larger; returns where it is."""
        cones = self.cones
        before = cones.active(index)
        rows, slopes = cones.rows[index], self._slopes(index)
        cones.cross(index, rows, crossed)
        normals = cones.signed(index, rows, crossed)
        linear = self.linear[index] + (slopes[:, None, :] @ normals)[:, 0]
        wanted = self.values[index] * (1 + RISE)
        projections = cones.project(linear, index, wanted)
        values = projections.norm(dim=1)
        risen = values > wanted
        up, down = index[risen], index[~risen]
        self.linear[up], self.projections[up] = linear[risen], projections[risen]
        self.values[up] = values[risen]
        cones.cross(down, rows[~risen], crossed[~risen])
        cones.restore(down, [part[~risen] for part in before])
        return risen
