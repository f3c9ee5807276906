"""Interpolation at the smallest norm on a line: straight lines between targets, or a margin of one."""

from __future__ import annotations

import math

import numpy as np
from scipy.interpolate import PPoly

from convexrelu._utils.typing import Array
from convexrelu.closed_forms.line import SplineProgram, line_of
from convexrelu.interpolation.norm_certificate import (
    Found,
    dual_feasible,
    norm_certificate,
    with_margin,
)
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.optimal_set import minimal
from convexrelu.oracles import Line, LineOracle
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.status import Status
from convexrelu.univariate import from_spline

__all__ = ["interpolate_on_line"]


def interpolate_on_line(problem: TrainingProblem) -> Found:
    """The network of smallest norm for samples on a line and free biases."""
    line = line_of(problem)
    find = _by_margin if problem.loss.is_hinge else _interpolant
    network, v, status = find(problem, line)
    oracle = LineOracle(problem.design, line)
    certificate, _ = norm_certificate(
        problem, network, oracle, dual_feasible(problem, v), 0.0, math.inf
    )
    return network, certificate, 1, status


def _by_margin(problem: TrainingProblem, line: Line) -> tuple[TwoLayerNetwork, Array, Status]:
    """Solve the program of slopes."""
    program = SplineProgram(problem, line, margins=True)
    status = program.solve()
    v = program.dual()
    if v is None:
        raise ValueError(f"y: the solver found no network that meets it ({status.value})")
    network = minimal(program.network(1e-6), problem)
    return with_margin(problem, network), v, status


def _interpolant(problem: TrainingProblem, line: Line) -> tuple[TwoLayerNetwork, Array, Status]:
    r"""Straight lines between the targets.

    With slopes ``s_k`` between samples, ``V = Σ_k |s_k − s_{k−1}|`` and ``L = s_first + s_last``, a spline costs
    ``max(V, |L|)`` on the whole line (:func:`~convexrelu.univariate.from_spline`). A kink at an end of the data changes
    nothing on them: one of ``t = sign(L) (|L| − V)/2``, where that is positive, leaves the cost ``(V + |L|)/2``. So
    ``N = ½V + ½ max(V, |L|)``, and ``v = ∇_y N`` has ``vᵀy = N``.
    """
    order = np.argsort(line.positions)
    knots, y = line.positions[order], problem.y[order]
    gaps = np.diff(knots)
    if (gaps == 0).any():
        raise ValueError("y has different targets for samples that are equal up to rounding")
    slopes = np.diff(y) / gaps
    total, ends = float(np.abs(np.diff(slopes)).sum()), float(slopes[0] + slopes[-1])
    extra = math.copysign(max(abs(ends) - total, 0.0) / 2, ends)
    breaks = np.concatenate([[2 * knots[0] - knots[1]], knots])
    pieces = np.concatenate([[slopes[0] - extra], slopes])
    values = np.concatenate([[y[0] - pieces[0] * gaps[0]], y[:-1]])
    spline = from_spline(PPoly(np.array([pieces, values]), breaks))
    network = TwoLayerNetwork(
        spline.hidden_weights * line.direction,
        spline.hidden_bias - spline.hidden_weights[:, 0] * (line.direction @ problem.origin),
        spline.output_weights,
        spline.output_bias,
    )
    # Derivative of N with respect to slopes, then to targets.
    of_ends = abs(ends) > total
    bends = np.sign(np.diff(slopes)) * (0.5 if of_ends else 1.0)
    of_slopes = -np.diff(np.concatenate([[0.0], bends, [0.0]]))
    if of_ends:
        of_slopes[[0, -1]] += 0.5 * math.copysign(1.0, ends)
    v = np.zeros(len(y))
    v[order] = -np.diff(np.concatenate([[0.0], of_slopes / gaps, [0.0]]))
    return network, v, Status.CONVERGED
