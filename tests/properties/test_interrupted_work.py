"""Ctrl-C loses no network: of descent, of one program, of a path, of folds, of `certify`, of interpolation."""

import numpy as np
import pytest

from convexrelu import (
    ConvexReLURegressorCV,
    Status,
    TrainingProblem,
    TwoLayerNetwork,
    certify,
    regularization_path,
    train,
)
from convexrelu.certification import certify_network
from convexrelu.closed_forms import line
from convexrelu.interpolation import column_generation as interpolation
from convexrelu.interpolation import minimum_norm
from convexrelu.oracles import PatternOracle
from convexrelu.solvers.native.solver import NativeSolver
from convexrelu.solvers.nonconvex import compiled_adam, descent, hidden_layer, minibatches
from convexrelu.solvers.nonconvex.hidden_layer import is_compiled
from convexrelu.solvers.nonconvex.interrupted import DescentInterrupted
from convexrelu.threshold import units
from convexrelu.training import descent_path
from convexrelu.training.cutting_plane import CuttingPlane
from tests import reference
from tests.honest import assert_certifies
from tests.properties.test_interrupt import interrupt

X, Y = reference.teacher(40, 3, 3, 0.1, 0)
PROBLEM = TrainingProblem(X, Y, 0.002)


def assert_kept(result, problem=PROBLEM):
    """A network that is better than a constant, with a proof that does not need pricing."""
    assert result.status is Status.INTERRUPTED
    assert_certifies(result.certificate, result.network, problem.X, problem.y, problem.alpha)
    assert result.certificate.objective < problem.objective(problem.zero_network())
    last = result.history[-1]
    assert (last.objective, last.width) == (result.certificate.objective, result.network.width)


# Descent


def test_what_descent_has_reached_is_kept(monkeypatch):
    interrupt(monkeypatch, descent.RoundedObjective, "__call__", 40)
    result = train(PROBLEM, random_state=0)
    assert_kept(result)
    assert (result.n_iter, result.certificate.method) == (0, "relaxation")
    assert result.certificate.is_proof


@pytest.mark.parametrize(
    ("owner", "name"),
    [(minibatches._Adam, "steps"), (minibatches.CompiledAdam, "steps"), (descent, "polish")],
)
def test_so_is_what_mini_batches_have_reached(monkeypatch, owner, name):
    if owner is minibatches._Adam:
        monkeypatch.setattr(hidden_layer, "_kinks", None)
    elif owner is minibatches.CompiledAdam and not is_compiled():
        pytest.skip("not compiled")
    monkeypatch.setattr(compiled_adam, "_WORK", 0.0)  # one step a call
    monkeypatch.setattr(descent, "FEW_SAMPLES", 20)
    monkeypatch.setattr(minibatches, "_FEWEST_STEPS", 300)
    interrupt(monkeypatch, owner, name, 1 if owner is descent else 200)
    assert_kept(train(PROBLEM, random_state=0))


@pytest.mark.parametrize("effort", ["predict", "certify"])
def test_an_interruption_of_the_first_certificate_is_made_good(monkeypatch, effort):
    interrupt(monkeypatch, CuttingPlane, "_begin_with", 1)
    assert_kept(train(PROBLEM, effort=effort, random_state=0))


