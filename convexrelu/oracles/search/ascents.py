"""Conditional gradient ascents on ``h(u) = σ vᵀ φ(X̃u)`` over the unit ball, for many candidates at once, in torch.

Gradients are sums over blocks of rows, each so small that its arrays stay in the cache. With ``D(u)v`` in the rows
instead of the products, ``X̃ᵀD(u)v = (diag(v)X̃)ᵀ 1{X̃u > 0}``, an ascent step is two matrix products and one pass
over the array between them.

Candidates are rows of tensors, but lie in memory as columns where these are short: see :class:`_Layout`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from functools import reduce

from convexrelu._utils.torch_import import Tensor, torch

__all__ = ["ascend", "ascend_outputs", "indicator_", "unit"]

# Rows at a time: with sixty-four candidates, an array of them takes 2 MB in single precision, half of a usual cache.
_ROWS = 2**13
# On an accelerator what counts is few launches, as long as there is memory.
_ROWS_OF_DEVICES = 2**18
# Candidates of at most so many bytes lie in memory as columns. In double precision, an ascent step of 300 to 2000
# samples and up to 21 features takes 0.5 to 0.8 times as long then; in single precision, of 16,384 samples and up to 51
# features, 0.3 to 0.8 times. With twice as many features, columns take up to 1.1 times as long as rows, with 784 up to
# 1.3 times.
_NARROW = 256


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
    together, layout = _rows_together(design), _Layout(design)
    blocks = [
        (layout.of(rows.T), layout.of(v_[:, None] * rows))
        for rows, v_ in zip(design.split(together), v.split(together), strict=True)
    ]
    product, u, sides = layout.product, layout.of(starts), signs[:, None]
    best = Best(u)
    for step in step_sizes:
        gradient = _total(product(indicator_(product(u, X)), rows) for X, rows in blocks) * sides
        best.update(u, gradient)
        if time.perf_counter() > deadline:
            break
        if limits is not None:
            gradient = torch.where(limits * gradient < 0, 0.0, gradient)
        u = unit(torch.lerp(u, unit(gradient), step))
    return best.directions.contiguous(), best.values


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
    together, layout = _rows_together(design), _Layout(design)
    blocks = [
        tuple(layout.of(part) for part in (rows.T, rows, v_, v_.T))
        for rows, v_ in zip(design.split(together), v.split(together), strict=True)
    ]
    product, u = layout.product, layout.of(starts)
    best = Best(u)
    for step in step_sizes:
        outputs = [product(u, X) for X, *_ in blocks]
        moments = _total(
            product(torch.nn.functional.leaky_relu(t, slope), v_)
            for t, (_, _, v_, _) in zip(outputs, blocks, strict=True)
        )
        towards = unit(moments)
        gradient = _total(
            product(_slopes_(t, slope).mul_(product(towards, transposed)), rows)
            for t, (_, rows, _, transposed) in zip(outputs, blocks, strict=True)
        )
        best.update(unit(u), gradient)
        if time.perf_counter() > deadline:
            break
        if reach is None:
            u = unit(torch.lerp(u, unit(gradient), step))
        else:
            u = _on_cylinder(torch.lerp(_on_cylinder(u), _farthest(gradient, reach), step))
    return best.directions.contiguous(), best.values


class _Layout:
    """How the tensors of ascents lie in memory, by rows or by columns, and products of these.

    A product whose result has few columns is slow for usual kernels, the same with few rows is not; and sums over a few
    numbers of each candidate are fast where those of all candidates are next to each other.

    Parameters
    ----------
    design : tensor of shape (n, d̃)
    """

    def __init__(self, design: Tensor) -> None:
        size = design.shape[1] * design.element_size()
        self.by_columns = design.is_cpu and size <= _NARROW

    def of(self, matrix: Tensor) -> Tensor:
        """The matrix in this layout."""
        return matrix.T.contiguous().T if self.by_columns else matrix.contiguous()

    def product(self, left: Tensor, right: Tensor) -> Tensor:
        """The product of two matrices in this layout."""
        return (right.T @ left.T).T if self.by_columns else left @ right


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


def _total(parts: Iterable[Tensor]) -> Tensor:
    """The sum of one part or more."""
    return reduce(torch.add, parts)


def _rows_together(design: Tensor) -> int:
    return _ROWS if design.is_cpu else _ROWS_OF_DEVICES


def unit(rows: Tensor) -> Tensor:
    """Rows at unit length, or zero."""
    lengths = rows.square().sum(dim=1, keepdim=True).sqrt_()
    return rows / torch.where(lengths > 0, lengths, 1.0)


def indicator_(outputs: Tensor) -> Tensor:
    """``1{t > 0}`` in place, as numbers: a tenth of the time of a choice between two arrays."""
    return outputs.gt_(0)


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
