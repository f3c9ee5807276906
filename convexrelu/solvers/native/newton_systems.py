"""Newton systems of the augmented Lagrangian: ``(I + τ Σ_j A_j J_j A_jᵀ) Δ = −g``.

``J_j`` is the derivative of ``z → shrink(projection of z on K_j)`` at an active block. With ``Q`` an
orthonormal basis of the face that holds the projection ``p``, and ``θ = 1 − τ alpha/‖p‖``::

    J = θ QQᵀ + (1 − θ) p̂p̂ᵀ

The system has one row for each sample and output. If the faces have fewer dimensions in total, it is solved through
the other side (Sherman, Morrison & Woodbury), which has one row per dimension.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from scipy.linalg import get_blas_funcs

from convexrelu._utils.torch_import import Tensor, torch
from convexrelu.patterns.cone_projection import ConeProjector
from convexrelu.solvers.native.cholesky import cholesky_factor
from convexrelu.solvers.native.tensor_program import TensorProgram

# From this many samples on, systems on their side are not factorised at every step.
_LARGE = 2000
# Conjugate gradient steps with a factor of an earlier system, before it is replaced, and with a new one; no
# measurement is recorded.
_FEW_REFINEMENTS, _MANY_REFINEMENTS = 8, 20
_FORCING = 1e-2  # largest relative residual of a Newton step; no measurement is recorded
# Number of samples per dimension of the active blocks from which their Gram matrix is worth keeping.
_MANY_SAMPLES = 8

__all__ = ["ActiveBlocks", "ConeSystem", "GatedSystem", "NewtonSystem"]


@dataclass(frozen=True, eq=False)
class ActiveBlocks:
    """The blocks that are nonzero after shrinking.

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
        """``Δ`` of shape (nK,) for a centred gradient."""
        ...

    def work(self, active: ActiveBlocks) -> float:
        """Multiplications of `direction`, which cannot be interrupted."""
        ...


class ConeSystem:
    """Blocks in cones: few dimensions, different ones at every step.

    ``J = CCᵀ`` with ``C = √θ Q + (1 − √θ) p̂p̂ᵀQ``; the system is ``I + τBBᵀ`` with ``B = [A_j C_j]_j``, of ``r``
    columns in all. With several outputs the columns are ``b_c ⊗ g_c``, and ``BᵀB`` is the Gram matrix of the ``b_c``
    times that of the ``g_c``, entry by entry.

    Notes
    -----
    With ``m = nK``, ``n r d̃ + m r min(m, r) + min(m, r)³/3`` operations and ``8 m min(m, r)`` bytes, twice; ``n r²``
    in the middle where ``r < m``. With many more samples than dimensions ``k d̃`` of the ``k`` active blocks, the Gram
    matrix of these is kept from step to step, and ``BᵀB`` comes from it in ``(k d̃)² r`` operations.
    """

    def __init__(self, program: TensorProgram, cones: ConeProjector) -> None:
        self.program = program
        self.cones = cones
        self._gram: _BlockGram | None = None

    def direction(self, gradient: Tensor, active: ActiveBlocks, tau: float) -> Tensor:
        """``Δ`` of shape (n,)."""
        block, columns = self._factors(active)
        if len(active) * columns.shape[1] * _MANY_SAMPLES < len(gradient):
            return self._from_gram(gradient, active, tau, block, columns)
        if len(columns) < len(gradient):
            B = _Columns(self.program, active.index[block], columns)
            K = B.gram()
            K.diagonal().add_(1 / tau)
            return B.times(_solve(K, B.adjoint(gradient))) - gradient
        K = torch.eye(len(gradient), dtype=gradient.dtype, device=gradient.device)
        for part in torch.arange(len(columns), device=K.device).split(len(gradient)):
            B = _Columns(self.program, active.index[block[part]], columns[part])
            _add_gram(K, B.dense().T, tau)
        return -_solve(K, gradient)

    def work(self, active: ActiveBlocks) -> float:
        """For the faces on which the blocks are now."""
        n, dim = self.program.rows.shape
        size, columns = len(self.program.target), self.cones.n_dimensions(active.index)
        side = float(min(columns, size))
        return n * columns * dim + (size * columns + side**2 / 3) * side

    def _from_gram(
        self, gradient: Tensor, active: ActiveBlocks, tau: float, block: Tensor, columns: Tensor
    ) -> Tensor:
        if self._gram is None:
            self._gram = _BlockGram(self.program)
        (k, dim), r = (len(active), columns.shape[1]), len(columns)
        C = columns.new_zeros(k, dim, r)
        C[block, :, torch.arange(r, device=block.device)] = columns
        C = C.reshape(k * dim, r)
        K = C.T @ (self._gram.of(active.index) @ C)
        K.diagonal().add_(1 / tau)
        wanted = C.T @ self.program.pull(gradient, active.index).reshape(-1)
        solved = C @ _solve(K, wanted)
        return self.program.push(solved.reshape(k, dim), active.index) - gradient

    def _factors(self, active: ActiveBlocks) -> tuple[Tensor, Tensor]:
        """The columns of all ``C_j``, of shape (r, d̃), and the active block of each."""
        normals, n_held = self.cones.normals(active.index)
        # The active normals come first, so the rest of a complete basis spans the face.
        basis = torch.linalg.qr(normals.transpose(1, 2), mode="complete").Q
        root = active.shrink.sqrt()[:, None, None]
        p = active.directions[:, :, None]
        factors = root * basis + (1 - root) * (p @ (p.transpose(1, 2) @ basis))
        in_face = torch.arange(basis.shape[2], device=basis.device) >= n_held[:, None]
        block, column = in_face.nonzero(as_tuple=True)
        return block, factors[block, :, column]


