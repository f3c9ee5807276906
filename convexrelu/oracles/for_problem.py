"""The oracles of a training problem: for its design, activation, outputs and biases."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.oracles.base import Oracle, OracleFactory
from convexrelu.oracles.bounds.relaxation import RelaxationOracle
from convexrelu.oracles.program.pattern_search import PatternSearch
from convexrelu.oracles.reductions.free_bias import FreeBiasOracle
from convexrelu.oracles.search.general import GeneralSearchOracle
from convexrelu.oracles.search.one_output import SearchOracle
from convexrelu.oracles.selection import OraclePair, check_oracle, choose_oracles, program_oracle
from convexrelu.problem.training_problem import TrainingProblem

__all__ = [
    "brief_search_for",
    "oracles_for",
    "pattern_search_for",
    "program_oracle_for",
    "relaxation_for",
    "rough_search_for",
]

# Of brief searches: starts, candidates that are kept, and ascent steps. Descent moves what they find, so that neither
# Newton steps nor more ascent steps pay: on digits and on a teacher, penalties from the largest useful one down to a
# thousandth of it, objectives were the same within a hundredth, and losses on samples left out within their noise.
_BRIEF_STARTS, _BRIEF_KEPT, _BRIEF_STEPS = 32, 8, 20
# Finite programs do not move them: twice as many, with four times as many starts, halve what the objective is above the
# optimum.
_LONGER_STARTS, _LONGER_KEPT = 128, 64
_ROUGH_STARTS, _ROUGH_KEPT = 512, 64  # with several outputs, half as many starts


def oracles_for(
    problem: TrainingProblem,
    oracle: str | Oracle | OracleFactory = "auto",
    random_state: int | np.random.RandomState | None = None,
    device: str = "cpu",
    deadline: float = math.inf,
) -> OraclePair:
    """Oracles over all directions: those of a name, or one given oracle for everything.

    See :func:`~convexrelu.oracles.selection.choose_oracles` for names, and for the deadline.
    """
    check_oracle(oracle)
    if not isinstance(oracle, str):
        own = oracle.for_problem(problem) if isinstance(oracle, OracleFactory) else oracle
        return OraclePair(own, own, exact_cuts=True)
    return choose_oracles(
        oracle,
        problem.design,
        random_state,
        device,
        n_outputs=problem.n_outputs,
        slope=problem.slope,
        free_bias=problem.free_bias,
        deadline=deadline,
    )


def program_oracle_for(
    problem: TrainingProblem,
    masks: NDArray[np.bool_],
    signs: Array | None = None,
) -> Oracle:
    """Oracle over the patterns of a finite program, see :func:`~convexrelu.oracles.selection.program_oracle`.

    The bound of :class:`~convexrelu.oracles.FreeBiasOracle` on all directions holds in every cone: where a pattern is
    mixed, ``|b| ≤ R`` in its cone, and where it is not, the value does not depend on ``b``.
    """
    oracle = program_oracle(
        problem.design, masks, signs=signs, slope=problem.slope, n_outputs=problem.n_outputs
    )
    return _for_biases(problem, oracle)


def pattern_search_for(problem: TrainingProblem, masks: NDArray[np.bool_]) -> Oracle:
    """Oracle that estimates several outputs, see :class:`~convexrelu.oracles.program.pattern_search.PatternSearch`."""
    return _for_biases(problem, PatternSearch(problem.design, masks, slope=problem.slope))


def brief_search_for(
    problem: TrainingProblem,
    random_state: int | np.random.RandomState | None = None,
    device: str = "cpu",
    *,
    longer: bool = False,
) -> Oracle:
    """Search for a few neurons that a network lacks: shorter than ``"quick"``, and too short for a bound."""
    n_starts, n_kept = (_LONGER_STARTS, _LONGER_KEPT) if longer else (_BRIEF_STARTS, _BRIEF_KEPT)
    options = {"n_starts": n_starts, "n_polish": n_kept, "n_steps": _BRIEF_STEPS}
    first_step = 0.3 if _is_plain(problem) else 0.1
    return _search_without_polish(problem, random_state, device, first_step=first_step, **options)


def rough_search_for(
    problem: TrainingProblem,
    random_state: int | np.random.RandomState | None = None,
    device: str = "cpu",
) -> Oracle:
    """Search of a sample, as long as that for cuts, for directions from which ascents on all rows begin.

    Newton steps and climbs would lead to maxima of the sample: these are no nearer to those of all rows.
    """
    n_starts = _ROUGH_STARTS if problem.n_outputs == 1 else _ROUGH_STARTS // 2
    options = {"n_starts": n_starts, "n_polish": _ROUGH_KEPT, "first_step": 0.1}
    return _search_without_polish(problem, random_state, device, **options)


def _search_without_polish(
    problem: TrainingProblem,
    random_state: int | np.random.RandomState | None,
    device: str,
    **options: Any,
) -> Oracle:
    options |= {"random_state": random_state, "device": device, "polishes": False}
    if _is_plain(problem):
        return SearchOracle(problem.design, **options)
    search = GeneralSearchOracle(
        problem.design, slope=problem.slope, free_bias=problem.free_bias, **options
    )
    return _for_biases(problem, search)


def _is_plain(problem: TrainingProblem) -> bool:
    return problem.n_outputs == 1 and problem.slope == 0.0 and not problem.free_bias


def relaxation_for(problem: TrainingProblem) -> Oracle:
    """The closed-form bound, see :class:`~convexrelu.oracles.RelaxationOracle`."""
    relaxation = RelaxationOracle(problem.design, problem.slope, lengths=problem.lengths)
    return _for_biases(problem, relaxation)


def _for_biases(problem: TrainingProblem, oracle: Oracle) -> Oracle:
    if not problem.free_bias:
        return oracle
    return FreeBiasOracle(oracle, problem.design, problem.slope)
