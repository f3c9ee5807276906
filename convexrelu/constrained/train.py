"""Training in a class of networks, with a certificate over the class."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_choice
from convexrelu._utils.deadlines import part_before
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.threads import one_blas_thread
from convexrelu._utils.typing import Array
from convexrelu.closed_forms.untrained import untrained
from convexrelu.constrained.descent import descend_in_class
from convexrelu.constrained.neuron_class import NeuronClass
from convexrelu.constrained.penalised import Penalised
from convexrelu.constrained.pricing import PricingOfClass, oracles_of_class
from convexrelu.constrained.solvers import DescentInClass, SolverOfClass
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.condensing import condensed_before
from convexrelu.problem.largest_penalty import at_least_or_rough, found_or_at_least
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.neuron_map import with_best_intercept
from convexrelu.results.result import Progress, Result
from convexrelu.solvers.nonconvex.sketches import Look
from convexrelu.solvers.registry import make_solver
from convexrelu.training.cutting_plane import CuttingPlane
from convexrelu.training.options import EFFORTS, check_options, check_start

__all__ = ["largest_penalty_in_class", "train_in_class"]

_TIME_TO_PREPARE = 0.4  # part of the time in which samples may be ordered


def train_in_class(
    problem: TrainingProblem,
    monotonic_cst: ArrayLike | None = None,
    *,
    positive: bool = False,
    effort: str = "certify",
    tol: float = 1e-3,
    max_iter: int = 30,
    time_limit: float | None = None,
    start: TwoLayerNetwork | str | None = "descent",
    device: str = "cpu",
    random_state: int | np.random.RandomState | None = None,
    progress: Progress | None = None,
) -> Result:
    """Train a network that is monotone in some features, or has no negative outer weights.

    Parameters
    ----------
    problem : TrainingProblem
        With one output, and ReLU or leaky ReLU; without a skip connection or free biases.
    monotonic_cst : array of shape (d,), optional
        For each feature 1, −1 or 0: every neuron increases in it, every neuron decreases, or neurons are unconstrained.
        This is sufficient for a monotone network but not necessary: the class does not contain all monotone networks.
    positive : bool
        Whether outer weights are non-negative. The network is then convex.
    effort : {"predict", "certify", "prove"}
        As for :func:`~convexrelu.train`.
    tol, max_iter, time_limit, device, random_state, progress
        As for :func:`~convexrelu.train`.
    start : TwoLayerNetwork, "descent" or None
        Network to begin with: weights of a sign that the class excludes become zero.

    Returns
    -------
    Result
        A network of the class, exactly. The certificate compares it with all networks of the class, whatever their
        width: its ``scope`` is ``"monotone"``, ``"positive"`` or ``"monotone_positive"``.

    Raises
    ------
    ValueError
        For an invalid argument, or a problem that is not supported.

    Notes
    -----
    The program, its dual and the proof that they are equal are in :mod:`convexrelu.constrained.neuron_class`. The loop
    is that of :func:`~convexrelu.train`, with descent on bounded weights, programs with constraints on signs, and
    pricing over cones.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> problem = TrainingProblem(X, np.abs(X[:, 0]), alpha=1e-3)
    >>> result = train_in_class(problem, [1], random_state=0)
    >>> result.certificate.is_proof, result.certificate.scope
    (True, 'monotone')
    >>> bool((np.diff(result.network.predict(X)) >= 0).all())
    True
    """
    began = time.perf_counter()
    neuron_class = NeuronClass(monotonic_cst, positive)
    check_choice("effort", effort, EFFORTS)
    check_options(problem, "cutting_plane", 1, "auto", tol, max_iter, time_limit)
    neuron_class.check(problem)
    random = checked_random_state(random_state)
    deadline = math.inf if time_limit is None else began + time_limit
    problem = condensed_before(problem, part_before(deadline, _TIME_TO_PREPARE))
    if neuron_class.is_monotone:  # signs are those of the features
        problem = problem.in_features()
    check_start(start, problem)
    given = neuron_class.projected(start) if isinstance(start, TwoLayerNetwork) else None
    if not problem.design_fits(deadline):
        result = untrained(problem, given, began=began, tol=tol, progress=progress)
        certificate = replace(result.certificate, scope=neuron_class.scope)
        return replace(result, certificate=certificate)
    with one_blas_thread():
        penalised = Penalised(problem.design, neuron_class, problem.slope)
        result = _CuttingPlaneInClass(
            problem,
            SolverOfClass(neuron_class, make_solver("auto", tol, device, fixed_patterns=True)),
            oracles_of_class(penalised, effort, random, device),
            neuron_class=neuron_class,
            descend=_descent(problem, neuron_class, random) if start == "descent" else None,
            warm_up_solver=DescentInClass(neuron_class) if problem.loss.smooth else None,
            settles=effort == "predict",
            pricing=PricingOfClass(problem, penalised),
            tol=tol,
            max_iter=max_iter,
            time_limit=time_limit,
            started=began,
            progress=progress,
        ).run(given)
    return replace(result, dual=None)


def largest_penalty_in_class(
    problem: TrainingProblem,
    neuron_class: NeuronClass,
    random: np.random.RandomState,
    device: str = "cpu",
    deadline: float = math.inf,
) -> float:
    """Smallest penalty at which the network of the class is constant, by a short search, from below.

    Where there is no time for it, it is about that of all networks, which is larger.
    """
    problem = problem.in_features() if neuron_class.is_monotone else problem
    if not problem.design_fits(deadline):
        return at_least_or_rough(problem, deadline)
    penalised = Penalised(problem.design, neuron_class, problem.slope)
    with one_blas_thread():
        search = oracles_of_class(penalised, "predict", random, device).heuristic
        report = search(problem.dual_point(problem.no_outputs()), deadline=deadline)
        return found_or_at_least(problem, report)


def _descent(
    problem: TrainingProblem, neuron_class: NeuronClass, random: np.random.RandomState
) -> Callable[[float, Look], Iterator[TwoLayerNetwork]]:
    def descend(deadline: float, look: Look) -> Iterator[TwoLayerNetwork]:
        yield descend_in_class(problem, neuron_class, random, deadline, look)

    return descend


@dataclass(eq=False, kw_only=True)
class _CuttingPlaneInClass(CuttingPlane):
    """The loop with networks of a class: what is outside by rounding, as where neurons were joined, is cut off."""

    neuron_class: NeuronClass

    def _keep(self, candidate: TwoLayerNetwork, outputs: Array | None = None) -> bool:
        if self.neuron_class.contains(candidate):
            return super()._keep(candidate, outputs)
        projected = self.neuron_class.projected(candidate)
        return super()._keep(with_best_intercept(self.problem, projected))
