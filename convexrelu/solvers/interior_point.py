"""A primal–dual interior-point method for ReLU programmes, its blocks eliminated one by one.

The programme of :class:`TensorProgramme`, with the slacks of its cones::

    min ½‖Au − t‖² + alpha Σ_j τ_j   subject to   s_j = N_j u_j ≥ 0,   q_j = (τ_j, u_j) ∈ Q

where ``N_j`` holds the rows of ``(2D_j − I) X̃`` at one length and ``Q`` is the second-order cone. Its optimality
conditions, on the central path of parameter ``μ``::

    A_jᵀr − N_jᵀλ_j − w_j = 0,   r = Au − t,   s∘λ = μ,   q_j∘z_j = μe,   z_j = (alpha, w_j)

are solved by Mehrotra's predictor–corrector steps from an infeasible start. ``W_j z_j = W_j⁻¹q_j`` is the
Nesterov–Todd scaling of each cone (Vandenberghe 2010, "The CVXOPT linear and quadratic cone program solvers").
Eliminating all but ``du`` leaves::

    (diag_j(H_j) + AᵀA) du = g,   H_j = N_jᵀ diag(λ_j/s_j) N_j + E_j

with ``E_j`` the Schur complement of ``τ_j`` in ``W_j⁻²``. With ``H_j = L_jL_jᵀ`` and ``B = AL⁻ᵀ`` the solution is
``L⁻ᵀ(I + BᵀB)⁻¹L⁻¹g``, through ``I + BBᵀ`` where that is smaller. Late iterations refine it by conjugate
gradients, since double precision leaves little of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from convexrelu.solvers.tensors import Iterate, TensorProgramme
from convexrelu.status import Status

__all__ = ["interior_point"]

_MAX_ITER = 100
_TO_BOUNDARY = 0.99  # part of the longest step that is taken
_SHIFT = 1e-15  # added to every H_j, of its trace, for its Cholesky factor to exist
_REFINEMENTS = 10  # at most, of a solution of the normal equations
_ACCURACY = 1e-11  # of that solution, relative to alpha
_FEASIBLE = 1e-9  # how far a slack may be below zero
_CHUNK = 2**22  # entries of B at a time


def interior_point(
    programme: TensorProgramme, *, gap: float = 1e-8, deadline: float = math.inf
) -> Iterate:
    """Solve a ReLU programme by predictor–corrector steps.

    Twenty to thirty iterations do, however many kinks: the solver to take where an iteration is cheap, or the others
    are slow. At a very small `alpha` the normal equations lose their digits, and it ends with gaps of 1e-6 and above.
    It takes no start.

    Parameters
    ----------
    programme : TensorProgramme
        With cones, whose interiors should not be empty.
    gap : float
        Relative duality gap to stop at.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop.

    Returns
    -------
    Iterate
        The best feasible point, whose status is ``INACCURATE`` or ``USER_LIMIT`` if its gap is above `gap`.

    Notes
    -----
    An iteration costs ``B n d̃²`` operations for the ``H_j`` and, with ``m = nK``, ``B m d̃ min(m, B d̃)`` for the
    coupling. Memory ``8 min(m, B d̃)²`` bytes, ``64 B n`` for slacks and multipliers, ``8 n d̃²``, and 32 MB of scratch.
    """
    slacks = _Slacks(programme)
    point = _start(programme, slacks)
    best = Iterate(programme.no_blocks(), programme.target, math.inf, Status.INACCURATE)
    for _ in range(_MAX_ITER):
        now = _iterate(programme, slacks, point)
        best = now if now.gap < best.gap else best
        if best.gap <= gap:
            return replace(_settled(programme, slacks, point, now, gap), status=Status.CONVERGED)
        if time.perf_counter() > deadline:
            return replace(best, status=Status.USER_LIMIT)
        try:
            point = _advance(programme, slacks, point)
        except torch.linalg.LinAlgError:  # the end of double precision
            break
        if not point.q.isfinite().all():
            break
    return best


class _Slacks:
    """The map ``u → (N_j u_j)_j`` and what is made of its rows."""

    def __init__(self, programme: TensorProgramme) -> None:
        lengths = programme.rows.norm(dim=1)
        kept = lengths.nonzero()[:, 0]
        self.normals = programme.rows[kept] / (lengths[kept, None] * max(len(kept), 1) ** 0.5)
        self.sides = torch.where(programme.patterns()[:, kept], 1.0, -1.0).to(programme.rows.dtype)
        self._squares = (self.normals[:, :, None] * self.normals[:, None, :]).flatten(1)

    def of(self, u: Tensor) -> Tensor:
        """``N_j u_j``, of shape (B, n)."""
        return self.sides * (u @ self.normals.T)

    def adjoint(self, multipliers: Tensor) -> Tensor:
        """``N_jᵀλ_j``, of shape (B, d̃)."""
        return (self.sides * multipliers) @ self.normals

    def gram(self, weights: Tensor) -> Tensor:
        """``N_jᵀ diag(weights_j) N_j``, of shape (B, d̃, d̃)."""
        dim = self.normals.shape[1]
        return (weights @ self._squares).reshape(-1, dim, dim)


@dataclass(frozen=True, eq=False)
class _Point:
    """Slacks, their multipliers, and the cones' ``(τ, u)`` and ``(alpha, w)``."""

    s: Tensor
    multipliers: Tensor
    q: Tensor
    z: Tensor

    def moved(self, step: _Point, length: float) -> _Point:
        """The point `length` along a step."""
        pairs = zip(vars(self).values(), vars(step).values(), strict=True)
        return _Point(*(x + length * dx for x, dx in pairs))

    def mu(self) -> float:
        """Mean complementarity over slacks and cones."""
        total = (self.s * self.multipliers).sum() + (self.q * self.z).sum()
        return float(total) / (self.s.numel() + len(self.q))

    def longest(self, step: _Point) -> float:
        """Length at which a step leaves a cone."""
        rates = [_cone_rate(self.q, step.q), _cone_rate(self.z, step.z)]
        if self.s.numel():
            rates += [-(step.s / self.s).min(), -(step.multipliers / self.multipliers).min()]
        return 1 / max(1e-16, *map(float, rates))


