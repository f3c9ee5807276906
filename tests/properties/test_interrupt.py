"""Ctrl-C: the best network so far, with its certificate, or none, and the message says which."""

from copy import deepcopy

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from convexrelu import ConvexReLURegressor, Status, TrainingProblem, regularization_path, train
from convexrelu.oracles import SearchOracle
from convexrelu.oracles.bounds import branch_and_bound
from convexrelu.oracles.bounds.tree import Tree
from convexrelu.solvers.native.solver import NativeSolver
from convexrelu.solvers.nonconvex import descent
from convexrelu.training.cutting_plane import CuttingPlane
from tests import reference
from tests.honest import assert_certifies, assert_honest, assert_same_network

X, Y = reference.teacher(25, 4, 3, 0.1, 0)
ALPHA = 0.005


def regressor(**params):
    defaults = {"alpha": ALPHA, "oracle": "search", "tol": 1e-6, "random_state": 0}
    defaults["solver"] = "newton"  # whose calls are counted
    return ConvexReLURegressor(**{**defaults, **params})


def interrupt(monkeypatch, owner, name, call):
    """Raise KeyboardInterrupt from inside the given call of a method, counted from one."""
    original, count = getattr(owner, name), 0

    def interrupted(self, *args, **kwargs):
        nonlocal count
        count += 1
        if count == call:
            raise KeyboardInterrupt
        return original(self, *args, **kwargs)

    monkeypatch.setattr(owner, name, interrupted)


@pytest.fixture(scope="module")
def undisturbed():
    return regressor().fit(X, Y)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["first", "last"])
def test_the_best_network_so_far_is_kept(monkeypatch, undisturbed, moment):
    call = 1 if moment == "first" else undisturbed.n_iter_
    interrupt(monkeypatch, NativeSolver, "relu", call)
    model = regressor()
    with pytest.raises(KeyboardInterrupt, match="keeps the best network so far") as caught:
        model.fit(X, Y)
    assert str(model.certificate_) in str(caught.value)
    assert model.status_ is Status.INTERRUPTED
    assert model.n_iter_ == call - 1
    assert_honest(model, X, Y)
    # Nothing but the interruption is different.
    objectives = [entry.objective for entry in undisturbed.history_[: call + 1]]
    assert [entry.objective for entry in model.history_] == objectives
    np.testing.assert_array_equal(model.predict(X), model.network_.predict(X))


def test_an_interrupted_oracle_leaves_the_network_before(monkeypatch, undisturbed):
    interrupt(monkeypatch, SearchOracle, "__call__", 3)
    model = regressor()
    with pytest.raises(KeyboardInterrupt, match="keeps the best network so far"):
        model.fit(X, Y)
    assert_honest(model, X, Y)
    assert model.certificate_.objective == undisturbed.history_[2].objective


def test_without_a_certificate_there_is_no_network(monkeypatch):
    interrupt(monkeypatch, descent.RoundedObjective, "__call__", 1)
    model = regressor()
    with pytest.raises(KeyboardInterrupt, match="there is no network"):
        model.fit(X, Y)
    with pytest.raises(NotFittedError):
        model.predict(X)
    assert not hasattr(model, "network_") and not hasattr(model, "certificate_")


@pytest.mark.parametrize("patterns", ["sampled", "enumerated"])
def test_a_single_program_leaves_no_network(monkeypatch, patterns):
    interrupt(monkeypatch, NativeSolver, "relu", 1)
    model = regressor(patterns=patterns)
    with pytest.raises(KeyboardInterrupt, match="there is no network"):
        model.fit(X[:, :1], Y)
    with pytest.raises(NotFittedError):
        model.predict(X[:, :1])


@pytest.mark.slow
def test_an_interrupted_warm_start_leaves_the_model_as_it_was(monkeypatch, undisturbed):
    model = deepcopy(undisturbed).set_params(warm_start=True)
    network, certificate = model.network_, model.certificate_
    interrupt(monkeypatch, CuttingPlane, "_begin_with", 1)
    with pytest.raises(KeyboardInterrupt, match="interrupted"):
        model.fit(X, Y)
    assert_same_network(model.network_, network)
    assert model.certificate_ == certificate


