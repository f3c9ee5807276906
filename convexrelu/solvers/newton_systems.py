"""Newton systems of the augmented Lagrangian: ``(I + τ Σ_j A_j J_j A_jᵀ) Δ = −g``.

``J_j`` is the derivative of ``z → shrink(projection of z on K_j)`` at an active block. With ``Q`` an
orthonormal basis of the face that holds the projection ``p``, and ``θ = 1 − τ alpha/‖p‖``::

    J = θ QQᵀ + (1 − θ) p̂p̂ᵀ

The system has one row a sample. Where the faces have fewer dimensions in all than there are samples, it is solved
through the other side (Sherman, Morrison & Woodbury), which has one row a dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from convexrelu.solvers.cone_projection import ConeProjector
from convexrelu.solvers.tensors import TensorProgramme

__all__ = ["ActiveBlocks", "ConeSystem", "GatedSystem", "NewtonSystem"]


@dataclass(frozen=True, eq=False)
class ActiveBlocks:
    """The blocks that are not zero after shrinking.

    Attributes
    ----------
    index : integer tensor of shape (k,)
        Their positions.
    directions : tensor of shape (k, d̃)
        ``p̂``, of unit length.
    shrink : tensor of shape (k,)
        ``θ`` in (0, 1).
    """

    index: Tensor
    directions: Tensor
    shrink: Tensor

    def __len__(self) -> int:
        return len(self.index)


class NewtonSystem(Protocol):
    """Solves ``(I + τ Σ_j A_j J_j A_jᵀ) Δ = −g``."""

    def direction(self, gradient: Tensor, active: ActiveBlocks, tau: float) -> Tensor:
        """``Δ`` of shape (n,) for a centred gradient."""
        ...


class ConeSystem:
    """Blocks in cones: few dimensions, different ones at every step.

    ``J = CCᵀ`` with ``C = √θ Q + (1 − √θ) p̂p̂ᵀQ``; the system is ``I + τBBᵀ`` with ``B = [A_j C_j]_j``, of ``r``
    columns in all.

    Notes
    -----
    ``n r d̃ + n r min(n, r) + min(n, r)³/3`` operations and ``8 n min(n, r)`` bytes, twice.
    """

    def __init__(self, programme: TensorProgramme, cones: ConeProjector) -> None:
        self.programme = programme
        self.cones = cones

    def direction(self, gradient: Tensor, active: ActiveBlocks, tau: float) -> Tensor:
        """``Δ`` of shape (n,)."""
        block, columns = self._factors(active)
        if len(columns) < len(gradient):
            B = self._outputs(active.index[block], columns)
            K = B.T @ B
            K.diagonal().add_(1 / tau)
            return B @ _solve(K, B.T @ gradient) - gradient
        K = torch.eye(len(gradient), dtype=gradient.dtype, device=gradient.device)
        for part in torch.arange(len(columns), device=K.device).split(len(gradient)):
            B = self._outputs(active.index[block[part]], columns[part])
            K.addmm_(B, B.T, alpha=tau)
        return -_solve(K, gradient)

    def _factors(self, active: ActiveBlocks) -> tuple[Tensor, Tensor]:
        """The columns of all ``C_j``, of shape (r, d̃), and to which active block each belongs."""
        normals, n_held = self.cones.normals(active.index)
        # The active normals come first, so the rest of a complete basis spans the face.
        basis = torch.linalg.qr(normals.transpose(1, 2), mode="complete").Q
        root = active.shrink.sqrt()[:, None, None]
        p = active.directions[:, :, None]
        factors = root * basis + (1 - root) * (p @ (p.transpose(1, 2) @ basis))
        in_face = torch.arange(basis.shape[2], device=basis.device) >= n_held[:, None]
        block, column = in_face.nonzero(as_tuple=True)
        return block, factors[block, :, column]

    def _outputs(self, index: Tensor, columns: Tensor) -> Tensor:
        """``A_j c`` for every column ``c``, of shape (n, r)."""
        programme = self.programme
        return programme.centred((programme.rows @ columns.T) * programme.masks[index].T)


class GatedSystem:
    """Blocks without cones: all dimensions of the active blocks, which change little from step to step.

    On the side of the samples::

        Σ_j A_j J_j A_jᵀ = (RRᵀ) ∘ (Σ_j θ_j m_j m_jᵀ) + Σ_j (1 − θ_j) (A_j p̂_j)(A_j p̂_j)ᵀ

    with ``m_j`` the pattern of block ``j``: ``d̃`` times cheaper than from the columns of ``A_j``. On the side of
    the blocks the matrix is ``AᵀA + diag(J_j⁻¹)/τ``, whose first part, the Gram matrix of the active blocks, is
    kept and extended as blocks become active.

    Notes
    -----
    ``n² k + n³/3`` operations for ``k`` active blocks on the first side, ``(k d̃)³/3`` on the second,
    besides ``n k d̃²`` for each new block. ``8 min(n, k d̃)²`` bytes, three times.
    """

    def __init__(self, programme: TensorProgramme) -> None:
        self.programme = programme
        self._row_gram: Tensor | None = None
        self._columns = programme.rows.new_zeros((len(programme.rows), 0))
        self._gram = programme.rows.new_zeros((0, 0))
        self._known = torch.zeros(0, dtype=torch.long, device=programme.rows.device)

    def direction(self, gradient: Tensor, active: ActiveBlocks, tau: float) -> Tensor:
        """``Δ`` of shape (n,)."""
        n, dim = self.programme.rows.shape
        if len(active) * dim < n:
            return self._from_blocks(gradient, active, tau)
        return self._from_samples(gradient, active, tau)

    def _from_samples(self, gradient: Tensor, active: ActiveBlocks, tau: float) -> Tensor:
        programme = self.programme
        if self._row_gram is None:
            self._row_gram = programme.rows @ programme.rows.T
        masks = programme.masks[active.index]
        K = (masks * (tau * active.shrink)[:, None]).T @ masks
        K.mul_(self._row_gram)
        along = (programme.rows @ active.directions.T) * masks.T
        along *= (tau * (1 - active.shrink)).sqrt()
        K.addmm_(along, along.T)
        K = programme.centred(programme.centred(K).T)
        K.diagonal().add_(1.0)
        return -_solve(K, gradient)

    def _from_blocks(self, gradient: Tensor, active: ActiveBlocks, tau: float) -> Tensor:
        programme, dim = self.programme, self.programme.rows.shape[1]
        K = self._gram_of(active.index)
        inverse = (1 - 1 / active.shrink)[:, None, None] * (
            active.directions[:, :, None] * active.directions[:, None, :]
        )
        inverse.diagonal(dim1=1, dim2=2).add_((1 / active.shrink)[:, None])
        diagonal = K.view(len(active), dim, len(active), dim).diagonal(dim1=0, dim2=2)
        diagonal.add_(inverse.permute(1, 2, 0), alpha=1 / tau)
        wanted = programme.pull(gradient, active.index)
        solved = _solve(K, wanted.reshape(-1)).reshape(-1, dim)
        return programme.push(solved, active.index) - gradient

    def _gram_of(self, index: Tensor) -> Tensor:
        """A copy of ``A_iᵀA_j`` over the blocks in `index`."""
        self._learn(index[~torch.isin(index, self._known)], index)
        position = torch.zeros(len(self.programme.masks), dtype=torch.long, device=index.device)
        position[self._known] = torch.arange(len(self._known), device=index.device)
        entries = _entries(position[index], self.programme.rows.shape[1])
        return self._gram[entries[:, None], entries]

    def _learn(self, new: Tensor, needed: Tensor) -> None:
        """Extend the Gram matrix by `new` blocks, forgetting idle ones where it would pass ``n`` rows."""
        if len(new) == 0:
            return
        n, dim = self.programme.rows.shape
        if (len(self._known) + len(new)) * dim > n:
            kept = torch.isin(self._known, needed).nonzero()[:, 0]
            entries = _entries(kept, dim)
            self._known, self._columns = self._known[kept], self._columns[:, entries]
            self._gram = self._gram[entries[:, None], entries]
        masks = self.programme.masks[new].T
        columns = (masks[:, :, None] * self.programme.rows[:, None, :]).reshape(n, -1)
        columns = self.programme.centred(columns)
        cross, own = self._columns.T @ columns, columns.T @ columns
        self._gram = torch.cat([torch.cat([self._gram, cross], 1), torch.cat([cross.T, own], 1)])
        self._columns = torch.cat([self._columns, columns], 1)
        self._known = torch.cat([self._known, new])


def _entries(blocks: Tensor, dim: int) -> Tensor:
    return (blocks[:, None] * dim + torch.arange(dim, device=blocks.device)).reshape(-1)


def _solve(matrix: Tensor, wanted: Tensor) -> Tensor:
    """``matrix⁻¹ wanted`` for a positive definite matrix, which is lost."""
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if failed:  # to rounding not positive definite: enough of the diagonal makes it so
        noise = len(matrix) * torch.finfo(matrix.dtype).eps * matrix.diagonal().max()
        matrix.diagonal().add_(noise)
        factor = torch.linalg.cholesky(matrix)
    return torch.cholesky_solve(wanted[:, None], factor)[:, 0]