class _Columns:
    """``A_j c`` for every column ``c``, one a row: of shape (r, n), and their output directions for several outputs.

    Parameters
    ----------
    program : TensorProgram
    index : integer tensor of shape (r,)
        The block of each column.
    columns : tensor of shape (r, d̃)
    """

    def __init__(self, program: TensorProgram, index: Tensor, columns: Tensor) -> None:
        # One column of B after the other in memory: rows of slopes are copied, not gathered, and all is twice as fast.
        outputs = (columns @ program.rows.T).mul_(program.slopes[index])
        self.outputs = program.centred(outputs.T).T
        self.outer = None if program.outer is None else program.outer[index]

    def gram(self) -> Tensor:
        """``BᵀB``, of which the lower half may be all."""
        gram = self.outputs.new_zeros((len(self.outputs), len(self.outputs)))
        _add_gram(gram, self.outputs, 1.0)
        return gram if self.outer is None else gram.mul_(self.outer @ self.outer.T)

    def times(self, x: Tensor) -> Tensor:
        """``Bx``, of shape (nK,)."""
        if self.outer is None:
            return x @ self.outputs
        return (self.outputs.T @ (x[:, None] * self.outer)).flatten()

    def adjoint(self, v: Tensor) -> Tensor:
        """``Bᵀv``, of shape (r,)."""
        if self.outer is None:
            return self.outputs @ v
        return ((self.outputs @ v.view(self.outputs.shape[1], -1)) * self.outer).sum(dim=1)

    def dense(self) -> Tensor:
        """``Bᵀ``, of shape (r, nK)."""
        if self.outer is None:
            return self.outputs
        return (self.outputs[:, :, None] * self.outer[:, None, :]).flatten(1)


