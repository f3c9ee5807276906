"""Conditional gradient ascents on ``h(u) = σ vᵀ φ(X̃u)`` over the unit ball, for many candidates at once, in torch.

Gradients are sums over blocks of rows, each so small that its arrays stay in the cache. With ``D(u)v`` in the rows
instead of the products, ``X̃ᵀD(u)v = (diag(v)X̃)ᵀ 1{X̃u > 0}``, an ascent step is two matrix products and one pass
over the array between them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from convexrelu._utils.torch_import import Tensor, torch

__all__ = ["ascend", "ascend_outputs", "indicator_", "unit"]

# Rows at a time: with sixty-four candidates, an array of them takes 2 MB in single precision, half of a usual cache.
_ROWS = 2**13
# On an accelerator what counts is few launches, as long as there is memory.
_ROWS_OF_DEVICES = 2**18


def ascend(
    design: Tensor,
    v: Tensor,
    signs: Tensor,
    starts: Tensor,
    step_sizes: Sequence[float],
    deadline: float = math.inf,
    limits: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Conditional gradient steps ``u ← normalise((1 − η) u + η g/‖g‖)`` with ``g = σ X̃ᵀD(u)v``.

    Parameters
    ----------
    design : tensor of shape (n, d̃)
    v : tensor of shape (n,)
    signs : tensor of shape (k,)
        ``σ`` of each ascent.
    starts : tensor of shape (k, d̃)
        Unit vectors.
    step_sizes : sequence of float
        ``η`` of each step.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop.
    limits : tensor of shape (d̃,), optional
        Restricts the ball to the cone of ``limits_k u_k ≥ 0``, where steps lead towards the projection of ``g``; the
        starts are in it.

    Returns
    -------
    directions, values : tensors of shape (k, d̃) and (k,)
        The best point of every ascent and ``h`` there.
    """
    together = _rows_together(design)
    blocks = [
        (rows.T.contiguous(), v_[:, None] * rows)
        for rows, v_ in zip(design.split(together), v.split(together), strict=True)
    ]
    best, u, sides = Best(starts), starts, signs[:, None]
    for step in step_sizes:
        gradient = sum(indicator_(u @ features) @ rows for features, rows in blocks) * sides
        best.update(u, gradient)
        if time.perf_counter() > deadline:
            break
        if limits is not None:
            gradient = torch.where(limits * gradient < 0, 0.0, gradient)
        u = unit((1 - step) * u + step * unit(gradient))
    return best.directions, best.values


def ascend_outputs(
    design: Tensor,
    v: Tensor,
    starts: Tensor,
    step_sizes: Sequence[float],
    slope: float = 0.0,
    reach: float | None = None,
    deadline: float = math.inf,
) -> tuple[Tensor, Tensor]:
    """The same for ``h(u) = ‖Vᵀ φ(X̃u)‖₂``, with ``g = X̃ᵀD^φ(u) V Vᵀφ(X̃u)/h(u)``.

    Parameters
    ----------
    design : tensor of shape (n, d̃)
    v : tensor of shape (n, K)
        ``V``.
    starts : tensor of shape (k, d̃)
        Unit vectors.
    step_sizes : sequence of float
        ``η`` of each step.
    slope : float
        Negative slope of ``φ``.
    reach : float, optional
        If given, steps lead towards points ``u = (w, b)`` of the cylinder ``‖w‖ ≤ 1``, ``|b| ≤ reach``.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop.

    Returns
    -------
    directions, values : tensors of shape (k, d̃) and (k,)
        The best point of every ascent, a unit vector, and ``h`` there.
    """
    together = _rows_together(design)
    blocks = [
        (rows.T.contiguous(), rows, v_, v_.T.contiguous())
        for rows, v_ in zip(design.split(together), v.split(together), strict=True)
    ]
    best, u = Best(starts), starts
    for step in step_sizes:
        outputs = [u @ features for features, *_ in blocks]
        moments = sum(
            torch.nn.functional.leaky_relu(t, slope) @ v_
            for t, (_, _, v_, _) in zip(outputs, blocks, strict=True)
        )
        towards = unit(moments)
        gradient = sum(
            _slopes_(t, slope).mul_(towards @ transposed) @ rows
            for t, (_, rows, _, transposed) in zip(outputs, blocks, strict=True)
        )
        best.update(unit(u), gradient)
        if time.perf_counter() > deadline:
            break
        if reach is None:
            u = unit((1 - step) * u + step * unit(gradient))
        else:
            u = _on_cylinder((1 - step) * _on_cylinder(u) + step * _farthest(gradient, reach))
    return best.directions, best.values


class Best:
    """The best points so far; ``h(u) = uᵀg``."""

    def __init__(self, starts: Tensor) -> None:
        self.directions = starts
        self.values = starts.new_full((len(starts),), -math.inf)

    def update(self, u: Tensor, gradient: Tensor) -> None:
        """Compare with one more point of each candidate."""
        values = (u * gradient).sum(dim=1)
        better = values > self.values
        self.values = torch.where(better, values, self.values)
        self.directions = torch.where(better[:, None], u, self.directions)


def _rows_together(design: Tensor) -> int:
    return _ROWS if design.is_cpu else _ROWS_OF_DEVICES


def unit(rows: Tensor) -> Tensor:
    """Rows at unit length, or zero."""
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows / torch.where(lengths > 0, lengths, 1.0)


def indicator_(outputs: Tensor) -> Tensor:
    """``1{t > 0}`` in place, as numbers: a fifth of the time of a choice between two arrays."""
    return outputs.sign_().clamp_(min=0)


def _slopes_(outputs: Tensor, slope: float) -> Tensor:
    """Slopes of ``φ`` in place, with `slope` where ``t ≤ 0``."""
    active = indicator_(outputs)
    return active.mul_(1 - slope).add_(slope) if slope else active


def _on_cylinder(u: Tensor) -> Tensor:
    """Points ``(w, b)`` scaled to ``‖w‖ = 1``."""
    lengths = u[:, :-1].norm(dim=1, keepdim=True)
    return u / torch.where(lengths > 0, lengths, 1.0)


def _farthest(gradient: Tensor, reach: float) -> Tensor:
    """Points of the cylinder that are farthest along the gradients."""
    return torch.hstack([unit(gradient[:, :-1]), reach * gradient[:, -1:].sign()])
