"""Slacks and second-order cones: the building blocks of interior-point methods for finite programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from convexrelu._utils.torch_import import Tensor, torch

__all__ = ["ConePoint", "Scaling", "Slacks", "arrow", "arrow_divide", "starting_point"]

# Entries of the products of all pairs of columns up to which weights of all blocks go over them at once, twice to ten
# times as fast as block by block. For 2000 × 50 both take as long, for 1000 × 300 that takes six times as long.
_MOST_SQUARES = 2**22


class Slacks:
    """The map ``u → (N_j u_j)_j`` and products of its rows: those of ``(2D_j − I) X̃``, all of one length.

    Parameters
    ----------
    rows : tensor of shape (n, d̃)
        ``X̃`` in any scale; rows of zeros are left out.
    inside : boolean tensor of shape (B, n)
        Patterns.
    """

    def __init__(self, rows: Tensor, inside: Tensor) -> None:
        lengths = torch.linalg.vector_norm(rows, dim=1)
        kept = lengths.nonzero()[:, 0]
        self.normals = rows[kept] / (lengths[kept, None] * max(len(kept), 1) ** 0.5)
        self.sides = torch.where(inside[:, kept], 1.0, -1.0).to(rows.dtype)
        self._squares = self._all_squares() if self._has_few_squares() else None

    def _has_few_squares(self) -> bool:
        return self.normals.numel() * self.normals.shape[1] <= _MOST_SQUARES

    def _all_squares(self) -> Tensor:
        """``n_i n_iᵀ`` of all rows, flat."""
        return (self.normals[:, :, None] * self.normals[:, None, :]).flatten(1)

    def of(self, u: Tensor) -> Tensor:
        """``N_j u_j``, of shape (B, n)."""
        return self.sides * (u @ self.normals.T)

    def adjoint(self, multipliers: Tensor) -> Tensor:
        """``N_jᵀλ_j``, of shape (B, d̃)."""
        return (self.sides * multipliers) @ self.normals

    def gram(self, weights: Tensor) -> Tensor:
        """``N_jᵀ diag(weights_j) N_j``, of shape (B, d̃, d̃)."""
        dim = self.normals.shape[1]
        if self._squares is not None:
            return (weights @ self._squares).reshape(-1, dim, dim)
        return torch.stack([(self.normals.T * own) @ self.normals for own in weights])


@dataclass(frozen=True, eq=False)
class ConePoint:
    """Slacks, their multipliers, and the cones' ``(τ, u)`` and ``(alpha, w)``."""

    s: Tensor
    multipliers: Tensor
    q: Tensor
    z: Tensor

    def moved(self, step: ConePoint, length: float) -> ConePoint:
        """The point `length` along a step."""
        pairs = zip(vars(self).values(), vars(step).values(), strict=True)
        return ConePoint(*(x + length * dx for x, dx in pairs))

    def mu(self) -> float:
        """Mean complementarity over slacks and cones."""
        total = (self.s * self.multipliers).sum() + (self.q * self.z).sum()
        return float(total) / (self.s.numel() + len(self.q))

    def rate(self, step: ConePoint) -> float:
        """Inverse of the length at which a step leaves a cone; infinite at the boundary."""
        rates = [cone_rate(self.q, step.q), cone_rate(self.z, step.z)]
        if self.s.numel():
            rates += [-(step.s / self.s).min(), -(step.multipliers / self.multipliers).min()]
        return max(1e-16, *map(float, rates))


class Scaling(NamedTuple):
    """Nesterov–Todd scalings ``W``: ``eta`` times the hyperbolic rotation to `point`, one per cone."""

    point: Tensor
    eta: Tensor
    scaled: Tensor  # W z = W⁻¹q

    @classmethod
    def of(cls, q: Tensor, z: Tensor) -> Scaling:
        """Scalings for points inside their cones."""
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


def starting_point(slacks: Slacks, alpha: float) -> ConePoint:
    """Blocks of zero in the middle of the cones; the values were tuned on a few programs."""
    normals, n_blocks = slacks.normals, len(slacks.sides)
    n, dim = max(len(normals), 1), normals.shape[1]
    q = torch.eye(1, 1 + dim, dtype=normals.dtype, device=normals.device)
    s = torch.full_like(slacks.sides, 3 / n)
    return ConePoint(
        s,
        torch.full_like(s, 30 * alpha),
        q.repeat(n_blocks, 1),
        alpha * q.repeat(n_blocks, 1),
    )


# Second-order cones, one per row


def _mirror(x: Tensor) -> Tensor:
    """``Jx``: all but the first entry change sign."""
    return torch.cat([x[:, :1], -x[:, 1:]], 1)


def _size(x: Tensor) -> Tensor:
    """``√(xᵀJx)``, of shape (m, 1)."""
    norm = torch.linalg.vector_norm(x[:, 1:], dim=1, keepdim=True)
    return ((x[:, :1] - norm) * (x[:, :1] + norm)).sqrt()


def _rotate(point: Tensor, x: Tensor) -> Tensor:
    """The symmetric hyperbolic rotation that maps ``e`` to a point of size 1, applied to ``x``."""
    along = (point[:, 1:] * x[:, 1:]).sum(dim=1, keepdim=True)
    first = point[:, :1] * x[:, :1] + along
    return torch.cat([first, x[:, 1:] + (x[:, :1] + along / (1 + point[:, :1])) * point[:, 1:]], 1)


def arrow(x: Tensor, y: Tensor) -> Tensor:
    """Jordan product ``x∘y``."""
    first = (x * y).sum(dim=1, keepdim=True)
    return torch.cat([first, x[:, :1] * y[:, 1:] + y[:, :1] * x[:, 1:]], 1)


def arrow_divide(x: Tensor, y: Tensor) -> Tensor:
    """The solution ``v`` of ``x∘v = y``."""
    first = (x * _mirror(y)).sum(dim=1, keepdim=True) / _size(x).square()
    return torch.cat([first, (y[:, 1:] - first * x[:, 1:]) / x[:, :1]], 1)


def cone_rate(x: Tensor, dx: Tensor) -> Tensor:
    """Largest inverse of a length at which ``x + length dx`` leaves its cone."""
    size = _size(x)
    unit, dx = x / size, dx / size
    along = (unit * _mirror(dx)).sum(dim=1, keepdim=True)
    side = dx[:, 1:] - (along + dx[:, :1]) / (unit[:, :1] + 1) * unit[:, 1:]
    return (torch.linalg.vector_norm(side, dim=1) - along[:, 0]).max()
