"""Networks along a path without bounds: near the optimum of cutting planes, in time, and with true certificates."""

import numpy as np
import pytest

from convexrelu import TrainingProblem, train
from convexrelu.solvers.native.solver import NativeSolver
from convexrelu.training import descent_path as module
from convexrelu.training.descent_path import descent_path
from tests import reference


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["squared_error", "logistic", "multinomial"])
@pytest.mark.parametrize("hidden_bias", [True, "free"])
def test_objectives_are_within_a_few_hundredths_of_the_optimum(loss, hidden_bias):
    X, y = reference.teacher(40, 3, 3, 0.1, 0)
    if loss == "logistic":
        y = np.where(y > np.median(y), 1.0, -1.0)
    if loss == "multinomial":
        y = np.digitize(y, np.quantile(y, [0.3, 0.6])).astype(float)
    problem = TrainingProblem(X, y, alpha=1.0, loss=loss, hidden_bias=hidden_bias)
    alphas = 0.3 * 0.5 ** np.arange(6)
    results = descent_path(problem, alphas, random_state=0)
    for alpha, result in zip(alphas[1::4], results[1::4], strict=True):
        best = train(problem.with_alpha(alpha), oracle="search", tol=1e-3, random_state=0)
        objective = problem.with_alpha(alpha).objective(result.network)
        assert objective == pytest.approx(result.certificate.objective)
        assert result.certificate.lower_bound <= best.certificate.objective
        # A program finds the best outer weights for least squares, and only patterns are lacking.
        assert objective <= (1.01 if loss == "squared_error" else 1.03) * best.certificate.objective


def test_without_time_the_start_is_kept():
    X, y = reference.teacher(30, 2, 2, 0.1, 0)
    problem = TrainingProblem(X, y, alpha=0.1)
    start = problem.zero_network()
    (result,) = descent_path(problem, [0.1], start, deadline=0.0)
    assert result.network is start
    (result,) = descent_path(problem, [0.01], deadline=0.0)
    assert result.network.width == 0


def test_an_interruption_in_a_program_ends_the_path(monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(NativeSolver, "relu", interrupted)
    problem = TrainingProblem(*reference.teacher(30, 2, 2, 0.1, 0), alpha=0.1)
    with pytest.raises(KeyboardInterrupt):
        descent_path(problem, [0.1, 0.01], random_state=0)


def test_a_program_that_ends_worse_leaves_the_network_of_descent(monkeypatch):
    """As one may that has no time left."""
    problem = TrainingProblem(*reference.teacher(30, 2, 2, 0.1, 0), alpha=0.1)
    (solved,) = descent_path(problem, [0.02], random_state=0)
    original = NativeSolver.relu

    def without_time(self, problem, blocks, **options):
        return original(self, problem, blocks, start=0.0 * options["start"], time_limit=0.0)

    monkeypatch.setattr(NativeSolver, "relu", without_time)
    (kept,) = descent_path(problem, [0.02], random_state=0)
    constant = problem.with_alpha(0.02).objective(problem.zero_network())
    assert solved.certificate.objective <= kept.certificate.objective < 0.9 * constant


def test_many_samples_have_finer_descent_and_no_program(monkeypatch):
    """Rough descent is enough only before a program: without it, objectives were up to a half higher."""
    problem = TrainingProblem(*reference.teacher(30, 2, 2, 0.1, 0), alpha=0.1)
    original, drops = module.polish, []

    def polish(problem, network, deadline, *, drop, widths):
        drops.append(drop)
        return original(problem, network, deadline, drop=drop, widths=widths)

    monkeypatch.setattr(module, "polish", polish)
    monkeypatch.setattr(module, "_LARGEST_DESIGN", problem.design.size - 1)
    monkeypatch.setattr(NativeSolver, "relu", None)
    descent_path(problem, [0.002], random_state=0)
    assert set(drops) == {module._DROP} and module._DROP < module._ROUGH_DROP
