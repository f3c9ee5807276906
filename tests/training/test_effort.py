"""How much work goes into training: for predictions, for a certificate, for a proof."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from convexrelu import ConvexReLURegressor, ConvexReLURegressorCV, TrainingProblem, train
from convexrelu.oracles import BranchAndBoundOracle, SearchOracle, SweepOracle
from convexrelu.oracles.selection import choose_oracles
from convexrelu.results import Status
from tests import reference
from tests.honest import assert_certifies

X, Y = reference.teacher(60, 5, 4, 0.3, 0)


def result_of(effort, X=X, y=Y, alpha=3e-3, **options):
    return train(TrainingProblem(X, y, alpha), effort=effort, random_state=0, **options)


@pytest.mark.slow
def test_predictions_take_few_rounds_and_a_true_certificate():
    quick, full = result_of("predict"), result_of("certify")
    assert quick.status in (Status.SETTLED, Status.CONVERGED)
    assert quick.n_iter < full.n_iter
    assert quick.certificate.objective <= 1.03 * full.certificate.objective
    assert quick.certificate.proved_lower_bound <= full.certificate.objective
    assert_certifies(quick.certificate, quick.network, X, Y, 3e-3)
    assert quick.history[-1].objective == quick.certificate.objective


def test_a_settled_objective_is_priced_no_more(monkeypatch):
    calls = []
    original = SearchOracle.__call__

    def counted(self, v, **options):
        calls.append(self.n_starts)
        return original(self, v, **options)

    monkeypatch.setattr(SearchOracle, "__call__", counted)
    result = result_of("predict", *reference.teacher(60, 6, 4, 0.3, 0))
    assert result.status is Status.SETTLED
    assert len(calls) == result.n_iter
    assert set(calls) == {64}


def test_a_proof_is_one():
    result = result_of("prove", alpha=0.05)
    assert result.status is Status.CONVERGED
    assert result.certificate.is_proof
    assert result.certificate.scope == "global"


@pytest.mark.filterwarnings("ignore::convexrelu.results.SolverWarning")  # a solver may be cut short
def test_a_proof_without_time_is_none():
    inputs, targets = reference.teacher(200, 12, 4, 0.3, 0)
    result = result_of("prove", inputs, targets, alpha=1e-3, time_limit=0.5)
    assert result.status is Status.TIME_LIMIT
    assert result.certificate.relative_gap > 1e-3


@pytest.mark.parametrize(("d", "kind"), [(3, SweepOracle), (6, BranchAndBoundOracle)])
def test_proofs_have_no_limit(d, kind):
    design = np.random.default_rng(0).standard_normal((30, d))
    exact = choose_oracles("prove", design).exact
    assert isinstance(exact, kind)
    if kind is BranchAndBoundOracle:
        assert exact.max_work == np.inf
    wide = np.random.default_rng(0).standard_normal((60, 20))
    assert isinstance(choose_oracles("prove", wide).exact, BranchAndBoundOracle)


def test_a_given_oracle_stands():
    with_own = result_of("predict", oracle="search")
    assert with_own.certificate.n_starts != 64


@pytest.mark.parametrize("effort", ["much", 3, None])
def test_unknown_efforts_are_refused_by_name(effort):
    with pytest.raises(ValueError, match="effort"):
        result_of(effort)


@pytest.mark.slow
@pytest.mark.parametrize("make", [ConvexReLURegressor, ConvexReLURegressorCV])
def test_estimators_take_an_effort(make):
    own = {"cv": 2, "n_alphas": 2} if make is ConvexReLURegressorCV else {"alpha": 3e-3}
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # nothing went wrong
        model = make(effort="predict", random_state=0, **own).fit(X, Y)
    assert model.status_ in (Status.SETTLED, Status.CONVERGED)
    with pytest.raises(ValueError, match="effort"):
        make(effort="much").fit(X, Y)


@pytest.mark.slow
def test_predictions_of_many_samples_take_one_descent(monkeypatch):
    monkeypatch.setattr("convexrelu.training.cutting_plane.FEW_SAMPLES", 500)
    monkeypatch.setattr("convexrelu.solvers.nonconvex.descent.FEW_SAMPLES", 500)
    inputs, targets = reference.teacher(600, 4, 3, 0.1, 0)
    result = result_of("predict", inputs, targets, alpha=0.01)
    assert (result.status, result.n_iter) == (Status.SETTLED, 0)
    assert len(result.history) == 2  # the network, and its price
    full = result_of("certify", inputs, targets, alpha=0.01)
    assert result.certificate.objective <= 1.02 * full.certificate.objective
