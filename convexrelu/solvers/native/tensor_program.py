"""Finite programs as tensors, in suitable units: the data of the native solvers."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import norms
from convexrelu._utils.torch_import import Tensor, torch
from convexrelu._utils.typing import Array
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.problem.units import LARGEST_ALPHA
from convexrelu.programs.blocks import Blocks, ProgramSolution
from convexrelu.results.status import Status

__all__ = ["Iterate", "TensorProgram"]


@dataclass(frozen=True, eq=False)
class Iterate:
    """Result of a native solver.

    Attributes
    ----------
    blocks : tensor of shape (B, d̃)
    v : tensor of shape (nK,)
        Dual point.
    gap : float
        Relative duality gap of the two.
    status : Status
        ``CONVERGED``, ``INACCURATE`` where no further progress was made, or ``USER_LIMIT``.
    accuracy : float
        Relative gap to which blocks that should be zero are approximately so; 0 if they are exactly zero.
    """

    blocks: Tensor
    v: Tensor
    gap: float
    status: Status
    accuracy: float = 0.0


class TensorProgram:
    """``min ½‖Σ_j A_j u_j − t‖² + alpha Σ_j ‖u_j‖``, with ``u_j`` in a cone ``K_j`` or without cones.

    ``A_j = g_j ⊗ E_j R`` with ``E_j = D_j + slope (I − D_j)``, where row ``i`` of ``R`` is ``√s_i x̃_i / ρ``, and
    ``t_i = √s_i (y_i − c₀)/τ``. The scales ``ρ`` and ``τ`` make ``‖R‖ = ‖t‖ = 1``. An output intercept is eliminated:
    ``A_j`` and ``t`` are meant after the projection orthogonal to ``√s``, which :meth:`centred` applies.

    Outputs, targets and dual points are vectors of ``nK`` entries, those of one sample next to each other. With one
    output ``g_j`` is a sign and becomes part of ``E_j``. With several, ``A_j u = (E_j R u) g_jᵀ`` and
    ``A_jᵀ V = RᵀE_j V g_j``: two products of the size of one output's each.

    The dual is ``max_v tᵀv − ½‖v‖²`` under ``‖projection of A_jᵀv on K_j‖ ≤ alpha``; at the optimum
    ``v = t − Σ_j A_j u_j``.

    Parameters
    ----------
    problem : TrainingProblem
        Without samples of weight zero, with squared error.
    blocks : Blocks
        Patterns ``D_j`` and signs, or unit vectors, ``g_j``.
    cones : bool
        Whether there are cones ``K_j = {u : (2D_j − I) X̃u ≥ 0}`` (ReLU) or none (gated).
    device : str
        A torch device.
    dtype : torch.dtype

    Attributes
    ----------
    rows : tensor of shape (n, d̃)
        ``R``.
    slopes : tensor of shape (B, n)
        The diagonals of ``E_j``, one row per block; ``g_j E_j`` for one output.
    outer : tensor of shape (B, K), or None
        ``g_j`` for several outputs.
    target : tensor of shape (nK,)
        ``t``.
    alpha : float
        The penalty in these units.

    Raises
    ------
    ValueError
        If the loss is not the squared error, or for several outputs without cones.

    Notes
    -----
    Memory ``8 B n`` bytes in float64 for the patterns (and ``B n`` more with cones, ``8 B n`` for several outputs);
    no array of ``n × B × d̃`` or ``n × B × K``.
    """

    def __init__(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        cones: bool,
        device: str = "cpu",
        dtype: torch.dtype = torch.float64,
    ) -> None:
        if not problem.loss.is_least_squares:
            raise ValueError(
                f"a TensorProgram does not support loss={problem.loss.name!r}; use solver='cvxpy:CLARABEL'"
            )
        if problem.n_outputs > 1 and not cones:
            raise ValueError(
                "activation='gated_relu' does not support several outputs: over a pattern "
                "the penalty would be a nuclear norm"
            )
        self.problem = problem
        self.cones = cones
        self.blocks = blocks
        self._rho, center, self._tau, _ = problem.units()
        root = np.sqrt(problem.weights)
        if problem.free_bias:  # the last column is large, but what matters are the others
            self._rho = float(norms((root[:, None] * problem.design[:, :-1]).ravel())) or 1.0
        rows = root[:, None] * problem.design / self._rho
        target = (root * (problem.y - center).T).T / self._tau

        def tensor(array: NDArray[Any]) -> Tensor:
            return torch.as_tensor(array).to(device).to(dtype)  # masks are sent as single bytes

        self.rows = tensor(rows)
        # Products with few rows and many columns are twice as fast as with many rows and few columns.
        self._features = self.rows.T.contiguous()
        self.target = tensor(target).flatten()
        self.slopes = tensor(blocks.masks)
        if problem.slope:
            self.slopes.mul_(1 - problem.slope).add_(problem.slope)
        self.outer: Tensor | None = None
        if problem.n_outputs == 1:
            self.slopes.mul_(tensor(blocks.signs)[:, None])
        else:
            self.outer = tensor(blocks.signs)
        self._unit = tensor(root) if problem.fit_intercept else None
        self.target = self.centred(self.target)
        self.set_alpha(problem.alpha)

    def set_alpha(self, alpha: float) -> None:
        """Change the penalty, given in the units of the problem."""
        self.problem = self.problem.with_alpha(alpha)
        self.alpha = min(alpha / (self._rho * self._tau), LARGEST_ALPHA)

    def in_single_precision(self) -> TensorProgram:
        """A copy in float32, for rough work."""
        single = copy(self)
        for name in ("rows", "_features", "slopes", "outer", "target", "_unit"):
            tensor = getattr(self, name)
            setattr(single, name, None if tensor is None else tensor.to(torch.float32))
        return single

    # Units

    def is_for(self, problem: TrainingProblem, blocks: Blocks) -> bool:
        """Whether this is the program of `problem` on `blocks`, except for the value of `alpha`."""
        return (
            np.array_equal(self.blocks.signs, blocks.signs)
            and np.array_equal(self.blocks.masks, blocks.masks)
            and self.problem.equals_but_for_alpha(problem)
        )

    def from_problem(self, blocks: Array) -> Tensor:
        """Blocks of the problem, of shape (B, d̃), in these units."""
        scaled = torch.as_tensor(blocks * (self._rho / self._tau))
        return scaled.to(device=self.rows.device, dtype=self.rows.dtype)

    def to_solution(self, end: Iterate, wanted: float, seconds: float) -> ProgramSolution:
        """Blocks and dual point in the units of the problem, evaluated in float64.

        `wanted` is the gap that counts as converged. The outputs are those whose dual point is ``v``: at
        the optimum they are also those of the blocks.
        """
        problem = self.problem
        u = end.blocks.to("cpu", torch.float64).numpy() * (self._tau / self._rho)
        hidden = self._outputs_in_double_precision(end.blocks)
        intercept = problem.best_intercept(hidden)
        penalty = problem.alpha * float(norms(u).sum())
        dual = end.v.to("cpu", torch.float64).numpy().reshape(problem.y.shape)
        return ProgramSolution(
            blocks=u,
            intercept=intercept,
            outputs=problem.y - self._tau * (dual.T / np.sqrt(problem.weights)).T,
            objective=problem.data_fit(hidden + intercept) + penalty,
            status=Status.CONVERGED if end.gap <= wanted else end.status,
            accuracy=end.accuracy,
            seconds=seconds,
        )

    def _outputs_in_double_precision(self, blocks: Tensor) -> Array:
        """Outputs without an intercept, in the units of the problem."""
        double = self
        if self.rows.dtype is not torch.float64:
            device = str(self.rows.device)
            double = TensorProgram(self.problem, self.blocks, cones=self.cones, device=device)
        active = blocks.any(dim=1).nonzero()[:, 0]
        outputs = double.uncentred(blocks[active].to(torch.float64), active).cpu().numpy()
        scaled = outputs.reshape(self.problem.y.shape).T / np.sqrt(self.problem.weights)
        return np.asarray(self._tau * scaled.T)

    def no_blocks(self) -> Tensor:
        """The zero solution, of shape (B, d̃)."""
        return self.rows.new_zeros((len(self.slopes), self.rows.shape[1]))

    def patterns(self) -> Tensor:
        """``D_j``, booleans of shape (B, n)."""
        return torch.as_tensor(self.blocks.masks).to(self.rows.device)

    # The linear map

    def centred(self, array: Tensor) -> Tensor:
        """Projection of outputs, of shape (n,), (nK,), (n, k) or (nK, k), that eliminates the intercept."""
        if self._unit is None:
            return array
        if array.shape == self._unit.shape:
            return array - self._unit * (self._unit @ array)
        wide = array.reshape(len(self._unit), -1)
        return torch.addr(wide, self._unit, self._unit @ wide, alpha=-1).reshape(array.shape)

    def pull(self, v: Tensor, index: Tensor | None = None) -> Tensor:
        """``A_jᵀ v`` for a centred `v`, of shape (B, d̃), or for the blocks in `index`."""
        slopes, outer = self._of(index)
        if outer is None:
            return ((self._features * v) @ slopes.T).T
        return (outer @ v.view(-1, outer.shape[1]).T).mul_(slopes) @ self.rows

    def push(self, blocks: Tensor, index: Tensor | None = None) -> Tensor:
        """``Σ_j A_j u_j``, of shape (nK,), over all blocks or those in `index`."""
        return self.centred(self.uncentred(blocks, index))

    def uncentred(self, blocks: Tensor, index: Tensor | None = None) -> Tensor:
        """The same sum before the intercept is eliminated."""
        slopes, outer = self._of(index)
        if outer is None:
            return ((blocks.T @ slopes) * self._features).sum(dim=0)
        return ((blocks @ self._features).mul_(slopes).T @ outer).flatten()

    def _of(self, index: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Slopes and output directions of all blocks, or of those in `index`."""
        if index is None:
            return self.slopes, self.outer
        return self.slopes[index], None if self.outer is None else self.outer[index]

    # Primal and dual

    def primal(self, blocks: Tensor, residual: Tensor) -> float:
        """Objective of blocks with this residual ``t − Σ_j A_j u_j``."""
        return float(0.5 * residual @ residual + self.alpha * blocks.norm(dim=1).sum())

    def gap(
        self, blocks: Tensor, index: Tensor, residual: Tensor, v: Tensor, bound: float
    ) -> float:
        """Relative duality gap between active blocks and the best feasible multiple of ``v``.

        Parameters
        ----------
        blocks, index : tensors of shape (k, d̃) and (k,)
            The blocks that are not zero and their positions.
        residual : tensor of shape (nK,)
            Their ``t − Σ_j A_j u_j``.
        v : tensor of shape (nK,)
            Dual point, centred.
        bound : float
            At least the largest ``‖projection of A_jᵀv‖``.

        Notes
        -----
        ``P − D = ½‖r − w‖² + Σ_j (alpha ‖u_j‖ − u_jᵀA_jᵀw)`` at ``w = tv``: unlike the difference of the two
        values, this does not cancel where the fit is good.
        """
        largest = self.alpha / bound if bound > 0 else math.inf
        square = float(v @ v)
        t = min(largest, max(float(v @ self.target), 0.0) / square) if square > 0 else 0.0
        w = t * v
        inner = (blocks * self.pull(w, index)).sum(dim=1)
        slack = float((self.alpha * blocks.norm(dim=1) - inner).sum())
        difference = residual - w
        gap = 0.5 * float(difference @ difference) + slack
        primal = self.primal(blocks, residual)
        if not (math.isfinite(primal) and math.isfinite(gap)):
            return math.inf
        return max(gap, 0.0) / primal if primal > 0 else 0.0
