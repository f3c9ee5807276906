"""Training with the implicit regulariser of label noise, by a convex program on given patterns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_positive, finite_array
from convexrelu._utils.cvxpy_import import cp
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.baselines.label_noise import check_supported, implicit_regulariser
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.patterns.activation import ActivationPatterns
from convexrelu.patterns.complete import has_every_cell
from convexrelu.patterns.enumerate import enumerate_patterns
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.base import call_solver, solver_options
from convexrelu.results.status import Status

__all__ = ["LabelNoiseFit", "label_noise_program"]

# Neurons that contribute less than this fraction of the regulariser are rounding errors of the solver.
_DUST = 1e-7
# Relative accuracy that is asked of the solver.
_ACCURACY = 1e-9


@dataclass(frozen=True, eq=False)
class LabelNoiseFit:
    """Solution of :func:`label_noise_program`.

    Attributes
    ----------
    network : TwoLayerNetwork
        With the scales of neurons that are best for the regulariser.
    objective : float
        ``F(f) + strength · R`` of the network.
    optimum : float
        Optimal value of the program, up to the accuracy of the solver.
    regulariser : float
        ``R`` of the network.
    enumerated : bool
        Whether the program is proved to have all patterns. Then no network has a smaller value, up to the solver's
        accuracy, if the samples are in general position: see the notes of :func:`label_noise_program`.
    """

    network: TwoLayerNetwork
    objective: float
    optimum: float
    regulariser: float
    enumerated: bool


def label_noise_program(
    problem: TrainingProblem, strength: float, *, gates: ArrayLike | None = None
) -> LabelNoiseFit:
    r"""Train with the regulariser of label noise instead of weight decay.

    ::

        min  F(Σ_i D_i X̃ (v_i − w_i) + c) + 2 strength Σ_i S_i (‖D_i X̃ v_i‖ + ‖D_i X̃ w_i‖)
        s.t. (2D_i − I) X̃ v_i ≥ 0,  (2D_i − I) X̃ w_i ≥ 0,     S_i² = Σ_{active} ‖x̃_k‖²

    with sample weights in norms and sums. Pilanci & Ergen (2020) have the same program with ``‖v_i‖ + ‖w_i‖``.

    Parameters
    ----------
    problem : TrainingProblem
        With one output, ReLU units, and penalised hidden biases or none; its ``alpha`` is not used.
    strength : float
        Factor of the regulariser, positive.
    gates : array of shape (P, d̃), optional
        Gates whose patterns the program has; all patterns by default.

    Returns
    -------
    LabelNoiseFit

    Raises
    ------
    RuntimeError
        If the solver fails.

    Notes
    -----
    At a kink the gradient of a network is not unique; :func:`~convexrelu.baselines.implicit_regulariser`
    counts samples there as inactive. If at most ``d̃ − 1`` samples, with linearly independent ``x̃_i``, are on the kink
    of a neuron, there is a pattern next to it in which all of them are inactive, and the program has its value. For
    dependent samples, such as ``x̃`` and ``−x̃``, there may be none, and a network with such a kink may be lower.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem
    >>> from convexrelu.baselines import label_noise_program
    >>> X = np.linspace(-1, 1, 5)[:, None]
    >>> fit = label_noise_program(TrainingProblem(X, np.abs(X[:, 0]), 0.1), 1e-3)
    >>> fit.enumerated, bool(abs(fit.objective - fit.optimum) < 1e-6)
    (True, True)
    """
    check_supported(problem)
    check_positive("strength", strength)
    if gates is None:
        patterns = enumerate_patterns(problem.design, asked_by="label_noise_program")
    else:
        gates = finite_array("gates", gates, "P", problem.design.shape[1])
        patterns = ActivationPatterns.of_gates(problem.design, gates)
    enumerated = gates is None and has_every_cell(problem.design, patterns)
    masks = np.repeat(patterns.masks[patterns.masks.any(axis=1)], 2, axis=0)
    signs = np.tile([1.0, -1.0], len(masks) // 2)
    root = np.sqrt(problem.weights)
    inputs = norms(masks * root * norms(problem.design))

    blocks = cp.Variable((problem.design.shape[1], len(masks)))
    seen = problem.design @ blocks
    hidden = cp.multiply(masks.T.astype(np.float64), seen)
    intercept = cp.Variable() if problem.fit_intercept else cp.Constant(0.0)
    data_fit = problem.loss.expression(hidden @ signs + intercept, problem.y, problem.weights)
    lengths = cp.norm(cp.multiply(root[:, None], hidden), 2, axis=0)
    program = cp.Problem(
        cp.Minimize(data_fit + 2 * strength * (lengths @ inputs)),
        [cp.multiply(2.0 * masks.T - 1.0, seen) >= 0],
    )
    status = call_solver(program, "CLARABEL", **solver_options("CLARABEL", _ACCURACY))
    if status is Status.FAILED or blocks.value is None:
        raise RuntimeError(f"the program of label noise was not solved: {program.status}")
    network = _network(problem, blocks.value.T, signs, inputs, np.asarray(intercept.value).item())
    regulariser = implicit_regulariser(network, problem)
    objective = problem.data_fit(network.predict(problem.X)) + strength * regulariser
    return LabelNoiseFit(network, objective, float(program.value), regulariser, enumerated)


def _network(
    problem: TrainingProblem, blocks: Array, signs: Array, inputs: Array, intercept: float
) -> TwoLayerNetwork:
    """Neurons with ``a² Σ_{active} ‖x̃‖² = ‖D X̃ w̃‖²``, the scales for which the regulariser is smallest."""
    root = np.sqrt(problem.weights)
    outputs = norms((np.maximum(problem.design @ blocks.T, 0.0) * root[:, None]).T)
    sizes = outputs * inputs
    kept = sizes > _DUST * sizes.sum()
    blocks, signs = blocks[kept], signs[kept]
    outer = np.sqrt(outputs[kept] / inputs[kept])
    inner = blocks / outer[:, None]
    has_bias = bool(problem.hidden_bias)
    return TwoLayerNetwork(
        inner[:, :-1] if has_bias else inner,
        inner[:, -1] if has_bias else np.zeros(len(inner)),
        (signs * outer)[None],
        [intercept],
    )