@pytest.mark.slow
def test_the_interrupted_model_can_go_on(monkeypatch):
    # Searches find the maxima of these data every time: with twenty seeds, all end at the same optimum.
    data = reference.teacher(30, 3, 3, 0.1, 0)
    undisturbed = regressor().fit(*data)
    model = regressor(warm_start=True)
    with monkeypatch.context() as patch:
        interrupt(patch, NativeSolver, "relu", undisturbed.n_iter_)
        with pytest.raises(KeyboardInterrupt):
            model.fit(*data)
    reached = model.certificate_.objective
    model.fit(*data)
    assert model.status_ is Status.CONVERGED
    # It begins where it was, and ends where the undisturbed one does.
    assert model.history_[0].objective <= reached * (1 + 1e-12)
    optimum = undisturbed.certificate_.lower_bound
    assert model.certificate_.objective <= optimum * (1 + 2 * model.tol)
    assert_honest(model, *data)


SMALL = TrainingProblem(*reference.teacher(30, 3, 3, 0.1, 0), 0.003)
FROM_NOTHING = {"solver": "newton", "start": None, "random_state": 0}  # takes some rounds

# What is interrupted, and in which call
MOMENTS = {
    "first program": (NativeSolver, "relu", 1),
    "second program": (NativeSolver, "relu", 2),
    "second pricing": (SearchOracle, "__call__", 2),
    "verification": (branch_and_bound.BranchAndBoundOracle, "__call__", 1),
    "amid a verification": (Tree, "grow", 2),
}


@pytest.fixture(scope="module")
def whole():
    return train(SMALL, **FROM_NOTHING)


@pytest.mark.parametrize("moment", MOMENTS)
def test_train_returns_the_best_certified_network(monkeypatch, whole, moment):
    assert whole.certificate.method == "branch_and_bound" and whole.n_iter > 1
    interrupt(monkeypatch, *MOMENTS[moment])
    seen = []
    result = train(SMALL, **FROM_NOTHING, progress=seen.append)
    assert result.status is Status.INTERRUPTED
    assert_certifies(result.certificate, result.network, SMALL.X, SMALL.y, SMALL.alpha)
    assert 0 < len(seen) < len(whole.history) and result.history == seen
    for entry, expected in zip(seen, whole.history, strict=False):
        assert (entry.objective, entry.lower_bound) == (expected.objective, expected.lower_bound)
    assert seen[-1].objective == result.certificate.objective


def test_an_interruption_of_the_first_pricing_leaves_the_start(monkeypatch):
    interrupt(monkeypatch, SearchOracle, "__call__", 1)
    result = train(SMALL, random_state=0)
    assert (result.status, result.n_iter, len(result.history)) == (Status.INTERRUPTED, 0, 1)
    assert_certifies(result.certificate, result.network, SMALL.X, SMALL.y, SMALL.alpha)


@pytest.mark.parametrize("call", [1, 2])
def test_the_verdict_after_the_last_round_may_be_interrupted(monkeypatch, whole, call):
    """The estimate of the rounds is what is left."""
    interrupt(monkeypatch, Tree, "grow", call)
    result = train(SMALL, **FROM_NOTHING, max_iter=1)
    assert (result.status, result.n_iter) == (Status.INTERRUPTED, 1)
    assert result.certificate.objective == whole.history[1].objective
    assert not result.certificate.is_proof
    assert_certifies(result.certificate, result.network, SMALL.X, SMALL.y, SMALL.alpha)


def test_an_interruption_ends_a_path(monkeypatch):
    interrupt(monkeypatch, NativeSolver, "relu", 2)
    problem, alphas = TrainingProblem(X, Y, ALPHA), [0.005, 0.003, 0.002]
    options = {"oracle": "search", "tol": 1e-6, "solver": "newton", "random_state": 0}
    path = regularization_path(problem, alphas, **options)
    assert [result.status for result in path] == [Status.INTERRUPTED]


@pytest.mark.slow
def test_what_a_path_has_solved_is_kept(monkeypatch):
    problem, alphas = TrainingProblem(X, Y, ALPHA), [0.02, 0.01, 0.005]
    options = {"oracle": "search", "random_state": 0}
    first = train(problem.with_alpha(alphas[0]), **options)
    # The next training is interrupted before it has a certificate.
    interrupt(monkeypatch, CuttingPlane, "_begin_with", 2)
    path = regularization_path(problem, alphas, **options)
    assert [result.certificate for result in path] == [first.certificate]
    interrupt(monkeypatch, CuttingPlane, "_begin_with", 1)
    with pytest.raises(KeyboardInterrupt, match="there is no network"):
        regularization_path(problem, alphas, start=first.network, **options)
