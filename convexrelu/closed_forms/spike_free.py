"""Spike-free data: two neurons, one for each sign of the outputs, from one convex program."""

from __future__ import annotations

import math
import time

import numpy as np

from convexrelu._utils.deadlines import seconds_before
from convexrelu.certificates.pricing import price_and_certify
from convexrelu.oracles import SpikeFreeOracle, proved_length
from convexrelu.oracles.exact.spike_free import LONGEST
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks
from convexrelu.programs.neuron_map import dual_of, recover_relu
from convexrelu.results.result import Progress, Result
from convexrelu.solvers.registry import make_solver

__all__ = ["train_spike_free"]


def train_spike_free(
    problem: TrainingProblem,
    *,
    tol: float = 1e-3,
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> Result:
    r"""Train on spike-free data: two neurons that are active on all samples.

    Data are spike-free if rectifying the ellipsoid ``{X̃u : ‖u‖ ≤ 1}`` stays inside it (Ergen & Pilanci 2021;
    see :func:`~convexrelu.oracles.spike_free_margin`), for instance whitened rows. Then all neurons can be replaced by
    ones with ``X̃w ≥ 0``, at no higher penalty, and those of equal sign can be merged::

        P = min  F(X̃(w₁ − w₂) + c) + alpha (‖w₁‖ + ‖w₂‖)      s.t.  X̃w₁ ≥ 0,  X̃w₂ ≥ 0

    The condition concerns the rows ``x̃_i``, including the entry one for a hidden bias, and requires linearly
    independent rows: at most ``d̃`` samples.

    Parameters
    ----------
    problem : TrainingProblem
        With one output, ReLU, hidden biases penalised or absent, no skip connection; any loss.
    tol : float
        Relative gap at which training counts as converged.
    time_limit : float, optional
        Seconds. The solver has nine tenths of them, the rest is for the certificate.
    progress : callable, optional
        Called once, with the only round.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        If the problem is of another kind, or the data are not proved to be spike-free.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem
    >>> from convexrelu.closed_forms import train_spike_free
    >>> X = np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    >>> problem = TrainingProblem(X, [2.0, 1.0, -1.0], alpha=0.1, hidden_bias=False)
    >>> result = train_spike_free(problem)
    >>> result.certificate.is_proof, result.network.width
    (True, 2)
    """
    started = time.perf_counter()
    deadline = math.inf if time_limit is None else started + time_limit
    problem = problem.condensed()
    oracle = _oracle(problem)
    blocks = Blocks.both_signs(np.ones((1, problem.n_samples), dtype=bool))
    solver = make_solver("auto", tol, "cpu", fixed_patterns=True)
    solution = solver.relu(problem, blocks, time_limit=seconds_before(deadline, 0.9))
    network = problem.zero_network()
    if solution.usable:
        found = recover_relu(problem, solution, blocks)
        network = min((found, network), key=problem.objective)
    v = dual_of(problem, solution)
    certificate, _ = price_and_certify(problem, network, oracle, v, deadline=deadline)
    return Result.of_one_program(
        network,
        certificate,
        solution.status,
        tol=tol,
        seconds=time.perf_counter() - started,
        n_blocks=len(blocks),
        progress=progress,
        dual=v,
    )


def _oracle(problem: TrainingProblem) -> SpikeFreeOracle:
    plain = problem.activation == "relu" and not problem.skip and not problem.free_bias
    if not plain or problem.n_outputs > 1:
        raise ValueError(
            "the closed form of spike-free data does not support several outputs, free biases, skip connections "
            "or activations other than 'relu'; use train"
        )
    length = proved_length(problem.design)
    if length > LONGEST:
        raise ValueError("X is not proved to be spike-free; use train")
    return SpikeFreeOracle(problem.design, length)