class _Scaling(NamedTuple):
    """Nesterov–Todd scalings ``W``, ``eta`` times the hyperbolic rotation to `point`, one a cone."""

    point: Tensor
    eta: Tensor
    scaled: Tensor  # W z = W⁻¹q

    @classmethod
    def of(cls, q: Tensor, z: Tensor) -> _Scaling:
        q_size, z_size = _size(q), _size(z)
        point = q / q_size + _mirror(z / z_size)
        point = point / _size(point)
        eta = (q_size / z_size).sqrt()
        return cls(point, eta, eta * _rotate(point, z))

    def apply(self, x: Tensor) -> Tensor:
        """``W x``."""
        return self.eta * _rotate(self.point, x)

    def inverse(self, x: Tensor) -> Tensor:
        """``W⁻¹x``."""
        return _rotate(_mirror(self.point), x) / self.eta

    def without_tau(self) -> tuple[Tensor, Tensor]:
        """``E``, the Schur complement of ``τ`` in ``W⁻²``, and the first row of ``W⁻²`` over its first entry."""
        axis, eta = self.point[:, 1:], self.eta[:, :, None]
        norm = 2 * self.point[:, :1].square() - 1
        rank_one = (2 / norm)[:, :, None] * axis[:, :, None] * axis[:, None, :]
        identity = torch.eye(axis.shape[1], dtype=axis.dtype, device=axis.device)
        return (identity - rank_one) / eta.square(), -2 * self.point[:, :1] * axis / norm


