"""Training beside a fixed skip connection: its claims are those of the problem with a free one."""

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array

from convexrelu import TrainingProblem, train
from convexrelu.results.status import Status


@pytest.fixture
def _no_time_for_a_basis(monkeypatch):
    monkeypatch.setattr(
        TrainingProblem,
        "free_basis_fits",
        lambda problem, deadline: not problem.free_skip or np.isinf(deadline),
    )


def data(n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    y = X @ [3.0, -2.0, 1.0] + np.abs(X[:, 0]) + 0.1 * rng.standard_normal(n)
    return X, y, rng


def problem_of(convert, n_outputs):
    X, y, _ = data()
    y = y if n_outputs == 1 else np.column_stack([y, -2 * y + X[:, 1]])
    return TrainingProblem(convert(X), y, 0.05, skip=True)


@cache
def exact(patterns, n_outputs):
    """The certificate with time for a basis."""
    problem = problem_of(np.asarray, n_outputs)
    return train(problem, random_state=0, patterns=patterns).certificate


@pytest.mark.usefixtures("_no_time_for_a_basis")
@pytest.mark.parametrize("patterns", ["cutting_plane", "sampled"])
@pytest.mark.parametrize("convert", [np.asarray, csr_array])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_claims_hold_for_the_free_problem(patterns, convert, n_outputs):
    problem = problem_of(convert, n_outputs)
    rounds = []
    late = train(
        problem, random_state=0, patterns=patterns, time_limit=60.0, progress=rounds.append
    )
    assert late.status is Status.TIME_LIMIT
    assert late.network.skip_weights is not None
    assert_allclose(late.certificate.objective, problem.objective(late.network), rtol=1e-12)
    assert late.certificate.objective < 0.5 * problem.objective(problem.zero_network())
    optimum = exact("cutting_plane", n_outputs).objective
    assert exact(patterns, n_outputs).lower_bound <= exact(patterns, n_outputs).objective
    for entry in [late.certificate, *late.history, *rounds]:
        assert 0 <= entry.lower_bound <= optimum
    for entry in rounds:
        assert entry.network.skip_weights is not None
        assert entry.certificate.lower_bound == entry.lower_bound
        assert_allclose(problem.objective(entry.network), entry.objective, rtol=1e-9)
    assert late.dual is None


@pytest.mark.usefixtures("_no_time_for_a_basis")
def test_a_better_start_is_kept():
    X, y, _ = data()
    problem = TrainingProblem(X, y, 0.05, skip=True)
    start = train(problem, random_state=0, tol=1e-6).network
    late = train(problem, random_state=0, time_limit=60.0, start=start, max_iter=1)
    assert late.certificate.objective <= problem.objective(start) * (1 + 1e-12)


@pytest.mark.usefixtures("_no_time_for_a_basis")
def test_who_stops_is_told_so():
    X, y, _ = data()
    problem = TrainingProblem(X, y, 0.05, skip=True)
    stopped = train(problem, random_state=0, time_limit=60.0, progress=lambda _: True)
    assert stopped.status is Status.STOPPED


@pytest.mark.usefixtures("_no_time_for_a_basis")
@pytest.mark.filterwarnings("ignore::convexrelu.SolverWarning")  # programs without time
@pytest.mark.parametrize("time_limit", [0.0, 60.0])
def test_starts_that_are_no_networks_of_the_problem_are_not_kept(time_limit):
    """They have hidden biases where the problem has none, or other patterns than those that are given."""
    X, y, _ = data(15)
    y = np.abs(X[:, 0] + 0.5) + X[:, 1]
    start = train(TrainingProblem(X, y, 1e-3, skip=True), random_state=0).network
    assert start.hidden_bias.any()
    options = {"random_state": 0, "start": start, "time_limit": time_limit}
    without = train(TrainingProblem(X, y, 1e-3, skip=True, hidden_bias=False), **options)
    assert not without.network.hidden_bias.any()
    problem = TrainingProblem(X, y, 1e-3, skip=True)
    few = train(problem, patterns="sampled", n_patterns=2, **options)
    assert few.certificate.objective > 1.01 * problem.objective(start)


@pytest.mark.usefixtures("_no_time_for_a_basis")
def test_no_proof_is_shown_of_another_problem():
    class Watching:
        def __init__(self):
            self.proofs = []

        def __call__(self, entry):
            pass

        def proof(self, progress):
            self.proofs.append(progress)

    X, y, _ = data(30)
    watching = Watching()
    problem = TrainingProblem(X, y, 0.05, skip=True)
    train(problem, random_state=0, time_limit=60.0, effort="prove", progress=watching)
    assert not watching.proofs