class GatedSystem:
    """Blocks without cones: all dimensions of the active blocks, which change little from step to step.

    On the side of the samples::

        Σ_j A_j J_j A_jᵀ = (RRᵀ) ∘ (Σ_j θ_j m_j m_jᵀ) + Σ_j (1 − θ_j) (A_j p̂_j)(A_j p̂_j)ᵀ

    with ``m_j`` the pattern of block ``j``: ``d̃`` times cheaper than from the columns of ``A_j``. From 2000 samples
    on, a factor in float32 serves several steps as the preconditioner of conjugate gradients. On the side of
    the blocks the matrix is ``AᵀA + diag(J_j⁻¹)/τ``, whose first part, the Gram matrix of the active blocks, is
    kept and extended as blocks become active.

    Notes
    -----
    ``n² k + n³/3`` operations for ``k`` active blocks on the first side, ``(k d̃)³/3`` on the second,
    besides ``n k d̃²`` for each new block. ``8 n min(n, B d̃)`` bytes, three times.
    """

    def __init__(self, program: TensorProgram) -> None:
        self.program = program
        self._row_gram: Tensor | None = None
        self._factor: Tensor | None = None
        self._gram = _BlockGram(program)

    def direction(self, gradient: Tensor, active: ActiveBlocks, tau: float) -> Tensor:
        """``Δ`` of shape (n,)."""
        n, dim = self.program.rows.shape
        if len(active) * dim < n:
            return self._from_blocks(gradient, active, tau)
        if n < _LARGE:
            return -_solve(self._matrix(active, tau), gradient)
        return self._by_conjugate_gradients(gradient, active, tau)

    def work(self, active: ActiveBlocks) -> float:
        """With what is not known of the Gram matrices, but without conjugate gradients."""
        n, dim = self.program.rows.shape
        columns = float(len(active) * dim)
        if columns < n:
            return n * columns * self._gram.n_unknown(active.index) * dim + columns**3 / 3
        if n >= _LARGE and self._factor is not None:
            return _FEW_REFINEMENTS * float(n) ** 2
        return float(n) ** 2 * (len(active) * 2 + (dim if self._row_gram is None else 0) + n / 3)

    def _by_conjugate_gradients(self, gradient: Tensor, active: ActiveBlocks, tau: float) -> Tensor:
        """Conjugate gradients, preconditioned by a float32 factor that is kept while it is useful."""
        if self._factor is not None:
            solved = self._refine(self._factor, gradient, active, tau, _FEW_REFINEMENTS)
            if solved is not None:
                return -solved
        matrix = self._matrix(active, tau)
        self._factor = torch.linalg.cholesky_ex(matrix.to(torch.float32))[0]
        solved = self._refine(self._factor, gradient, active, tau, _MANY_REFINEMENTS)
        return -_solve(matrix, gradient) if solved is None else -solved

    def _refine(
        self, factor: Tensor, wanted: Tensor, active: ActiveBlocks, tau: float, n_steps: int
    ) -> Tensor | None:
        """The solution, more accurate the smaller the right-hand side, or None after `n_steps`."""
        size = float(wanted.norm())
        allowed = min(_FORCING, size**0.5) * size
        solved, residual = torch.zeros_like(wanted), wanted
        along, last = torch.zeros_like(wanted), math.inf
        for _ in range(n_steps):
            rough = torch.cholesky_solve(residual.to(torch.float32)[:, None], factor)[:, 0]
            rough = self.program.centred(rough.to(wanted.dtype))
            product = float(residual @ rough)
            along = rough + product / last * along
            image = self._apply(along, active, tau)
            curvature = float(along @ image)
            if not (product > 0 and curvature > 0):
                return None
            solved = solved + product / curvature * along
            residual = residual - product / curvature * image
            last = product
            if float(residual.norm()) <= allowed:
                return solved
        return None

    def _apply(self, x: Tensor, active: ActiveBlocks, tau: float) -> Tensor:
        """``x + τ Σ_j A_j J_j A_jᵀ x``."""
        pulled = self.program.pull(x, active.index)
        along = (pulled * active.directions).sum(dim=1) * (1 - active.shrink)
        pulled = active.shrink[:, None] * pulled + along[:, None] * active.directions
        return torch.add(x, self.program.push(pulled, active.index), alpha=tau)

    def _matrix(self, active: ActiveBlocks, tau: float) -> Tensor:
        """The system on the side of the samples."""
        program = self.program
        if self._row_gram is None:
            self._row_gram = program.rows @ program.rows.T
        masks = program.slopes[active.index]
        K = (masks * (tau * active.shrink)[:, None]).T @ masks
        K.mul_(self._row_gram)
        along = (program.rows @ active.directions.T) * masks.T
        along *= (tau * (1 - active.shrink)).sqrt()
        K.addmm_(along, along.T)
        K = program.centred(program.centred(K).T)
        K.diagonal().add_(1.0)
        return K

    def _from_blocks(self, gradient: Tensor, active: ActiveBlocks, tau: float) -> Tensor:
        program, dim = self.program, self.program.rows.shape[1]
        K = self._gram.of(active.index)
        inverse = (1 - 1 / active.shrink)[:, None, None] * (
            active.directions[:, :, None] * active.directions[:, None, :]
        )
        inverse.diagonal(dim1=1, dim2=2).add_((1 / active.shrink)[:, None])
        diagonal = K.view(len(active), dim, len(active), dim).diagonal(dim1=0, dim2=2)
        diagonal.add_(inverse.permute(1, 2, 0), alpha=1 / tau)
        wanted = program.pull(gradient, active.index)
        solved = _solve(K, wanted.reshape(-1)).reshape(-1, dim)
        return program.push(solved, active.index) - gradient


