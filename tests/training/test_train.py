"""Options of train."""

from dataclasses import replace

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, TwoLayerNetwork, train
from convexrelu.constrained import train_in_class
from convexrelu.problem.training_problem import ACTIVATIONS
from convexrelu.solvers.base import ProgramSolver
from convexrelu.solvers.registry import make_solver
from convexrelu.training.options import PATTERNS
from tests import reference
from tests.honest import assert_certifies, assert_same_network

X, Y = reference.teacher(20, 2, 2, 0.1, 0)
PROBLEM = TrainingProblem(X, Y, 0.01)

BAD_OPTIONS = {
    "patterns": ["all", None, 3, [1.0, 2.0, 3.0], [[1.0, 2.0]], np.zeros((0, 3)), [["a"] * 3]],
    "n_patterns": [0, -1, 1.5, True, "5", None],
    "solver": ["MOSEK", "cvxpy:MOSEK", "CLARABEL", None, 3],
    "oracle": ["exact", "relaxation", None, 3],
    "tol": [-1e-3, np.nan, np.inf, True, "1", None],
    "max_iter": [0, -1, 1.5, True, "5", None],
    "time_limit": [-1.0, np.nan, np.inf, True, "5"],
    "start": [TwoLayerNetwork.constant(3), TwoLayerNetwork.constant(2, [0.0, 1.0]), 3, "zero"],
    "random_state": ["seed", -1, 1.5],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD_OPTIONS.items() for value in values]
)
def test_bad_options_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        train(PROBLEM, **{name: value})


def test_unknown_options_are_refused():
    with pytest.raises(TypeError, match="width"):
        train(PROBLEM, width=3)


def test_messages_list_the_choices():
    with pytest.raises(ValueError, match="available") as caught:
        train(PROBLEM, patterns="other")
    assert all(repr(choice) in str(caught.value) for choice in PATTERNS)
    with pytest.raises(ValueError, match="available") as caught:
        TrainingProblem(X, Y, 0.1, activation="other")
    assert all(repr(choice) in str(caught.value) for choice in ACTIVATIONS)


def test_gates_must_be_finite():
    with pytest.raises(ValueError, match="patterns contains NaN"):
        train(PROBLEM, patterns=[[1.0, np.nan, 0.0]])


def test_cutting_planes_do_not_price_gates():
    with pytest.raises(ValueError, match="patterns='cutting_plane'"):
        train(TrainingProblem(X, Y, 0.1, activation="gated_relu"))


@pytest.mark.parametrize("value", [np.float32(1e-3), np.float64(1e-3), 0])
def test_numbers_of_numpy_are_numbers(value):
    result = train(PROBLEM, tol=value, max_iter=np.int64(3), n_patterns=np.int32(5), random_state=0)
    assert result.n_iter <= 3


def test_numbers_of_patterns():
    few, many = (train(PROBLEM, patterns="sampled", n_patterns=n, random_state=0) for n in (3, 300))
    assert few.history[0].n_blocks <= 6 < many.history[0].n_blocks
    assert many.certificate.lower_bound < few.certificate.objective


def test_gates_decide_the_patterns():
    """With the gates of the optimum's neurons the program has the same optimum."""
    best = train(PROBLEM, tol=1e-6, random_state=0)
    gates = best.network.augmented_weights()
    result = train(PROBLEM, patterns=gates, tol=1e-6)
    assert result.history[0].n_blocks <= 2 * len(gates)
    assert result.certificate.scope == "program"
    assert result.certificate.objective == pytest.approx(best.certificate.objective, rel=2e-6)


@pytest.mark.parametrize("patterns", ["cutting_plane", "sampled"])
def test_progress_sees_every_round(patterns):
    seen = []
    result = train(PROBLEM, patterns=patterns, random_state=0, progress=seen.append)
    assert seen == result.history and len(seen) > 0


