"""The oracles of a training problem: for its design, activation, outputs and biases."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.oracles.base import Oracle, OracleFactory
from convexrelu.oracles.bounds.relaxation import RelaxationOracle
from convexrelu.oracles.program.pattern_search import PatternSearch
from convexrelu.oracles.reductions.free_bias import FreeBiasOracle
from convexrelu.oracles.selection import OraclePair, check_oracle, choose_oracles, program_oracle
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["oracles_for", "pattern_search_for", "program_oracle_for", "relaxation_for"]


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


def relaxation_for(problem: TrainingProblem) -> Oracle:
    """The closed-form bound, see :class:`~convexrelu.oracles.RelaxationOracle`."""
    return _for_biases(problem, RelaxationOracle(problem.design, problem.slope))


def _for_biases(problem: TrainingProblem, oracle: Oracle) -> Oracle:
    if not problem.free_bias:
        return oracle
    return FreeBiasOracle(oracle, problem.design, problem.slope)
