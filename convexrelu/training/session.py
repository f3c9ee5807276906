"""Common data of the trainings along one path."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.deadlines import (
    little_later,
    part_before,
    product_fits,
    seconds_before,
)
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.user_warnings import warn_user
from convexrelu.certificates.pricing import price_and_certify
from convexrelu.chunked.problem import ChunkedProblem
from convexrelu.chunked.train import train_in_chunks
from convexrelu.closed_forms import closed_form_for
from convexrelu.closed_forms.untrained import untrained
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import Oracle, OracleFactory
from convexrelu.oracles.bounds.proof_progress import proofs_shown
from convexrelu.oracles.for_problem import oracles_for, pattern_search_for
from convexrelu.oracles.program.several_outputs import MAX_PROVED_OUTPUTS
from convexrelu.oracles.selection import MOST_PROVED, OraclePair
from convexrelu.patterns import ActivationPatterns
from convexrelu.problem.condensing import condensing_fits, with_weight
from convexrelu.problem.least_squares import least_squares_skip
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Progress, Result, check_progress, show_proof_of
from convexrelu.results.status import SolverWarning, Status
from convexrelu.solvers.base import ProgramSolver
from convexrelu.solvers.nonconvex.descent import FEW_SAMPLES, descents
from convexrelu.solvers.nonconvex.sketches import Look
from convexrelu.solvers.registry import make_solver, master_of
from convexrelu.solvers.support import check_support
from convexrelu.training.cutting_plane import CuttingPlane
from convexrelu.training.easing import Easing
from convexrelu.training.fixed_patterns import pattern_oracle, train_on_patterns
from convexrelu.training.fixed_skip import train_beside
from convexrelu.training.options import (
    check_options,
    check_start,
    oracle_of,
    patterns_fit,
    patterns_of,
)
from convexrelu.training.stalling import PATIENT, Patience

__all__ = ["Session"]

# Fraction of the time in which the structure of the data may be looked for, and cells enumerated.
_TIME_TO_PREPARE = 0.4
# Fraction of the time in which the design must be there: the constant is as good as what the rest has time for.
_TIME_FOR_DESIGN = 0.7
# Fraction of the time for a fixed skip connection, where there is none for the basis of a free one.
_TIME_FOR_SKIP = 0.2
# Fraction of the time after which cutting planes do not take over from a closed form.
_TIME_FOR_CLOSED_FORM = 0.8
# Fraction of the time for training in chunks, before a proof is tried.
_TIME_IN_CHUNKS = 0.9
# Columns of the design up to which pricing by sweeps is a proof.
_SWEPT = 4
# Training in chunks needs the time for so many passes of a network of so many neurons, to judge what descent on a
# sample finds. From 10,000 samples on, it takes a third to a twentieth of the time of cutting planes
# (`python -m benchmarks.scaling.bench_chunks`).
_PASSES, _NEURONS = 8, 100
_ACTIVATION = 50  # multiplications of a neuron on a sparse row, beside those of its entries
# Products of all blocks with the design in whose time a program of given patterns is written down, and ends without a
# step.
_STEPS = 10
# Passes over the data for a bound from a dual point, and what the point costs for each row and output: sums without
# rounding, in multiplications.
_FIRST_BOUND, _OF_A_ROW = 10, 5_000


class Session:
    """Common data of the trainings along one path: problem, patterns, oracles and program solver."""

    def __init__(
        self,
        problem: TrainingProblem,
        *,
        patterns: str | ArrayLike = "cutting_plane",
        n_patterns: int = 100,
        solver: str | ProgramSolver = "auto",
        effort: str = "certify",
        oracle: str | Oracle | OracleFactory = "auto",
        tol: float = 1e-3,
        max_iter: int = 30,
        time_limit: float | None = None,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
        progress: Progress | None = None,
        patience: Patience = PATIENT,
    ) -> None:
        started = time.perf_counter()
        if not isinstance(problem, TrainingProblem):
            raise ValueError(f"problem is a {type(problem).__name__}, expected a TrainingProblem")
        oracle = oracle_of(effort, oracle)
        check_progress(progress)
        check_options(problem, patterns, n_patterns, oracle, tol, max_iter, time_limit)
        self.solver = solver
        fixed = not (isinstance(patterns, str) and patterns == "cutting_plane")
        self.program_solver = master_of(solver, tol, device, fixed_patterns=fixed)
        if problem.activation != "threshold":  # which is a lasso
            gated = problem.activation == "gated_relu"
            check_support(self.program_solver, problem, gated=gated, fixed_patterns=fixed)
        self.random = random = checked_random_state(random_state)
        deadline = math.inf if time_limit is None else started + _TIME_TO_PREPARE * time_limit
        self.given, self.in_order = problem, condensing_fits(problem, deadline)
        self.problem = problem.condensed() if self.in_order else with_weight(problem)
        self.complete = isinstance(patterns, str) and patterns == "enumerated"
        self.chooses_freely = (
            not fixed and solver == "auto" and oracle in ("auto", "quick", "prove")
        )
        self.oracle, self.device = oracle, device
        self.settles = effort == "predict"
        self._oracles: OraclePair | None = None
        self.patterns: ActivationPatterns | None = None
        self.is_late = fixed and not patterns_fit(patterns, n_patterns, self.problem, deadline)
        with _admitting_interruptions():
            if isinstance(patterns, str) and patterns == "cutting_plane":
                # A lasso has columns for cuts, and chunks may need no oracles.
                early = problem.activation != "threshold" and not self._is_for_chunks(self.problem)
                if early and self.problem.design_fits(deadline):
                    self._oracles_before(deadline)
            elif not self.is_late:
                self.patterns = patterns_of(patterns, n_patterns, self.problem, random, deadline)
                if problem.n_outputs > 1:  # their directions are generated, for these patterns
                    exact = pattern_oracle(self.problem, self.patterns, self.complete)
                    heuristic = exact
                    if problem.n_outputs > MAX_PROVED_OUTPUTS:  # where exact pricing is not sharp
                        heuristic = pattern_search_for(self.problem, self.patterns.masks)
                    self._oracles = OraclePair(heuristic, exact, exact_cuts=True)
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.progress = progress
        self.patience = patience
        # The time for preparation counts for the first training.
        self._prepared = time.perf_counter() - started

    def train(self, alpha: float, start: TwoLayerNetwork | str | None) -> Result:
        """Train with one penalty."""
        problem, given = self.problem.with_alpha(alpha), self.given.with_alpha(alpha)
        check_start(start, problem)
        left = None if self.time_limit is None else max(self.time_limit - self._prepared, 0.0)
        self._prepared = 0.0
        result: Result | None = None
        try:
            # An interruption may leave NumPy's handling of errors as it is within some function.
            with (
                np.errstate(),
                _admitting_interruptions(),
                proofs_shown(show_proof_of(self.progress)),
            ):
                result = self._trained(problem, start, left)
            self._warn(result)
            dual = result.dual if self.in_order else None  # of samples in another order
            return replace(result, problem=given, dual=dual)
        except KeyboardInterrupt:
            if result is None:
                raise
            return replace(result, problem=given, status=Status.INTERRUPTED)

    def _trained(
        self,
        problem: TrainingProblem,
        start: TwoLayerNetwork | str | None,
        time_limit: float | None,
    ) -> Result:
        began = time.perf_counter()
        deadline = math.inf if time_limit is None else began + time_limit
        if self.is_late:
            return self._untrained(problem, start, began)
        if problem.activation == "threshold":
            if not self._threshold_fits(problem, deadline):
                return self._untrained(problem, start, began)
            return self._train_threshold(problem, time_limit)
        if not problem.free_basis_fits(deadline):
            return self._train_beside_a_skip(problem, start, deadline)
        if self.patterns is None or self._oracles is not None:
            return self._solve(problem, start, time_limit)
        sides = 1.0 if problem.activation == "gated_relu" else 2.0  # gated neurons have no signs
        first_steps = _STEPS * sides * len(self.patterns) * float(problem.design.size)
        if not product_fits(first_steps, deadline):
            return self._untrained(problem, start, began)
        return self._train_on_patterns(problem, self.patterns, time_limit)

    def _train_beside_a_skip(
        self, problem: TrainingProblem, start: TwoLayerNetwork | str | None, deadline: float
    ) -> Result:
        """Train the neurons beside the best linear function that there is time for."""

        def train(plain: TrainingProblem, progress: Progress | None) -> Result:
            session = copy.copy(self)
            session.problem, session.progress = plain, progress
            if self.patterns is None:  # oracles of given patterns know of no skip connection
                session._oracles = None
            if session.oracle == "prove":  # what is proved does not hold for the problem
                session.oracle = "auto"
            with proofs_shown(None):
                return session._trained(plain, "descent", seconds_before(deadline))

        linear = least_squares_skip(problem, part_before(deadline, _TIME_FOR_SKIP))
        return train_beside(
            linear, problem, train, self._start_among_patterns(start), self.progress
        )

    def _start_among_patterns(
        self, start: TwoLayerNetwork | str | None
    ) -> TwoLayerNetwork | str | None:
        """The start, or None where patterns are given: networks have others."""
        return start if self.patterns is None else None

    def _threshold_fits(self, problem: TrainingProblem, deadline: float) -> bool:
        """Whether there is time for the design, and to price for the first time where units are searched."""
        from convexrelu.threshold.oracles import work_of_search

        fits = problem.design_fits(deadline)
        if self.patterns is not None or not fits:
            return fits
        return product_fits(work_of_search(*problem.design.shape), little_later(deadline))

    def _train_threshold(self, problem: TrainingProblem, time_limit: float | None) -> Result:
        from convexrelu.threshold.train import train_threshold

        return train_threshold(
            problem,
            self.patterns,
            complete=self.complete,
            tol=self.tol,
            max_iter=self.max_iter,
            settles=self.settles and self.patterns is None,
            time_limit=time_limit,
            random=self.random,
            progress=self.progress,
        )

    def _train_on_patterns(
        self, problem: TrainingProblem, patterns: ActivationPatterns, time_limit: float | None
    ) -> Result:
        return train_on_patterns(
            problem,
            patterns,
            self.program_solver,
            complete=self.complete,
            tol=self.tol,
            time_limit=time_limit,
            progress=self.progress,
        )

    def _solve(
        self,
        problem: TrainingProblem,
        start: TwoLayerNetwork | str | None,
        time_limit: float | None,
    ) -> Result:
        """By a closed form if there is one; by cutting planes if there is none or its solver ends early."""
        deadline = math.inf if time_limit is None else time.perf_counter() + time_limit
        enough = part_before(deadline, _TIME_FOR_CLOSED_FORM)
        began, closed_form = time.perf_counter(), None
        if self.chooses_freely:
            closed_form = closed_form_for(problem, part_before(deadline, _TIME_TO_PREPARE))
        if closed_form is None:
            return self._generate(problem, start, deadline)
        early = closed_form(
            tol=self.tol, time_limit=seconds_before(deadline), progress=self.progress
        )
        if early.status in (Status.CONVERGED, Status.INTERRUPTED, Status.STOPPED):
            return early
        assert isinstance(early.network, TwoLayerNetwork)
        if began < enough < time.perf_counter():
            return replace(early, status=Status.TIME_LIMIT)
        try:
            result = self._generate(problem, early.network, deadline)
        except KeyboardInterrupt:
            return replace(early, status=Status.INTERRUPTED)
        return result.certified(result.certificate.or_proof(early.certificate), self.tol)

    def _generate(
        self,
        problem: TrainingProblem,
        start: TwoLayerNetwork | str | None,
        deadline: float,
    ) -> Result:
        """Generate neurons: in chunks of many samples, or by cutting planes."""
        began = time.perf_counter()
        of_rows = _OF_A_ROW * float(problem.n_samples * problem.n_outputs)
        first_bound = _FIRST_BOUND * problem.n_entries + of_rows
        if not product_fits(first_bound, little_later(deadline) if began < deadline else deadline):
            return self._untrained(problem, start, began)
        if not (self._is_for_chunks(problem) and self._has_time_for_chunks(problem, deadline)):
            return self._cut(problem, start, deadline)
        result = train_in_chunks(
            ChunkedProblem.of(problem),
            tol=self.tol,
            max_iter=self.max_iter,
            time_limit=seconds_before(deadline, _TIME_IN_CHUNKS),
            start=start if isinstance(start, TwoLayerNetwork) else None,
            device=self.device,
            random_state=self.random,
            progress=self.progress,
        )
        return self._proved(result, problem, deadline)

    def _untrained(
        self, problem: TrainingProblem, start: TwoLayerNetwork | str | None, began: float
    ) -> Result:
        kept = self._start_among_patterns(start)
        return untrained(problem, kept, began=began, tol=self.tol, progress=self.progress)

    def _is_for_chunks(self, problem: TrainingProblem) -> bool:
        """Whether there are many samples, of which no sweep is a proof."""
        free = self.chooses_freely and self.oracle == "auto" and not self.settles
        plain = problem.loss.smooth and not (problem.skip or problem.free_bias)
        many = problem.n_samples > FEW_SAMPLES
        many &= problem.stays_sparse or not problem.is_sparse
        return free and plain and many and _n_columns(problem) > _SWEPT

    def _has_time_for_chunks(self, problem: TrainingProblem, deadline: float) -> bool:
        entries = problem.n_entries + problem.n_samples * bool(problem.hidden_bias)
        if problem.stays_sparse:
            entries += _ACTIVATION * problem.n_samples
        return product_fits(_PASSES * _NEURONS * entries, deadline)

    def _proved(self, result: Result, problem: TrainingProblem, deadline: float) -> Result:
        """The result with a proof of its gap, where an oracle for few features finds one."""
        few = _n_columns(problem) <= MOST_PROVED
        ended = result.status in (Status.INTERRUPTED, Status.STOPPED, Status.TIME_LIMIT)
        if ended or not few or result.dual is None or result.certificate.is_proof:
            return result
        oracles = self._oracles_before(deadline)
        network = result.network
        assert isinstance(network, TwoLayerNetwork)
        proved, _ = price_and_certify(
            problem, network, oracles.exact, result.dual, deadline=deadline
        )
        better = proved.is_proof and proved.relative_gap <= self.tol
        return result.certified(proved, self.tol) if better else result

    def _cut(
        self,
        problem: TrainingProblem,
        start: TwoLayerNetwork | str | None,
        deadline: float,
    ) -> Result:
        now = time.perf_counter()
        early = part_before(deadline, _TIME_FOR_DESIGN)
        if self._oracles is None and not self.problem.design_fits(early):
            return self._untrained(problem, start, now)
        oracles = self._oracles_before(part_before(deadline, _TIME_TO_PREPARE))
        start = self._start_among_patterns(start)

        def descend(end: float, look: Look) -> Iterator[TwoLayerNetwork]:
            follow = not self.settles
            return descents(problem, self.random, end, self.device, look, rounds_follow=follow)

        return CuttingPlane(
            problem,
            self.program_solver,
            oracles,
            tol=self.tol,
            max_iter=self.max_iter,
            time_limit=seconds_before(deadline),
            descend=descend if start == "descent" else None,
            warm_up_solver=self._warm_up_solver(),
            fixed_patterns=self.patterns is not None,
            settles=self.settles,
            patience=self.patience,
            easing=None if self.settles else Easing.for_oracle(problem, self.oracle),
            progress=self.progress,
        ).run(start if isinstance(start, TwoLayerNetwork) else None)

    def _oracles_before(self, deadline: float) -> OraclePair:
        """The oracles, made when they are first needed; weaker ones, where the others take too long."""
        if self._oracles is None:
            self._oracles = oracles_for(
                self.problem, self.oracle, self.random, self.device, deadline
            )
        return self._oracles

    def _warm_up_solver(self) -> ProgramSolver | None:
        """Solver used while it progresses faster, if the choice of solvers is free."""
        problem = self.problem
        free = self.solver == "auto" and self.patterns is None
        if not (free and problem.loss.smooth and not problem.skip):
            return None
        return make_solver("network", device=self.device)

    def _warn(self, result: Result) -> None:
        accurate_after_all = (
            result.solver_status is Status.INACCURATE and result.status is Status.CONVERGED
        )
        if result.solver_status is not Status.CONVERGED and not accurate_after_all:
            warn_user(
                f"solver={self.solver!r}: {result.solver_status.value} ({result.solver_status.name}); "
                f"the network returned has a relative gap of {result.certificate.relative_gap:.1e}",
                SolverWarning,
            )


def _n_columns(problem: TrainingProblem) -> int:
    """Columns of the design of many samples, which is not made for this."""
    return problem.n_features + bool(problem.hidden_bias)


@contextmanager
def _admitting_interruptions() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as interruption:
        raise KeyboardInterrupt(
            "interrupted before the first certificate: there is no network"
        ) from interruption
