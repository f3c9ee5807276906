"""Training under constraints on outputs without the time for a program: descent, shifted to where they are met."""

import numpy as np
import pytest

from convexrelu import TrainingProblem, train
from convexrelu.losses import Quantiles
from convexrelu.output_constraints import ascending, train_with_output_constraints
from convexrelu.results.status import Status


@pytest.fixture
def _no_time_for_programs(monkeypatch):
    monkeypatch.setattr("convexrelu._utils.deadlines._WRITING", 1e9)


def quantiles(n=30, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2))
    y = np.abs(X[:, 0]) * 3 + 0.1 * rng.standard_normal(n)
    return TrainingProblem(X, np.tile(y[:, None], (1, 3)), 0.01, loss=Quantiles((0.1, 0.5, 0.9)))


@pytest.fixture(scope="module")
def exact():
    """With the time for programs."""
    problem = quantiles()
    constraints = ascending(problem.X, 3)
    return train_with_output_constraints(problem, constraints, random_state=0).certificate


@pytest.mark.parametrize("with_start", [False, True])
def test_a_network_that_meets_the_constraints_is_better_than_a_constant(
    exact, _no_time_for_programs, with_start
):
    problem = quantiles()
    constraints = ascending(problem.X, 3)
    start = train(problem, random_state=0, max_iter=1).network if with_start else None
    result = train_with_output_constraints(
        problem, constraints, time_limit=60.0, random_state=0, start=start
    )
    assert result.status is Status.TIME_LIMIT
    assert result.network.width > 0 and result.violation == 0.0
    assert (np.diff(result.network.predict(problem.X)) >= 0).all()
    late = result.certificate
    assert late.objective < 0.8 * problem.objective(problem.zero_network())
    assert exact.proved_lower_bound <= exact.lower_bound <= late.objective
    assert 0 <= late.proved_lower_bound <= min(exact.objective, late.objective)
    assert late.scope == exact.scope == "output_constraints"


def test_no_time_at_all_leaves_the_constant(clock):
    problem = quantiles()
    result = train_with_output_constraints(problem, ascending(problem.X, 3), time_limit=0.0)
    assert result.status is Status.TIME_LIMIT and result.violation == 0.0
    assert result.certificate.lower_bound >= 0
