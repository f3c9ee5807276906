"""Checks of the options of training."""

from __future__ import annotations

import numbers

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_choice, check_limits, check_number, finite_array
from convexrelu._utils.deadlines import product_fits
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import Oracle, OracleFactory
from convexrelu.oracles.selection import check_oracle
from convexrelu.patterns import ActivationPatterns, enumerate_patterns, sample_patterns
from convexrelu.problem.starts import check_network
from convexrelu.problem.training_problem import TrainingProblem

__all__ = [
    "EFFORTS",
    "PATTERNS",
    "check_options",
    "check_start",
    "oracle_of",
    "patterns_fit",
    "patterns_of",
]

PATTERNS = ("cutting_plane", "sampled", "enumerated")
EFFORTS = ("predict", "certify", "prove")
# Oracles of each effort, unless one is given.
_ORACLES = {"predict": "quick", "certify": "auto", "prove": "prove"}


def check_options(
    problem: TrainingProblem,
    patterns: str | ArrayLike,
    n_patterns: int,
    oracle: str | Oracle | OracleFactory,
    tol: float,
    max_iter: int,
    time_limit: float | None,
) -> None:
    """Raise an error for unknown options, by name."""
    check_oracle(oracle)
    if isinstance(patterns, str):
        check_choice("patterns", patterns, PATTERNS)
        if problem.activation == "gated_relu" and patterns == "cutting_plane":
            raise ValueError(
                "patterns='cutting_plane' prices neurons; with activation='gated_relu' use "
                "patterns='sampled', 'enumerated' or an array of gates"
            )
    check_number("n_patterns", n_patterns, numbers.Integral, 1)
    check_limits(tol, max_iter, time_limit)


def oracle_of(effort: str, oracle: str | Oracle | OracleFactory) -> str | Oracle | OracleFactory:
    """The given oracle, or for ``"auto"`` that of the effort."""
    check_choice("effort", effort, EFFORTS)
    return _ORACLES[effort] if isinstance(oracle, str) and oracle == "auto" else oracle


def patterns_fit(
    patterns: str | ArrayLike, n_patterns: int, problem: TrainingProblem, deadline: float
) -> bool:
    """Whether there is time before a deadline to make the design, and patterns that do not depend on the penalty."""
    n_gates = n_patterns if isinstance(patterns, str) else len(_checked_gates(patterns, problem))
    if not problem.design_fits(deadline):
        return False
    work = n_gates * problem.n_entries + problem.work_of_reading
    return product_fits(work, deadline)


def patterns_of(
    patterns: str | ArrayLike,
    n_patterns: int,
    problem: TrainingProblem,
    random: np.random.RandomState,
    deadline: float,
) -> ActivationPatterns:
    """Patterns that do not depend on the penalty: sampled, enumerated, or of given gates."""
    design = problem.design
    if isinstance(patterns, str):
        if patterns == "enumerated":
            return enumerate_patterns(design, deadline=deadline)
        return sample_patterns(design, n_patterns, random)
    gates = problem.gates(_checked_gates(patterns, problem))
    return ActivationPatterns.of_gates(design, gates)


def _checked_gates(patterns: ArrayLike, problem: TrainingProblem) -> Array:
    """Given gates for the features and the bias."""
    width = problem.n_features + bool(problem.hidden_bias)
    return finite_array("patterns", patterns, "P", width)


def check_start(start: TwoLayerNetwork | str | None, problem: TrainingProblem) -> None:
    """Raise an error for a start that does not fit the problem."""
    if start is None or (isinstance(start, str) and start == "descent"):
        return
    if not isinstance(start, TwoLayerNetwork):
        raise ValueError(f"start={start!r} is not a TwoLayerNetwork, 'descent' or None")
    check_network(start, problem)
