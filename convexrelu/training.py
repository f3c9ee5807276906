"""Training: from a problem to a network with its certificate."""

from __future__ import annotations

import numbers
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from convexrelu.arguments import check_choice, check_number, finite_array
from convexrelu.closed_forms import closed_form_for
from convexrelu.network import TwoLayerNetwork
from convexrelu.oracles import Oracle, OracleFactory
from convexrelu.oracles.choose import OraclePair, check_oracle
from convexrelu.oracles.of_problem import oracles_for, pattern_search_for
from convexrelu.oracles.several_patterns import MAX_PROVED_OUTPUTS
from convexrelu.patterns import ActivationPatterns, enumerate_patterns, sample_patterns
from convexrelu.problem import TrainingProblem
from convexrelu.problem_arguments import checked_alpha
from convexrelu.result import Result, Round
from convexrelu.solvers.cutting_plane import CuttingPlane
from convexrelu.solvers.descent import descend
from convexrelu.solvers.fixed_patterns import pattern_oracle, train_on_patterns
from convexrelu.solvers.master import Master, make_master, master_of
from convexrelu.solvers.support import check_support
from convexrelu.status import SolverWarning, Status
from convexrelu.threads import one_blas_thread

__all__ = ["PATTERNS", "regularization_path", "train"]

PATTERNS = ("cutting_plane", "sampled", "enumerated")


def train(
    problem: TrainingProblem,
    *,
    patterns: str | ArrayLike = "cutting_plane",
    n_patterns: int = 100,
    solver: str | Master = "auto",
    oracle: str | Oracle | OracleFactory = "auto",
    tol: float = 1e-3,
    max_iter: int = 30,
    time_limit: float | None = None,
    start: TwoLayerNetwork | str | None = "descent",
    device: str = "cpu",
    random_state: int | np.random.RandomState | None = None,
    progress: Callable[[Round], None] | None = None,
) -> Result:
    """Train a two-layer network by convex optimisation.

    Parameters
    ----------
    problem : TrainingProblem
        Data, loss and penalty.
    patterns : {"cutting_plane", "sampled", "enumerated"} or array of shape (P, d̃)
        ``"cutting_plane"`` generates patterns until the gap is closed; ``"sampled"`` takes those
        of random gates; ``"enumerated"`` takes all; an array gives the gates.
    n_patterns : int
        How many gates ``"sampled"`` draws.
    solver : str or Master
        ``"auto"``, ``"newton"``, ``"interior_point"`` or ``"fista"`` (see
        :class:`~convexrelu.solvers.native_master.NativeMaster`); ``"network"``, which trains the network; the
        references ``"cvxpy:CLARABEL"``, ``"cvxpy:ECOS"`` and ``"cvxpy:SCS"``; or a
        :class:`~convexrelu.solvers.master.Master` of your own: see :doc:`/guides/write_a_solver`.
    oracle : {"auto", "sweep", "cells", "branch_and_bound", "semidefinite", "search", "quick", "spike_free"}, \
            Oracle or OracleFactory
        Pricing of ``"cutting_plane"``, see :func:`convexrelu.oracles.choose.choose_oracles`; or an oracle of your own,
        which finds cuts and gives the verdict: see :doc:`/guides/write_an_oracle`.
    tol : float
        Relative duality gap to reach.
    max_iter : int
        Most finite programmes solved by ``"cutting_plane"``.
    time_limit : float, optional
        Seconds; rounds of cutting planes end after nine tenths of them, and the final verdict has the rest.
        The result is the best network so far.
    start : TwoLayerNetwork, "descent" or None
        What ``"cutting_plane"`` starts from: the patterns of a network, such as one that
        :func:`~convexrelu.solvers.descent.descend` makes by a moment of non-convex training; or no pattern.
    device : str
        Torch device of the native solvers and of the search for cuts, such as ``"cuda"``.
    random_state : int, RandomState or None
        Seed of gates, of searches, and of the first weights of descent.
    progress : callable, optional
        Called with a :class:`~convexrelu.result.Round` after every one.

    Returns
    -------
    Result
        Network, certificate, status, history.

    Warns
    -----
    SolverWarning
        If the solver of the last finite programme did not end as it should. One that calls its solution
        inaccurate is believed only where the gap, computed here, is above `tol`.

    Raises
    ------
    ValueError
        For an argument that is not understood; the message names it.
    KeyboardInterrupt
        If interrupted before there is a certified network. Later on, cutting planes return the best network
        so far, with ``Status.INTERRUPTED``.

    Notes
    -----
    Problems with a closed form, see :func:`~convexrelu.closed_forms.closed_form_for`, are solved by it, whatever the
    start, where patterns, solver and oracle are left to be chosen (or the oracle is ``"quick"``).

    The certificate of fixed patterns is of scope ``"programme"``: it speaks of the networks with
    these patterns, not of all. For several outputs, the directions of outer weights are generated for fixed patterns
    as cutting planes are.

    References
    ----------
    Pilanci & Ergen 2020, "Neural Networks are Convex Regularizers"; Ergen & Pilanci 2021, "Convex
    Geometry and Duality of Over-parameterized Neural Networks".

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, train
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> result = train(TrainingProblem(X, np.abs(X[:, 0]), alpha=1e-3), tol=1e-6, random_state=0)
    >>> result.status.name, result.certificate.is_proof, result.network.width
    ('CONVERGED', True, 2)
    """
    with one_blas_thread():
        session = _Session(
            problem,
            patterns=patterns,
            n_patterns=n_patterns,
            solver=solver,
            oracle=oracle,
            tol=tol,
            max_iter=max_iter,
            time_limit=time_limit,
            device=device,
            random_state=random_state,
            progress=progress,
        )
        return session.train(problem.alpha, start)


