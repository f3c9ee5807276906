"""Training of many samples, which goes on in chunks."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from convexrelu import ConvexReLURegressor, Status, TrainingProblem, regularization_path, train
from convexrelu.solvers.nonconvex import descent
from convexrelu.training import session
from tests.honest import assert_same_network
from tests.reference import teacher

N = 300
X, Y = teacher(N, 5, 3, 0.1, 0)
PROBLEM = TrainingProblem(X, Y, 0.05)


@pytest.fixture(autouse=True, scope="module")
def many():
    """Already a few hundred samples are many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "FEW_SAMPLES", N - 1)
        yield


@pytest.fixture(scope="module")
def result():
    return train(PROBLEM, tol=1e-2, random_state=0)


def test_the_certificate_is_of_the_network_and_the_dual_point_of_the_certificate(result):
    certificate = result.certificate
    assert result.status is Status.CONVERGED
    assert certificate.relative_gap <= 1e-2
    assert certificate.objective == pytest.approx(PROBLEM.objective(result.network), rel=1e-12)
    assert result.problem.equals_but_for_alpha(PROBLEM)
    assert result.dual.shape == (N,)
    assert abs(result.dual.sum()) == 0.0
    seconds = [entry.seconds for entry in result.history]
    assert seconds == sorted(seconds)


def test_no_better_network_contradicts_the_bound(result):
    again = train(PROBLEM, tol=1e-3, solver="network", random_state=1)  # by cutting planes
    lowest = min(again.certificate.objective, result.certificate.objective)
    assert result.certificate.lower_bound <= lowest
    assert result.certificate.proved_lower_bound <= lowest
    assert lowest >= result.certificate.objective * (1 - 1e-2)


@pytest.mark.parametrize(
    "options",
    [
        {"oracle": "search"},
        {"effort": "predict"},
        {"solver": "network"},
    ],
)
def test_choices_of_the_user_are_for_cutting_planes(monkeypatch, options):
    def refuse(*args, **kwargs):
        raise AssertionError("trained in chunks")

    monkeypatch.setattr(session, "train_in_chunks", refuse)
    assert train(PROBLEM, tol=0.5, random_state=0, **options).network is not None


def test_sparse_inputs_are_for_cutting_planes():
    sparse = csr_array((Y, (np.arange(N), np.arange(N))), shape=(N, N + 1))
    result = train(TrainingProblem(sparse, Y, 10.0), tol=0.5, random_state=0)
    assert result.status is Status.CONVERGED


def test_there_is_a_network_when_time_is_up():
    result = train(PROBLEM, tol=0, random_state=0, time_limit=1e-3)
    assert result.status is Status.TIME_LIMIT
    assert result.certificate.lower_bound <= result.certificate.objective


def test_an_hour_is_as_good_as_no_limit(monkeypatch):
    """Also for descent that begins in batches."""
    monkeypatch.setattr(descent, "FEW_SAMPLES", N - 1)
    options = {"tol": 1e-2, "random_state": 0}
    without, limited = (train(PROBLEM, **options, time_limit=limit) for limit in (None, 3600.0))
    assert_same_network(limited.network, without.network)
    assert limited.certificate == without.certificate


def test_an_interruption_keeps_the_network():
    def interrupt(entry):
        raise KeyboardInterrupt

    result = train(PROBLEM, random_state=0, progress=interrupt)
    assert result.status is Status.INTERRUPTED
    assert result.certificate.objective == pytest.approx(PROBLEM.objective(result.network))


def test_paths_and_estimators(result):
    path = regularization_path(PROBLEM, [0.1, 0.05], tol=2e-2, random_state=0)
    assert [step.certificate.relative_gap <= 2e-2 for step in path] == [True, True]
    model = ConvexReLURegressor(alpha=0.05, tol=1e-2, random_state=0).fit(X, Y)
    assert model.certificate_.objective == pytest.approx(result.certificate.objective, rel=1e-2)
    assert np.isfinite(model.predict(X)).all()
