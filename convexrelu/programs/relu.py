"""The ReLU program: one cone per block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.cvxpy_import import cp
from convexrelu._utils.typing import Array
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.base import FiniteProgram

__all__ = ["ReLUProgram"]


class ReLUProgram(FiniteProgram):
    """Networks whose neurons have given patterns and output directions (Pilanci & Ergen 2020, equation 8).

    ::

        min  F(Σ_i E_i X̃ u_i g_iᵀ + c) + alpha Σ_i ‖u_i‖      s.t.  (2D_i − I) X̃ u_i ≥ 0

    with ``E_i = D_i + slope (I − D_i)``, and ``g_i`` a sign or, for several outputs, a unit vector. The usual form with
    a pair ``v_i, w_i`` per pattern has every pattern twice, with ``g = 1`` and ``g = −1``. Its dual is the problem's
    own with ``M(V)`` taken over these blocks only::

        max_V  −F*(−V)   s.t.  ‖projection of X̃ᵀE_i V g_i on the cone i‖ ≤ alpha for every i

    Parameters
    ----------
    problem : TrainingProblem
    masks : boolean array of shape (B, n)
        Pattern of each block.
    signs : array of shape (B,) or (B, K)
        Sign of each block, 1 or -1, or unit vector.

    Notes
    -----
    Memory ``O(B n d̃)`` in the canonical form.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.problem import TrainingProblem
    >>> problem = TrainingProblem([[-1.0], [0.0], [2.0]], [0.0, 0.0, 2.0], alpha=1e-3)
    >>> solution = ReLUProgram(problem, np.array([[False, True, True]]), np.array([1.0])).solve()
    >>> solution.status.name
    'CONVERGED'
    """

    def __init__(self, problem: TrainingProblem, masks: NDArray[np.bool_], signs: Array) -> None:
        self.signs = signs
        super().__init__(problem, masks)

    def _outputs(self) -> cp.Expression:
        slopes = np.where(self.masks.T, 1.0, self.problem.slope)
        hidden = cp.multiply(slopes, self._design @ self._blocks)
        return hidden @ self.signs

    def _constraints(self) -> list[cp.Constraint]:
        towards = 2.0 * self.masks.T - 1.0
        return [cp.multiply(towards, self._design @ self._blocks) >= 0]