def regularization_path(
    problem: TrainingProblem, alphas: ArrayLike, **options: Any
) -> list[Result]:
    """Train for several penalties, each started from the solution of the one before, if that was finished in time.

    Patterns that do not depend on the penalty, sampled or enumerated, are made once for the whole path, and so is
    what a native solver knows of them.

    Parameters
    ----------
    problem : TrainingProblem
        Its own `alpha` is not used.
    alphas : array of shape (k,)
        Penalties; descending is the fastest.
    **options
        As for :func:`train`.

    Returns
    -------
    list of Result
        In the order of `alphas`, each with its certificate. An interruption ends the path with the result
        that it interrupted, whose status says so, or with the one before where that had no certificate yet.

    Raises
    ------
    KeyboardInterrupt
        If interrupted before the first certificate of the first training.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, regularization_path
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> problem = TrainingProblem(X, np.abs(X[:, 0]), alpha=1.0)
    >>> path = regularization_path(problem, [1e-1, 1e-2, 1e-3], random_state=0)
    >>> [result.certificate.relative_gap <= 1e-3 for result in path]
    [True, True, True]
    """
    try:
        penalties = np.asarray(alphas, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise ValueError(f"alphas is not an array of numbers: {error}") from error
    with one_blas_thread():
        start = options.pop("start", "descent")
        session = _Session(problem, **options)
        results: list[Result] = []
        for alpha in penalties:
            try:
                results.append(session.train(checked_alpha(float(alpha)), start))
            except KeyboardInterrupt:
                if not results:
                    raise
                break
            if results[-1].status is Status.INTERRUPTED:
                break
            start = _start_after(results[-1])
        return results


def _start_after(result: Result) -> TwoLayerNetwork | str | None:
    """Its network, or a descent where there was no time to finish it: then it is no better, and lacks neurons."""
    if not isinstance(result.network, TwoLayerNetwork):
        return None
    return "descent" if result.status is Status.TIME_LIMIT else result.network


class _Session:
    """What the trainings of one path have in common: data, patterns, oracles and master."""

    def __init__(
        self,
        problem: TrainingProblem,
        *,
        patterns: str | ArrayLike = "cutting_plane",
        n_patterns: int = 100,
        solver: str | Master = "auto",
        oracle: str | Oracle | OracleFactory = "auto",
        tol: float = 1e-3,
        max_iter: int = 30,
        time_limit: float | None = None,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
        progress: Callable[[Round], None] | None = None,
    ) -> None:
        self._prepared = time.perf_counter()
        if not isinstance(problem, TrainingProblem):
            raise ValueError(f"problem is a {type(problem).__name__}, expected a TrainingProblem")
        _check_options(problem, patterns, n_patterns, oracle, tol, max_iter, time_limit)
        self.solver = solver
        fixed = not (isinstance(patterns, str) and patterns == "cutting_plane")
        self.master = master_of(solver, tol, device, fixed_patterns=fixed)
        if problem.activation != "threshold":  # which is a lasso
            gated = problem.activation == "gated_relu"
            check_support(self.master, problem, gated=gated, fixed_patterns=fixed)
        self.random = random = _checked_random_state(random_state)
        self.problem = problem.condensed()
        self.complete = isinstance(patterns, str) and patterns == "enumerated"
        self.chooses_freely = not fixed and solver == "auto" and oracle in ("auto", "quick")
        self.oracles: OraclePair | None = None
        self.patterns: ActivationPatterns | None = None
        with _admitting_interruptions():
            if isinstance(patterns, str) and patterns == "cutting_plane":
                if problem.activation != "threshold":  # which has columns for cuts
                    self.oracles = oracles_for(self.problem, oracle, random, device)
            else:
                self.patterns = _fixed_patterns(patterns, n_patterns, self.problem.design, random)
                if problem.n_outputs > 1:  # their directions are generated, for these patterns
                    verifier = pattern_oracle(self.problem, self.patterns, self.complete)
                    finder = verifier
                    if problem.n_outputs > MAX_PROVED_OUTPUTS:  # where the verifier is not sharp
                        finder = pattern_search_for(self.problem, self.patterns.masks)
                    self.oracles = OraclePair(finder, verifier, verifier_cuts=True)
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.progress = progress
        # The time that preparation took counts for the first training.
        self._prepared = time.perf_counter() - self._prepared

    def train(self, alpha: float, start: TwoLayerNetwork | str | None) -> Result:
        """Train with one penalty."""
        problem = self.problem.with_alpha(alpha)
        _check_start(start, problem)
        left = None if self.time_limit is None else max(self.time_limit - self._prepared, 0.0)
        self._prepared = 0.0
        with _admitting_interruptions():
            if problem.activation == "threshold":
                result = self._train_threshold(problem, left)
            elif self.oracles is not None:
                result = self._solve(problem, self.oracles, start, left)
            else:
                assert self.patterns is not None
                result = self._train_on_patterns(problem, self.patterns, left)
        self._warn(result)
        return result

    def _train_threshold(self, problem: TrainingProblem, time_limit: float | None) -> Result:
        from convexrelu.solvers.threshold import train_threshold

        return train_threshold(
            problem,
            self.patterns,
            complete=self.complete,
            tol=self.tol,
            max_iter=self.max_iter,
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
            self.master,
            complete=self.complete,
            tol=self.tol,
            time_limit=time_limit,
            progress=self.progress,
        )

    def _solve(
        self,
        problem: TrainingProblem,
        oracles: OraclePair,
        start: TwoLayerNetwork | str | None,
        time_limit: float | None,
    ) -> Result:
        """By a closed form where there is one, and by cutting planes where there is none or its solver ends early."""
        closed_form = closed_form_for(problem) if self.chooses_freely else None
        if closed_form is None:
            return self._cut(problem, oracles, start, time_limit)
        began = time.perf_counter()
        result = closed_form(tol=self.tol, time_limit=time_limit, progress=self.progress)
        if result.status is Status.CONVERGED:
            return result
        assert isinstance(result.network, TwoLayerNetwork)
        left = None if time_limit is None else max(time_limit + began - time.perf_counter(), 0.0)
        return self._cut(problem, oracles, result.network, left)

    def _cut(
        self,
        problem: TrainingProblem,
        oracles: OraclePair,
        start: TwoLayerNetwork | str | None,
        time_limit: float | None,
    ) -> Result:
        if self.patterns is not None:  # other networks have other patterns
            start = None
        return CuttingPlane(
            problem,
            self.master,
            oracles,
            tol=self.tol,
            max_iter=self.max_iter,
            time_limit=time_limit,
            descend=partial(descend, problem, self.random) if start == "descent" else None,
            opener=self._opener(),
            fixed_patterns=self.patterns is not None,
            progress=self.progress,
        ).run(start if isinstance(start, TwoLayerNetwork) else None)

    def _opener(self) -> Master | None:
        """Who trains networks as long as that is faster, if the choice of solvers is ours."""
        problem = self.problem
        free = self.solver == "auto" and self.patterns is None
        return make_master("network") if free and problem.loss.smooth and not problem.skip else None

    def _warn(self, result: Result) -> None:
        accurate_after_all = (
            result.solver_status is Status.INACCURATE and result.status is Status.CONVERGED
        )
        if result.solver_status is not Status.CONVERGED and not accurate_after_all:
            warnings.warn(
                f"solver={self.solver!r}: {result.solver_status.value} ({result.solver_status.name}); "
                f"the network returned has a relative gap of {result.certificate.relative_gap:.1e}",
                SolverWarning,
                stacklevel=4,
            )


@contextmanager
def _admitting_interruptions() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as interruption:
        raise KeyboardInterrupt(
            "interrupted before the first certificate: there is no network"
        ) from interruption


def _check_options(
    problem: TrainingProblem,
    patterns: str | ArrayLike,
    n_patterns: int,
    oracle: str | Oracle | OracleFactory,
    tol: float,
    max_iter: int,
    time_limit: float | None,
) -> None:
    check_oracle(oracle)
    if isinstance(patterns, str):
        check_choice("patterns", patterns, PATTERNS)
        if problem.activation == "gated_relu" and patterns == "cutting_plane":
            raise ValueError(
                "patterns='cutting_plane' prices neurons; with activation='gated_relu' use "
                "patterns='sampled', 'enumerated' or an array of gates"
            )
    check_number("n_patterns", n_patterns, numbers.Integral, 1)
    check_number("max_iter", max_iter, numbers.Integral, 1)
    check_number("tol", tol, numbers.Real, 0)
    if time_limit is not None:
        check_number("time_limit", time_limit, numbers.Real, 0)


def _checked_random_state(
    random_state: int | np.random.RandomState | None,
) -> np.random.RandomState:
    try:
        return check_random_state(random_state)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"random_state={random_state!r} is not a seed, a RandomState or None: {error}"
        ) from error