class _NormalEquations:
    """``diag(H_j) + AᵀA``, factored."""

    def __init__(self, programme: TensorProgramme, blocks: Tensor) -> None:
        self.programme, self.blocks = programme, blocks
        dim = blocks.shape[1]
        identity = torch.eye(dim, dtype=blocks.dtype, device=blocks.device)
        shift = _SHIFT * blocks.diagonal(dim1=1, dim2=2).sum(dim=1)
        lower = torch.linalg.cholesky(blocks + shift[:, None, None] * identity)
        self.inverse = torch.linalg.solve_triangular(lower, identity, upper=False)
        self.by_sample = len(programme.target) <= dim * len(blocks)
        inner = self._by_sample() if self.by_sample else self._by_block()
        inner.diagonal().add_(1)
        self.factor = torch.linalg.cholesky(inner)

    def _by_sample(self) -> Tensor:
        """``BBᵀ``, some blocks at a time."""
        size, dim = len(self.programme.target), self.blocks.shape[1]
        inner = self.blocks.new_zeros(size, size)
        for part in self._everything().split(max(1, _CHUNK // (size * dim))):
            rows = self._rows_of_b(part)
            if self.programme.outer is not None:
                outer = self.programme.outer[part].repeat_interleave(dim, dim=0)
                rows = (rows[:, :, None] * outer[:, None, :]).flatten(1)
            inner.addmm_(rows.T, rows)
        return self.programme.centred(self.programme.centred(inner).T)

    def _by_block(self) -> Tensor:
        """``BᵀB``; ``B`` is smaller than a matrix of all pairs of samples and outputs."""
        rows = self.programme.centred(self._rows_of_b(self._everything()).T)
        inner = rows.T @ rows
        if self.programme.outer is not None:
            alike, (k, dim) = self.programme.outer @ self.programme.outer.T, self.blocks.shape[:2]
            inner.view(k, dim, k, dim).mul_(alike[:, None, :, None])
        return inner

    def _rows_of_b(self, index: Tensor) -> Tensor:
        """Rows of ``Bᵀ`` without output directions, not centred: (k d̃, n) for ``k`` blocks."""
        n, dim = self.programme.rows.shape
        rows = (self.inverse[index].reshape(-1, dim) @ self.programme.rows.T).reshape(-1, dim, n)
        return rows.mul_(self.programme.slopes[index][:, None, :]).reshape(-1, n)

    def _everything(self) -> Tensor:
        return torch.arange(len(self.blocks), device=self.blocks.device)

    def solve(self, g: Tensor) -> Tensor:
        """The solution, by conjugate gradients preconditioned with the factors; two steps or so."""
        du, residual, along, previous = torch.zeros_like(g), g, torch.zeros_like(g), math.inf
        for _ in range(_REFINEMENTS):
            rough = self._solve(residual)
            product = float((residual * rough).sum())
            if not product > 0:  # nothing left, or nothing but rounding
                break
            along = rough + product / previous * along
            image = self._apply(along)
            curvature = float((along * image).sum())
            if not curvature > 0:
                break
            du, residual = du + product / curvature * along, residual - product / curvature * image
            previous = product
            if residual.norm() <= _ACCURACY * self.programme.alpha:
                break
        return du

    def _apply(self, u: Tensor) -> Tensor:
        own = (self.blocks @ u[:, :, None])[:, :, 0]
        return own + self.programme.pull(self.programme.push(u))

    def _solve(self, g: Tensor) -> Tensor:
        h = (self.inverse @ g[:, :, None])[:, :, 0]
        if self.by_sample:
            outputs = self.programme.push((self.inverse.mT @ h[:, :, None])[:, :, 0])
            back = self.programme.pull(torch.cholesky_solve(outputs[:, None], self.factor)[:, 0])
            h = h - (self.inverse @ back[:, :, None])[:, :, 0]
        else:
            h = torch.cholesky_solve(h.reshape(-1, 1), self.factor).reshape(h.shape)
        return (self.inverse.mT @ h[:, :, None])[:, :, 0]


def _start(programme: TensorProgramme, slacks: _Slacks) -> _Point:
    """Blocks of zero amid the cones; the values were tuned on a few programmes."""
    n, (m, dim) = max(len(slacks.normals), 1), (len(programme.slopes), programme.rows.shape[1])
    q = torch.eye(1, 1 + dim, dtype=programme.rows.dtype, device=programme.rows.device)
    s = torch.full_like(slacks.sides, 3 / n)
    return _Point(
        s,
        torch.full_like(s, 30 * programme.alpha),
        q.repeat(m, 1),
        programme.alpha * q.repeat(m, 1),
    )


def _iterate(programme: TensorProgramme, slacks: _Slacks, point: _Point) -> Iterate:
    """The point as it would be returned: an infinite gap where it is not feasible."""
    u = point.q[:, 1:]
    if slacks.sides.numel() and float(slacks.of(u).min()) < -_FEASIBLE:
        return Iterate(u, programme.target, math.inf, Status.INACCURATE)
    v = programme.target - programme.push(u)
    bound = (programme.pull(v) + slacks.adjoint(point.multipliers)).norm(dim=1).max()
    gap = programme.gap(u, torch.arange(len(u), device=u.device), v, v, float(bound))
    return Iterate(u, v, gap, Status.INACCURATE, accuracy=_FEASIBLE)


def _settled(
    programme: TensorProgramme, slacks: _Slacks, point: _Point, end: Iterate, gap: float
) -> Iterate:
    """The end with zeros where its blocks tend to zero, if the gap allows.

    Of a block's length and its slack in the dual, one tends to zero on the central path: the one that is smaller,
    in its own unit.
    """
    lengths = end.blocks.norm(dim=1)
    prices = (programme.pull(end.v) + slacks.adjoint(point.multipliers)).norm(dim=1)
    zero = lengths / lengths.max() < 1 - prices / prices.max()
    blocks = end.blocks.masked_fill(zero[:, None], 0.0)
    residual = programme.target - programme.push(blocks)
    index = torch.arange(len(blocks), device=blocks.device)
    reached = programme.gap(blocks, index, residual, end.v, float(prices.max()))
    return Iterate(blocks, end.v, reached, end.status) if reached <= gap else end


def _advance(programme: TensorProgramme, slacks: _Slacks, point: _Point) -> _Point:
    """One predictor–corrector step."""
    scaling = _Scaling.of(point.q, point.z)
    direction = _newton(programme, slacks, point, scaling)
    slack_product, cone_product = (
        point.s * point.multipliers,
        _arrow(scaling.scaled, scaling.scaled),
    )
    affine = direction(-slack_product, -cone_product)
    length = min(1.0, point.longest(affine))
    centre = (point.moved(affine, length).mu() / point.mu()) ** 3 * point.mu()
    cone_target = -cone_product - _arrow(scaling.inverse(affine.q), scaling.apply(affine.z))
    cone_target[:, 0] += centre
    step = direction(centre - slack_product - affine.s * affine.multipliers, cone_target)
    return point.moved(step, min(1.0, _TO_BOUNDARY * point.longest(step)))


def _newton(
    programme: TensorProgramme, slacks: _Slacks, point: _Point, scaling: _Scaling
) -> Callable[[Tensor, Tensor], _Point]:
    """The Newton direction as a function of the targets of ``s∘λ`` and of the scaled cone product."""
    u, weights = point.q[:, 1:], point.multipliers / point.s
    cone, axis = scaling.without_tau()
    system = _NormalEquations(programme, slacks.gram(weights) + cone)
    infeasible = slacks.of(u) - point.s
    gradient = programme.pull(programme.push(u) - programme.target)
    stationary = gradient - slacks.adjoint(point.multipliers) - point.z[:, 1:]

    def direction(slack_target: Tensor, cone_target: Tensor) -> _Point:
        c = scaling.inverse(_arrow_divide(scaling.scaled, cone_target))
        fixed = slack_target / point.s - weights * infeasible
        reduced = c[:, 1:] - axis * c[:, :1]
        du = system.solve(slacks.adjoint(fixed) + reduced - stationary)
        ds = slacks.of(du) + infeasible
        dw = reduced - (cone @ du[:, :, None])[:, :, 0]
        norm = (2 * scaling.point[:, :1].square() - 1) / scaling.eta.square()
        dtau = c[:, :1] / norm - (axis * du).sum(dim=1, keepdim=True)
        return _Point(
            ds,
            (slack_target - point.multipliers * ds) / point.s,
            torch.cat([dtau, du], 1),
            torch.cat([torch.zeros_like(dtau), dw], 1),
        )

    return direction


# Second-order cones, one a row


def _mirror(x: Tensor) -> Tensor:
    """``Jx``: all but the first entry change sign."""
    return torch.cat([x[:, :1], -x[:, 1:]], 1)


def _size(x: Tensor) -> Tensor:
    """``√(xᵀJx)``, of shape (m, 1)."""
    norm = x[:, 1:].norm(dim=1, keepdim=True)
    return ((x[:, :1] - norm) * (x[:, :1] + norm)).sqrt()


def _rotate(point: Tensor, x: Tensor) -> Tensor:
    """The symmetric hyperbolic rotation that maps ``e`` to a point of size 1, applied to ``x``."""
    along = (point[:, 1:] * x[:, 1:]).sum(dim=1, keepdim=True)
    first = point[:, :1] * x[:, :1] + along
    return torch.cat([first, x[:, 1:] + (x[:, :1] + along / (1 + point[:, :1])) * point[:, 1:]], 1)


def _arrow(x: Tensor, y: Tensor) -> Tensor:
    """Jordan product ``x∘y``."""
    first = (x * y).sum(dim=1, keepdim=True)
    return torch.cat([first, x[:, :1] * y[:, 1:] + y[:, :1] * x[:, 1:]], 1)


def _arrow_divide(x: Tensor, y: Tensor) -> Tensor:
    """The solution ``v`` of ``x∘v = y``."""
    first = (x * _mirror(y)).sum(dim=1, keepdim=True) / _size(x).square()
    return torch.cat([first, (y[:, 1:] - first * x[:, 1:]) / x[:, :1]], 1)


def _cone_rate(x: Tensor, dx: Tensor) -> Tensor:
    """Largest inverse of a length at which ``x + length dx`` leaves its cone."""
    size = _size(x)
    unit, dx = x / size, dx / size
    along = (unit * _mirror(dx)).sum(dim=1, keepdim=True)
    side = dx[:, 1:] - (along + dx[:, :1]) / (unit[:, :1] + 1) * unit[:, 1:]
    return (side.norm(dim=1) - along[:, 0]).max()
