"""The finite program: networks whose neurons have given patterns on samples and collocation points."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array, Masks
from convexrelu.derivatives.problem import DerivativeProblem
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.patterns.cell_centre import cell_centre
from convexrelu.programs.blocks import Blocks
from convexrelu.results.status import Status

__all__ = ["Solved", "clear_of_kinks", "off_kinks", "solve_program"]

_ACCURACY = 1e-9
# Columns below this fraction of the largest are rounding errors of the solver.
_NO_BLOCK = 1e-7
# Angle by which neurons are moved off kinks at collocation points: far above rounding.
_CLEAR = 1e-9


@dataclass(frozen=True, eq=False)
class Solved:
    """Outcome of a finite program.

    Attributes
    ----------
    status : Status
        How the solver ended.
    network : TwoLayerNetwork or None
        Its network, None if the solver failed.
    used : array of int
        Blocks with a neuron.
    dual : array of shape (N,)
        Dual point of the solver: more accurate than that of the network, which is moved off kinks.
    """

    status: Status
    network: TwoLayerNetwork | None = None
    used: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    dual: Array = field(default_factory=lambda: np.zeros(0))


def solve_program(problem: DerivativeProblem, blocks: Blocks, deadline: float = math.inf) -> Solved:
    """Solve the program of :mod:`convexrelu.derivatives.problem` on these patterns.

    The program is written in units in which rows and targets are about one. Neurons are then moved off the kinks at
    collocation points, into the insides of their cells. There is none where the solver has no time before the deadline.

    Examples
    --------
    >>> from convexrelu.derivatives import DerivativeRows
    >>> growth = DerivativeRows([[0.5]], gradient=[1.0], target=1.0)  # f' = 1
    >>> problem = DerivativeProblem([[0.0]], [0.0], 1e-6, growth)
    >>> blocks = Blocks(np.array([[False, True]]), np.array([1.0]), np.zeros((1, 2)))
    >>> solved = solve_program(problem, blocks)
    >>> solved.status.name, solved.network.predict([[0.0], [1.0]]).round(3)
    ('CONVERGED', array([0., 1.]))
    """
    from convexrelu._utils.cvxpy_import import cp
    from convexrelu.programs.base import call_solver, seconds_for_solver, solver_options

    roots = np.sqrt(problem.weights)
    shift = problem.best_constant(np.zeros_like(problem.targets))
    centred = roots * (problem.targets - shift * problem.constant)
    tau = float(norms(centred)) or 1.0
    rho = float(norms(roots * norms(problem.values))) or 1.0
    u = cp.Variable((problem.gates.shape[1], len(blocks)))
    c = cp.Variable() if problem.fit_intercept else cp.Constant(0.0)
    switched = cp.multiply(
        blocks.masks.T * blocks.signs, (roots / rho)[:, None] * problem.values @ u
    )
    # Their link to the network has the dual point as its multiplier.
    residuals = cp.Variable(len(roots))
    link = centred / tau - cp.sum(switched, axis=1) - c * (roots * problem.constant) == residuals
    penalty = problem.alpha / (tau * rho) * cp.sum(cp.norm(u, 2, axis=0))
    lengths = norms(problem.gates)
    normals = problem.gates / np.where(lengths > 0, lengths, 1.0)[:, None]
    cones = cp.multiply(2.0 * blocks.masks.T - 1.0, normals @ u) >= 0
    program = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(residuals) + penalty), [link, cones])
    options = solver_options("CLARABEL", _ACCURACY)
    if math.isfinite(deadline):
        n_entries = 2.0 * problem.gates.size * len(blocks)
        left = seconds_for_solver(program, "CLARABEL", n_entries, deadline)
        if left is None:
            return Solved(Status.USER_LIMIT)
        options["time_limit"] = left
    status = call_solver(program, "CLARABEL", **options)
    if status in (Status.FAILED, Status.INFEASIBLE) or u.value is None or link.dual_value is None:
        return Solved(status)
    directions = np.asarray(u.value).T * (tau / rho)
    if not (np.isfinite(directions).all() and np.isfinite(link.dual_value).all()):
        return Solved(Status.FAILED)
    sizes = norms(directions)
    used = np.flatnonzero(sizes > _NO_BLOCK * sizes.max(initial=0.0))
    return Solved(
        status,
        network=_network(problem, blocks.select(used), directions[used]),
        used=used,
        dual=problem.feasible(tau * roots * np.asarray(link.dual_value)),
    )


def _network(problem: DerivativeProblem, blocks: Blocks, directions: Array) -> TwoLayerNetwork:
    """Neurons of the blocks, clear of kinks, with the intercept that fits best."""
    pairs = zip(blocks.masks, directions, strict=True)
    clear = [off_kinks(problem, mask, direction) for mask, direction in pairs]
    network = TwoLayerNetwork.from_directions(
        np.array(clear).reshape(directions.shape),
        blocks.signs,
        0.0,
        hidden_bias=problem.hidden_bias,
    )
    return network.with_output_bias(problem.best_constant(problem.outputs(network)))


def off_kinks(problem: DerivativeProblem, mask: Masks, direction: Array) -> Array:
    """The direction, moved to the right side of the kinks of equations that it is on, or that the solver missed.

    Those of samples do not matter, where neurons are continuous. The way leads to the centre of the cone of the kinks
    in question, and others that this meets are added.

    Examples
    --------
    >>> from convexrelu.derivatives import DerivativeRows
    >>> problem = DerivativeProblem([[-1e-8]], [0.0], 1.0, DerivativeRows([[0.0]], [1.0]))
    >>> moved = off_kinks(problem, np.array([False, True]), np.array([1.0, 0.0]))
    >>> bool(moved[1] > 0), float(np.abs(moved - [1.0, 0.0]).max().round(8))
    (True, 0.0)
    """
    n = len(problem.X)
    normals = (2.0 * mask[n:] - 1.0)[:, None] * problem.gates[n:]
    wanted = _CLEAR * norms(normals) * norms(direction)
    near, moved = np.zeros(len(normals), dtype=bool), direction
    while ((lacking := wanted - normals @ moved > 0) & ~near).any():
        near |= lacking
        centre = cell_centre(normals[near], np.ones(near.sum(), dtype=bool))
        if centre is None:
            return moved
        step = ((2 * wanted - normals @ direction)[near] / (normals[near] @ centre)).max()
        moved = direction + step * centre
    return moved


def clear_of_kinks(problem: DerivativeProblem, network: TwoLayerNetwork) -> TwoLayerNetwork:
    """The network with its neurons moved off kinks at collocation points, each into a cell that it is a limit of.

    As the certificate is about such limits, a network that no cell has the derivatives of could be below its bound.
    Where some cell has it, neurons are then inactive at the points in question.

    Examples
    --------
    >>> from convexrelu.derivatives import DerivativeRows
    >>> problem = DerivativeProblem([[1.0]], [0.0], 1.0, DerivativeRows([[0.0]], [1.0]))
    >>> moved = clear_of_kinks(problem, TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0]))
    >>> bool(-1e-8 < moved.hidden_bias[0] < 0)
    True
    """
    weights = problem.directions(network)
    gates = problem.gates[len(problem.X) :]
    values = weights @ gates.T
    near = np.abs(values) <= _CLEAR * np.outer(norms(weights), norms(gates))
    moved = np.array(weights)
    samples = np.zeros(len(problem.X), dtype=bool)  # where neurons are continuous
    generic = np.random.RandomState(0).standard_normal(gates.shape[1])
    for j in np.flatnonzero(near.any(axis=1) & (norms(weights) > 0)):
        centre = cell_centre(gates[near[j]], np.zeros(near[j].sum(), dtype=bool))
        side = gates @ (generic if centre is None else centre)
        active = np.where(near[j], side, values[j]) > 0
        moved[j] = off_kinks(problem, np.append(samples, active), weights[j])
    if not problem.hidden_bias:
        return replace(network, hidden_weights=moved)
    return replace(network, hidden_weights=moved[:, :-1], hidden_bias=moved[:, -1])
