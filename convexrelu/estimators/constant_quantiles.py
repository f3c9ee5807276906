"""Constant quantiles: what there is where a fit has no time to look at its inputs."""

from __future__ import annotations

import time
from dataclasses import fields, replace

import numpy as np

from convexrelu._utils.deadlines import product_fits
from convexrelu._utils.typing import Array
from convexrelu.certificates.pricing import certificate_without_pricing
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.output_constraints.polytope import OutputBounds
from convexrelu.output_constraints.train import ConstrainedResult
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.problem.unread import COPY
from convexrelu.results.result import Result
from convexrelu.results.status import Status

__all__ = ["constant_quantiles", "crossing_of_constants", "is_too_late"]

# Training makes designs of samples and of points, and finds those that are equal: the time of so many copies.
_COPIES = 10


def crossing_of_constants(network: TwoLayerNetwork, box: Array) -> OutputBounds:
    """Largest ``f_k − f_(k+1)`` over a box, of shape (2, d): they are the same everywhere, also in its centre."""
    steps = -np.diff(network.output_bias)
    centre = 0.5 * box[0] + 0.5 * box[1]
    bounds = np.where(steps == 0.0, 0.0, np.nextafter(steps, np.inf))
    return OutputBounds(bounds, steps, np.tile(centre, (len(steps), 1)))


def is_too_late(problem: TrainingProblem, deadline: float) -> bool:
    """Whether training would not begin before the deadline."""
    work = _COPIES * COPY * problem.n_entries + problem.work_of_reading
    return not product_fits(work, deadline)


def constant_quantiles(problem: TrainingProblem, began: float, tol: float) -> ConstrainedResult:
    """The best constants in ascending order, with the bound of the dual point zero.

    That bound is one for all networks, and so for those whose outputs do not cross.

    Parameters
    ----------
    problem : TrainingProblem
        With an output for each level, in ascending order.
    began : float
        Value of :func:`time.perf_counter` when the fit began.
    tol : float
        Relative gap at which the fit would have ended.

    Examples
    --------
    >>> from convexrelu.losses.quantile_levels import Quantiles
    >>> y = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]
    >>> problem = TrainingProblem([[0.0], [1.0], [2.0]], y, alpha=1.0, loss=Quantiles([0.1, 0.9]))
    >>> result = constant_quantiles(problem, time.perf_counter(), tol=1e-3)
    >>> result.network.output_bias, result.certificate.scope, result.violation
    (array([0., 2.]), 'output_constraints', 0.0)
    """
    constants = np.maximum.accumulate(problem.zero_network().output_bias)  # equal ones may be off
    network = TwoLayerNetwork.constant(problem.n_features, constants)
    certificate = certificate_without_pricing(problem, problem.objective(network))
    result = Result.of_one_program(
        network,
        replace(certificate, scope="output_constraints"),
        Status.TIME_LIMIT,
        tol=tol,
        seconds=time.perf_counter() - began,
        n_blocks=0,
    )
    return ConstrainedResult(
        **{entry.name: getattr(result, entry.name) for entry in fields(Result)}
    )