class _BlockGram:
    """The Gram matrix of active blocks, kept and extended as blocks become active."""

    def __init__(self, program: TensorProgram) -> None:
        self.program = program
        # Room for the largest Gram matrix and the columns behind it; pages are not touched before they are needed.
        n, dim = program.rows.shape
        size = min(len(program.target), dim * len(program.slopes))
        self._columns = program.rows.new_empty((size, n))
        self._gram = program.rows.new_empty((size, size))
        self._known = torch.zeros(0, dtype=torch.long, device=program.rows.device)

    def of(self, index: Tensor) -> Tensor:
        """A copy of ``A_iᵀA_j`` over the blocks in `index`."""
        self._learn(index[~torch.isin(index, self._known)], index)
        position = torch.zeros(len(self.program.slopes), dtype=torch.long, device=index.device)
        position[self._known] = torch.arange(len(self._known), device=index.device)
        entries = _entries(position[index], self.program.rows.shape[1])
        return self._gram[entries].index_select(1, entries)

    def n_unknown(self, index: Tensor) -> int:
        """How many of these blocks are new."""
        return int((~torch.isin(index, self._known)).sum())

    def _learn(self, new: Tensor, needed: Tensor) -> None:
        """Extend the Gram matrix by `new` blocks, forgetting idle ones where it would exceed ``nK`` rows."""
        if len(new) == 0:
            return
        n, dim = self.program.rows.shape
        if (len(self._known) + len(new)) * dim > len(self.program.target):
            self._forget(torch.isin(self._known, needed).nonzero()[:, 0])
        old, size = len(self._known) * dim, (len(self._known) + len(new)) * dim
        slopes = self.program.slopes[new]
        columns = (slopes[:, None, :] * self.program.rows.T).reshape(-1, n)
        self._columns[old:size] = self.program.centred(columns.T).T
        self._known = torch.cat([self._known, new])
        gram = self._columns[:size] @ self._columns[old:size].T
        if self.program.outer is not None:
            alike = self.program.outer[self._known] @ self.program.outer[new].T
            gram.view(-1, dim, len(new), dim).mul_(alike[:, None, :, None])
        self._gram[:size, old:size] = gram
        self._gram[old:size, :old] = gram[:old].T

    def _forget(self, kept: Tensor) -> None:
        """Keep the known blocks at the positions `kept` only."""
        entries = _entries(kept, self.program.rows.shape[1])
        size = len(entries)
        self._known = self._known[kept]
        self._columns[:size] = self._columns[entries]
        self._gram[:size, :size] = self._gram[entries].index_select(1, entries)


def _add_gram(matrix: Tensor, rows: Tensor, factor: float) -> None:
    """Add ``factor · MMᵀ`` to a matrix, where it is not on a device only to its lower half: all that is factorised.

    `M` may be the transpose of an array in C's order. SciPy's product of half the work takes a quarter to a half of the
    time of torch's, which does both halves.
    """
    if not (matrix.is_cpu and rows.numel()):  # SciPy refuses empty arrays
        matrix.addmm_(rows, rows.T, alpha=factor)
        return
    (add,) = get_blas_funcs(("syrk",), (matrix.numpy(),))
    # In Fortran's order rows are columns, and the lower half is the upper one.
    across = rows.is_contiguous()
    columns = (rows.T if across else rows).numpy()
    add(factor, columns, 1.0, matrix.numpy().T, trans=int(across), lower=0, overwrite_c=1)


def _entries(blocks: Tensor, dim: int) -> Tensor:
    return (blocks[:, None] * dim + torch.arange(dim, device=blocks.device)).reshape(-1)


def _solve(matrix: Tensor, wanted: Tensor) -> Tensor:
    """``matrix⁻¹ wanted`` for a matrix that is positive definite up to rounding."""
    return torch.cholesky_solve(wanted[:, None], cholesky_factor(matrix))[:, 0]
