"""The gated ReLU programme: a group lasso, no cone."""

from __future__ import annotations

from convexrelu._cvxpy import cp
from convexrelu.programs.base import FiniteProgramme

__all__ = ["GatedProgramme"]


class GatedProgramme(FiniteProgramme):
    """Gated ReLU networks with given gates (Mishkin, Sahiner & Pilanci 2022, equation 6).

    ::

        min  F(Σ_i D_i X̃ u_i + c) + alpha Σ_i ‖u_i‖

        max_v  −F*(−v)   s.t.  ‖X̃ᵀ D_i v‖ ≤ alpha for every i        (the dual)

    Its optimum is a lower bound of the ReLU programme on the same patterns.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.problem import TrainingProblem
    >>> problem = TrainingProblem([[-1.0], [0.0], [2.0]], [0.0, 0.0, 2.0], alpha=1e-3)
    >>> GatedProgramme(problem, np.array([[False, True, True]])).solve().status.name
    'CONVERGED'
    """

    def _outputs(self) -> cp.Expression:
        return cp.sum(cp.multiply(self.masks.T.astype(float), self._design @ self._blocks), axis=1)
