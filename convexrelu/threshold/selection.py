"""The choice of an oracle for threshold units."""

from __future__ import annotations

import math
import time

import numpy as np

from convexrelu._utils.deadlines import part_before, product_fits, svd_fits
from convexrelu.oracles.base import Oracle
from convexrelu.patterns import ActivationPatterns, enumerate_patterns
from convexrelu.patterns.complete import has_every_pattern
from convexrelu.patterns.enumerate import RowSpace, count_patterns
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.threshold.oracles import ThresholdPatternOracle, ThresholdSearchOracle
from convexrelu.threshold.sweep import ThresholdSweepOracle

__all__ = ["choose_threshold_oracle"]


# Cells are listed for pricing if their masks are no larger than this: on lines, which are quickly listed, and in
# more dimensions.
_LIST_BYTES = {"planar": 2**28, "more": 2**21}
# Largest number of samples for which half-planes are swept.
_SWEPT_SAMPLES = 2000
# Fraction of the time in which cells may be listed: a list is of use only with time to price it.
_TIME_TO_LIST = 0.4
# What preparing and making a sweep costs for each pair of samples, in multiplications.
_SWEEPING = 6000


def choose_threshold_oracle(
    problem: TrainingProblem,
    patterns: ActivationPatterns | None,
    complete: bool,
    random: np.random.RandomState,
    deadline: float = math.inf,
) -> Oracle:
    """The given patterns; or a proof from all of them where that is cheap and in time, and a search otherwise."""
    enough = part_before(deadline, _TIME_TO_LIST)
    design = problem.design
    if patterns is None:
        fits = svd_fits(design.shape, enough)
        rank = RowSpace.of(design).rank if fits else min(design.shape)
        n_bytes = count_patterns(len(design), rank) * len(design)
        if n_bytes > _LIST_BYTES["planar" if rank <= 2 else "more"]:
            swept = len(design) <= _SWEPT_SAMPLES and product_fits(
                _SWEEPING * len(design) ** 2, deadline
            )
            if problem.n_features == 2 and problem.hidden_bias and swept:
                return ThresholdSweepOracle(problem.X)
            return ThresholdSearchOracle(design, random, remembers=True)
        patterns, complete = enumerate_patterns(design, deadline=enough), True
        if time.perf_counter() > enough:  # the list is cut off
            return ThresholdSearchOracle(design, random, remembers=True)
    complete = complete and has_every_pattern(design, patterns, deadline=enough)
    if not complete:
        # The patterns of the gates in float64 may differ from the intended ones.
        patterns = ActivationPatterns.of_gates(design, patterns.gates)
    return ThresholdPatternOracle(patterns, complete=complete)
