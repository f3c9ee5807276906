"""Training on a fixed list of patterns: one finite program, one certificate."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import partial

import numpy as np

from convexrelu._utils.deadlines import seconds_before
from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.pricing import (
    certificate_in_closed_form,
    certificate_of,
    price_and_certify,
)
from convexrelu.networks.gated import GatedNetwork
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import CellOracle, Oracle, PatternOracle
from convexrelu.oracles.for_problem import oracles_for, program_oracle_for
from convexrelu.patterns import ActivationPatterns
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks
from convexrelu.programs.neuron_map import dual_of, recover_gated, recover_relu
from convexrelu.results.result import Progress, Result
from convexrelu.results.status import Status
from convexrelu.solvers.base import ProgramSolver

__all__ = ["pattern_oracle", "train_on_patterns"]

# Fraction of the time after which the solver ends: the rest is for the certificate.
_TIME_FOR_SOLVER = 0.9


def train_on_patterns(
    problem: TrainingProblem,
    patterns: ActivationPatterns,
    solver: ProgramSolver,
    *,
    complete: bool,
    tol: float,
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> Result:
    """Best network whose neurons have the given patterns; for gated ReLU networks, in the scope of the program.

    Parameters
    ----------
    problem : TrainingProblem
        Without samples of weight zero.
    patterns : ActivationPatterns
    solver : ProgramSolver
    complete : bool
        Whether these are all patterns: the certificate of a ReLU network is then of global scope, otherwise
        of the program's.
    tol : float
        Relative gap at which training counts as converged.
    time_limit : float, optional
        Seconds. The solver has nine tenths of them, the rest is for the certificate.
    progress : callable, optional
        Called once, with the only round.
    """
    started = time.perf_counter()
    deadline = math.inf if time_limit is None else started + time_limit
    gated = problem.activation == "gated_relu"
    train = _train_gated if gated else partial(_train_relu, complete=complete)
    network, certificate, solver_status, interrupted = train(
        problem, patterns, solver, deadline=deadline
    )
    return Result.of_one_program(
        network,
        certificate,
        solver_status,
        tol=tol,
        seconds=time.perf_counter() - started,
        n_blocks=len(patterns) if gated else 2 * len(patterns),
        progress=progress,
        interrupted=interrupted,
    )


def _train_relu(
    problem: TrainingProblem,
    patterns: ActivationPatterns,
    solver: ProgramSolver,
    *,
    complete: bool,
    deadline: float,
) -> tuple[TwoLayerNetwork, Certificate, Status, bool]:
    """The network, its certificate, the solver's status, and whether the certificate was interrupted."""
    blocks = Blocks.both_signs(patterns.masks)
    oracle = pattern_oracle(problem, patterns, complete)
    solution = solver.relu(problem, blocks, time_limit=seconds_before(deadline, _TIME_FOR_SOLVER))
    # The zero network is feasible in every program: the fallback if the solver fails.
    network = problem.zero_network()
    if solution.usable:
        candidate = recover_relu(problem, solution, blocks)
        if problem.objective(candidate) < problem.objective(network):
            network = candidate
    try:
        v = dual_of(problem, solution)
        certificate, _ = price_and_certify(problem, network, oracle, v, deadline=deadline)
    except KeyboardInterrupt:
        return network, certificate_in_closed_form(problem, network), solution.status, True
    if certificate.scope == "program":
        # Blocks of an inexact solution may be outside their cones, and the network then below the program's optimum.
        lower = min(certificate.lower_bound, certificate.objective)
        certificate = replace(certificate, lower_bound=lower)
    return network, certificate, solution.status, False


def pattern_oracle(
    problem: TrainingProblem, patterns: ActivationPatterns, complete: bool
) -> Oracle:
    """Oracle over given patterns, of global scope where these are all."""
    if not complete:
        return program_oracle_for(problem, patterns.masks)
    if problem.n_outputs == 1 and problem.slope == 0.0 and not problem.free_bias:
        return CellOracle(problem.design, patterns=patterns)
    return oracles_for(problem, "cells").exact


def _train_gated(
    problem: TrainingProblem,
    patterns: ActivationPatterns,
    solver: ProgramSolver,
    *,
    deadline: float,
) -> tuple[GatedNetwork, Certificate, Status, bool]:
    blocks = Blocks(patterns.masks, np.ones(len(patterns)))
    solution = solver.gated(problem, blocks, time_limit=seconds_before(deadline, _TIME_FOR_SOLVER))
    network = recover_gated(problem, solution, patterns.gates)
    objective = problem.data_fit(network.predict(problem.X)) + problem.alpha * network.penalty()
    v = dual_of(problem, solution)
    report = PatternOracle(problem.design, patterns.masks, cones=False, method="gates")(
        v, deadline=deadline
    )
    return network, certificate_of(problem, objective, v, report), solution.status, False
