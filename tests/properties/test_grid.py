"""Losses, activations, biases and solvers: each cell works, or says what is missing."""

import numpy as np
import pytest

from convexrelu import TrainingProblem, train
from convexrelu.losses import LOSSES
from convexrelu.problem.training_problem import ACTIVATIONS
from convexrelu.solvers.base import SOLVERS
from tests import reference

N = 14
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, 2))
TEACHER = reference.teacher(N, 2, 3, 0.1, 1)[1]
GATES = np.random.default_rng(2).standard_normal((5, 3))
ALPHA = 0.03
REFERENCE = "cvxpy:CLARABEL"  # what the other solvers are compared with

TARGETS = {
    "poisson": np.round(np.exp(TEACHER)),
    "logistic": np.where(np.median(TEACHER) < TEACHER, 1.0, -1.0),
    "multinomial": (np.argsort(np.argsort(TEACHER)) * 3 // N).astype(float),
}
TARGETS["hinge"] = TARGETS["squared_hinge"] = TARGETS["logistic"]
SMOOTH_SOLVERS = [solver for solver in SOLVERS if not solver.startswith("cvxpy:")]


def targets(loss, several=False):
    y = TARGETS.get(loss, TEACHER)
    if not several:
        return y
    return np.column_stack([y, y[::-1]])


def problem_of(loss, activation, hidden_bias, several=False):
    return TrainingProblem(
        X,
        targets(loss, several),
        ALPHA,
        loss=loss,
        activation=activation,
        hidden_bias=hidden_bias,
    )


def outcome(make, solver, tol=1e-4):
    """The result, or what is missing."""
    try:
        problem = make()
        gates = GATES if problem.n_outputs == 1 else GATES[:3]  # which have directions, too
        gates = gates if problem.hidden_bias else gates[:, :2]
        return problem, train(problem, patterns=gates, solver=solver, tol=tol, random_state=0)
    except ValueError as error:
        assert "not support" in str(error), error
        return None, str(error)


def assert_solved(problem, result, loss):
    certificate, network = result.certificate, result.network
    assert certificate.is_proof and certificate.scope == "program"
    assert certificate.relative_gap <= 1e-4
    if problem.activation in ("gated_relu", "threshold"):
        return
    expected = reference.regularised_loss(
        network, problem.X, problem.y, ALPHA, loss=loss, free_bias=problem.free_bias
    )
    assert certificate.objective == pytest.approx(expected, rel=1e-12)


# Every two of a loss, an activation and a bias meet, all with every solver.
BIASES = (True, False, "free")
CELLS = [
    (loss, activation, BIASES[(i + j) % 3])
    for i, loss in enumerate(LOSSES)
    for j, activation in enumerate(ACTIVATIONS)
]


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "activation", "hidden_bias"), CELLS)
def test_cells(loss, activation, hidden_bias):
    def make():
        return problem_of(loss, activation, hidden_bias)

    problem, best = outcome(make, REFERENCE)
    if problem is None:
        for solver in SOLVERS:
            assert outcome(make, solver)[0] is None
        return
    assert_solved(problem, best, loss)
    for solver in SOLVERS:
        # Biases are columns of the design for cvxpy: its other solvers are tried with one kind of them.
        if solver == REFERENCE or (solver.startswith("cvxpy:") and hidden_bias is not True):
            continue
        solved, result = outcome(make, solver)
        if solver == "auto":
            assert solved is not None
        if solved is not None:
            assert_solved(solved, result, loss)
            # Directions of several outputs are generated: objectives agree as their gaps do.
            rel = 1e-5 if solved.n_outputs == 1 else 1e-4
            objective = best.certificate.objective
            assert result.certificate.objective == pytest.approx(objective, rel=rel)
