"""When training moves its dual point to where affine rules prove more, and for how long."""

from __future__ import annotations

import math
from dataclasses import dataclass

from convexrelu._utils.deadlines import svd_fits
from convexrelu.certificates.easier_dual import MOST_ASCENT_STEPS, easier_dual_point
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.training.dual_state import DualPoint, DualState

__all__ = ["Easing"]

# Branch and bound is faster where the rank is smaller than this, or if it may take any time, than the second.
_LEAST_RANK, _LEAST_BEFORE_PROOFS = 9, 11
# With "auto", at most about a second and a half for a verdict, as much as other bounds by affine rules take.
_AUTO_STEPS, _AUTO_WORK = 600, 1.5e9
# Of the objective: ascent that has proved less than this after a hundred steps ends far from any gap that matters. With
# 927 samples of concrete, alpha = 0.003, six hundred steps proved 0.38 of it.
_AUTO_WORTH = 0.5


@dataclass(eq=False)
class Easing:
    """Ascent on the proved bound over dual points and affine rules, see :mod:`convexrelu.certificates.easier_dual`.

    Attributes
    ----------
    n_steps, max_work : int, float
        For one verdict.
    worth : float
        Part of the objective below which a bound is not worth all steps.
    precedes_proofs : bool
        Whether it comes before exact pricing, which may take hours, where it may make that unnecessary; until that has
        been tried in vain.
    """

    n_steps: int = MOST_ASCENT_STEPS
    max_work: float = math.inf
    worth: float = 0.0
    precedes_proofs: bool = False

    @classmethod
    def for_oracle(cls, problem: TrainingProblem, oracle: object) -> Easing | None:
        """That for an oracle's name; None where affine rules do not apply, or other proofs are faster."""
        plain = problem.n_outputs == 1 and problem.slope == 0.0
        plain = plain and not (problem.free_bias or problem.skip)
        rank = min(problem.design.shape)  # at most
        if not plain or rank < _LEAST_RANK:
            return None
        match oracle:
            case "auto":
                return cls(_AUTO_STEPS, _AUTO_WORK, _AUTO_WORTH)
            case "affine":
                return cls()
            case "prove":
                return cls(precedes_proofs=rank >= _LEAST_BEFORE_PROOFS)
        return None

    def prove(
        self, dual: DualState, objective: float, wanted: float, deadline: float, is_brief: bool
    ) -> bool:
        """Prove a lower bound near the best dual point, and say whether it is higher than all before.

        If `is_brief`, this is only tried where exact pricing has to decide otherwise, as long as it seems likely to
        reach what is wanted, and True means that it does.
        """
        problem, best = dual.problem, dual.best
        if best is None or not svd_fits(problem.design.shape, deadline):
            return False
        promised, before = best.bounds.lower_bound, dual.proved
        if is_brief and not (self.precedes_proofs and promised >= wanted):
            return False
        found = easier_dual_point(
            problem,
            best.v,
            wanted=wanted,
            objective=objective if is_brief else math.inf,
            worth=self.worth * objective,
            n_steps=self.n_steps,
            max_work=self.max_work,
            deadline=deadline,
        )
        proved = -math.inf
        if found is not None:
            proved = dual.prove(DualPoint(problem, *found, verified=True), wanted)
        if is_brief:
            self.precedes_proofs = proved >= wanted
            return self.precedes_proofs
        return proved > before