def _fixed_patterns(
    patterns: str | ArrayLike,
    n_patterns: int,
    design: NDArray[np.float64],
    random: np.random.RandomState,
) -> ActivationPatterns:
    if isinstance(patterns, str):
        if patterns == "enumerated":
            return enumerate_patterns(design)
        return sample_patterns(design, n_patterns, random)
    gates = finite_array("patterns", patterns, "P", design.shape[1])
    return ActivationPatterns.of_gates(design, gates)


def _check_start(start: TwoLayerNetwork | str | None, problem: TrainingProblem) -> None:
    if start is None or (isinstance(start, str) and start == "descent"):
        return
    if not isinstance(start, TwoLayerNetwork):
        raise ValueError(f"start={start!r} is not a TwoLayerNetwork, 'descent' or None")
    if start.n_features != problem.n_features:
        raise ValueError(f"start takes {start.n_features} features, expected {problem.n_features}")
    if start.n_outputs != problem.n_outputs:
        raise ValueError(f"start has {start.n_outputs} outputs, expected {problem.n_outputs}")
    if start.negative_slope != problem.slope:
        raise ValueError(
            f"start has a slope of {start.negative_slope} on the left, expected {problem.slope}"
        )
    if start.skip_weights is not None and not problem.skip:
        raise ValueError("start has a skip connection, expected none")
