"""Training on a fixed list of patterns: one finite programme, one certificate."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from convexrelu.certificate import Certificate, certificate_of, price_and_certify
from convexrelu.gated_network import GatedNetwork
from convexrelu.network import TwoLayerNetwork
from convexrelu.oracles import CellOracle, Oracle, PatternOracle
from convexrelu.oracles.of_problem import oracles_for, programme_oracle_for
from convexrelu.patterns import ActivationPatterns
from convexrelu.problem import TrainingProblem
from convexrelu.result import Blocks, Result, Round
from convexrelu.solvers.master import Master
from convexrelu.solvers.recovery import dual_of, recover_gated, recover_relu
from convexrelu.status import Status

__all__ = ["pattern_oracle", "train_on_patterns"]


def train_on_patterns(
    problem: TrainingProblem,
    patterns: ActivationPatterns,
    master: Master,
    *,
    complete: bool,
    tol: float,
    time_limit: float | None = None,
    progress: Callable[[Round], None] | None = None,
) -> Result:
    """Best network whose neurons have the given patterns; of gated ReLU networks, in the scope of the programme.

    Parameters
    ----------
    problem : TrainingProblem
        Without weightless samples.
    patterns : ActivationPatterns
    master : Master
    complete : bool
        Whether these are all patterns: the certificate of a ReLU network then is of global scope, otherwise
        of the programme's.
    tol : float
        Relative gap that counts as converged.
    time_limit : float, optional
        Seconds for the solver.
    progress : callable, optional
        Called with the only round.
    """
    started = time.perf_counter()
    gated = problem.activation == "gated_relu"
    train = _train_gated if gated else partial(_train_relu, complete=complete)
    network, certificate, solver_status = train(problem, patterns, master, time_limit=time_limit)
    return Result.of_one_programme(
        network,
        certificate,
        solver_status,
        tol=tol,
        seconds=time.perf_counter() - started,
        n_blocks=len(patterns) if gated else 2 * len(patterns),
        progress=progress,
    )


def _train_relu(
    problem: TrainingProblem,
    patterns: ActivationPatterns,
    master: Master,
    *,
    complete: bool,
    time_limit: float | None,
) -> tuple[TwoLayerNetwork, Certificate, Status]:
    blocks = Blocks.both_signs(patterns.masks)
    oracle = pattern_oracle(problem, patterns, complete)
    solution = master.relu(problem, blocks, time_limit=time_limit)
    # The zero network is feasible in every programme: what a failed solver falls back on.
    network = problem.zero_network()
    if solution.usable:
        candidate = recover_relu(problem, solution, blocks)
        if problem.objective(candidate) < problem.objective(network):
            network = candidate
    certificate, _ = price_and_certify(problem, network, oracle, dual_of(problem, solution))
    return network, certificate, solution.status


def pattern_oracle(
    problem: TrainingProblem, patterns: ActivationPatterns, complete: bool
) -> Oracle:
    """Oracle over given patterns, of global scope where these are all."""
    if not complete:
        return programme_oracle_for(problem, patterns.masks)
    if problem.n_outputs == 1 and problem.slope == 0.0 and not problem.free_bias:
        return CellOracle(problem.design, patterns=patterns)
    return oracles_for(problem, "cells").verifier


def _train_gated(
    problem: TrainingProblem,
    patterns: ActivationPatterns,
    master: Master,
    *,
    time_limit: float | None,
) -> tuple[GatedNetwork, Certificate, Status]:
    blocks = Blocks(patterns.masks, np.ones(len(patterns)))
    solution = master.gated(problem, blocks, time_limit=time_limit)
    network = recover_gated(problem, solution, patterns.gates)
    objective = problem.data_fit(network.predict(problem.X)) + problem.alpha * network.penalty()
    v = dual_of(problem, solution)
    report = PatternOracle(problem.design, patterns.masks, cones=False, method="gates")(v)
    return network, certificate_of(problem, objective, v, report), solution.status