def test_weightless_samples_do_not_count():
    weight = np.append(np.ones(len(Y)), 0.0)
    inputs, targets = np.vstack([X, [[50.0, -50.0]]]), np.append(Y, 1e3)
    problem = TrainingProblem(inputs, targets, 0.01, sample_weight=weight)
    result, twin = train(problem, random_state=0), train(PROBLEM, random_state=0)
    assert_same_network(result.network, twin.network)
    assert_certifies(result.certificate, result.network, inputs, targets, 0.01, weight)


def test_a_solver_that_is_no_program_solver_is_refused():
    X, y = reference.teacher(10, 2, 2, 0.1, 0)
    with pytest.raises(ValueError, match="solver=3"):
        train(TrainingProblem(X, y, 0.1), solver=3)


class OutsideTheCones(ProgramSolver):
    """A program solver whose blocks are outside of their cones, as those of an inexact one may be."""

    def relu(self, problem, blocks, *, start=None, time_limit=None):
        exact = make_solver("auto").relu(problem, blocks)
        moved = np.zeros_like(exact.blocks)
        moved[blocks.signs > 0] = [4.0, 0.0]
        return replace(exact, blocks=moved)


def test_no_bound_of_a_program_is_above_the_network_that_comes_back():
    """The best linear fit to relu(x), whose pattern the program has, is worse than relu(x)."""
    X = np.linspace(-1, 1, 9)[:, None]
    problem = TrainingProblem(X, 4 * np.maximum(X[:, 0], 0.0), 1e-3)
    linear = train(problem, patterns=[[0.0, 1.0]])
    result = train(problem, patterns=[[0.0, 1.0]], solver=OutsideTheCones())
    assert result.certificate.objective < 0.5 * linear.certificate.lower_bound
    assert result.certificate.lower_bound <= result.certificate.objective


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "hinge"])
def test_what_there_is_when_checks_took_all_the_time(monkeypatch, loss):
    """The best constant or the start, with the bound of a dual point of zero, and no complaint about a solver."""
    monkeypatch.setattr("convexrelu._utils.deadlines._ALWAYS", 0.0)
    X, y = reference.teacher(30, 2, 2, 0.1, 0)
    y = {"poisson": np.round(np.exp(y)), "hinge": np.where(y > np.median(y), 1.0, -1.0)}.get(
        loss, y
    )
    problem = TrainingProblem(X, y, 0.01, loss=loss)
    seen = []
    result = train(problem, time_limit=1e-9, random_state=0, progress=seen.append)
    assert result.status is Status.TIME_LIMIT and len(seen) == len(result.history) == 1
    assert result.network.width == 0 and result.certificate.is_proof
    best = train(problem, random_state=0)
    assert result.certificate.lower_bound <= best.certificate.objective
    again = train(problem, time_limit=1e-9, start=best.network, random_state=0)
    assert again.certificate.objective == pytest.approx(best.certificate.objective, rel=1e-12)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "hinge", "multinomial"])
def test_an_hour_is_as_good_as_no_limit(loss):
    """Descent, programs and bounds take the same path, to the last bit."""
    X, y = reference.teacher(20, 3, 3, 0.1, 0)
    thirds = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    targets = {"hinge": np.where(y > 0, 1.0, -1.0), "multinomial": thirds}
    problem = TrainingProblem(X, targets.get(loss, y), 0.02, loss=loss)
    without, limited = (
        train(problem, tol=3e-2, random_state=0, time_limit=limit) for limit in (None, 3600.0)
    )
    assert_same_network(limited.network, without.network)
    assert limited.certificate == without.certificate


@pytest.mark.parametrize("call", [train, train_in_class])
def test_progress_must_be_callable(call):
    problem = TrainingProblem(np.eye(3), np.arange(3.0), 0.1)
    keywords = {} if call is train else {"positive": True}
    for wrong in (3, "bar", dict):
        with pytest.raises(ValueError, match=r"progress=.* is not a callable that takes a Round"):
            call(problem, progress=wrong, **keywords)