def test_two_interruptions_leave_none(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(CuttingPlane, "_begin_with", interrupted)
    with pytest.raises(KeyboardInterrupt, match="there is no network"):
        train(PROBLEM, random_state=0)


def test_descent_brings_its_network(monkeypatch):
    interrupt(monkeypatch, descent.RoundedObjective, "__call__", 40)
    with pytest.raises(DescentInterrupted) as caught:
        descent.descend(PROBLEM, np.random.RandomState(0))
    network = caught.value.network
    assert network.hidden_weights.dtype == np.float64
    assert PROBLEM.objective(network) < PROBLEM.objective(PROBLEM.zero_network())


# One program


def test_a_program_is_kept_without_its_certificate(monkeypatch):
    interrupt(monkeypatch, PatternOracle, "__call__", 1)
    result = train(PROBLEM, patterns="sampled", n_patterns=8, random_state=0)
    assert_kept(result)
    assert result.certificate.is_proof and result.certificate.scope == "global"


def test_so_is_a_spline_with_all_its_kinks(monkeypatch):
    interrupt(monkeypatch, line, "minimal", 1)
    problem = TrainingProblem(X[:, :1], Y, 0.002, hidden_bias="free")
    result = train(problem)
    assert result.status is Status.INTERRUPTED and result.certificate.relative_gap <= 1e-3
    objective = reference.network_objective(
        result.network, problem.X, problem.y, problem.alpha, free_bias=True
    )
    assert result.certificate.objective == pytest.approx(objective, rel=1e-10)


def test_units_are_kept_without_centres_of_their_cells(monkeypatch):
    problem = TrainingProblem(X[:, :1], Y, 0.01, activation="threshold")
    whole = train(problem)
    interrupt(monkeypatch, units, "cell_centre", 1)
    result = train(problem)
    assert result.status is Status.INTERRUPTED
    objective = problem.data_fit(result.network.predict(problem.X))
    objective += problem.alpha * result.network.penalty()
    assert result.certificate.objective == pytest.approx(objective, rel=1e-12)
    assert whole.certificate.lower_bound <= objective * (1 + 1e-12)


# Several trainings


def test_a_path_ends_with_what_descent_has_reached(monkeypatch):
    interrupt(monkeypatch, descent.RoundedObjective, "__call__", 40)
    path = regularization_path(PROBLEM, [0.01, 0.002], random_state=0)
    assert len(path) == 1
    assert_kept(path[0], PROBLEM.with_alpha(0.01))


def test_folds_leave_the_best_penalty_so_far(monkeypatch):
    alphas = [0.02, 0.015, 0.01]  # close enough for one step of descent from each to the next
    whole = ConvexReLURegressorCV(alphas=alphas, cv=2, random_state=0).fit(X, Y)
    interrupt(monkeypatch, descent_path, "polish", 5)  # with the third penalty
    model = ConvexReLURegressorCV(alphas=alphas, cv=2, random_state=0)
    with pytest.raises(KeyboardInterrupt, match="network of one fold, with the best alpha of 2 of"):
        model.fit(X, Y)
    np.testing.assert_array_equal(model.cv_scores_[:2], whole.cv_scores_[:2])
    assert np.isnan(model.cv_scores_[2]).all()
    best = whole.cv_scores_[:2].mean(axis=1).argmax()
    assert (model.alpha_, model.best_score_) == (alphas[best], model.cv_scores_[best].mean())
    assert model.status_ is Status.INTERRUPTED
    assert_certifies(model.certificate_, model.network_, X, Y, model.alpha_)
    assert model.history_[-1].objective == model.certificate_.objective
    np.testing.assert_array_equal(model.predict(X), model.network_.predict(X))


# Networks that were there before


WIDE = TwoLayerNetwork(np.eye(3), np.zeros(3), np.ones((1, 3)), np.zeros(1))


@pytest.mark.parametrize(("owner", "name"), [(CuttingPlane, "_begin_with"), (NativeSolver, "relu")])
def test_certify_returns_what_it_knows(monkeypatch, owner, name):
    options = {"alpha": 0.01, "oracle": "search", "solver": "newton", "random_state": 0}
    before = certify(WIDE, X, Y, bound="residual", **options)
    interrupt(monkeypatch, owner, name, 1)
    after = certify(WIDE, X, Y, improve=True, **options)
    improved = after.improved
    assert improved.status is Status.INTERRUPTED
    assert_certifies(improved.certificate, improved.network, X, Y, 0.01)
    assert after.objective == before.objective >= improved.certificate.objective
    assert after.proved_lower_bound >= before.proved_lower_bound
    assert after.proved_lower_bound <= after.cell_lower_bound <= after.objective * (1 + 1e-12)
    assert (after.n_dead, after.n_linear, after.n_mixed) == (
        before.n_dead,
        before.n_linear,
        before.n_mixed,
    )


@pytest.mark.parametrize("owner", [CuttingPlane, certify_network])
def test_certify_without_improving_ends(monkeypatch, owner):
    """No certificate says that it was interrupted; the message has what was known after training."""
    interrupt(monkeypatch, owner, "_price" if owner is CuttingPlane else "cell_lower_bound", 1)
    with pytest.raises(KeyboardInterrupt) as interruption:
        certify(WIDE, X, Y, alpha=0.01, random_state=0)
    assert ("certify was interrupted" in str(interruption.value)) is (owner is CuttingPlane)


def test_certify_keeps_what_was_improved(monkeypatch):
    interrupt(monkeypatch, certify_network, "cell_lower_bound", 1)
    certificate = certify(WIDE, X, Y, alpha=0.01, improve=True, random_state=0)
    assert certificate.improved.status is Status.INTERRUPTED
    assert certificate.improved.certificate.relative_gap <= 1e-3
    assert certificate.cell_lower_bound == certificate.proved_lower_bound


def test_an_interpolant_is_kept_without_its_first_pricing(monkeypatch):
    y = Y[:8]
    whole = minimum_norm(X[:8], y, random_state=0)
    interrupt(monkeypatch, interpolation.InterpolationByPatterns, "_ask", 1)
    result = minimum_norm(X[:8], y, random_state=0)
    assert result.status is Status.INTERRUPTED and result.certificate.is_proof
    np.testing.assert_allclose(result.network.predict(X[:8]), y, atol=1e-5)
    # Every interpolant is above every bound, but for the error that is allowed on targets.
    assert result.certificate.lower_bound <= whole.certificate.objective * (1 + 1e-5)
    assert result.certificate.objective >= whole.certificate.lower_bound * (1 - 1e-5)
