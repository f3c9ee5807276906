"""Descent between the programs of rounds."""

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, TwoLayerNetwork, train
from convexrelu.training import slides as module
from convexrelu.training.slides import Slides
from tests import reference
from tests.honest import assert_certifies

X, Y = reference.teacher(60, 3, 3, 0.1, 0)
ALPHA = 0.01


def count_calls(monkeypatch):
    """The networks that slides begin from."""
    original, begun = module.polish, []

    def counted(problem, network, *rest, **options):
        begun.append(network)
        return original(problem, network, *rest, **options)

    monkeypatch.setattr(module, "polish", counted)
    return begun


def slide_always(monkeypatch):
    """After programs of few blocks, too, and with small gaps."""
    monkeypatch.setattr(module, "MANY_BLOCKS", 1)
    monkeypatch.setattr(module, "GAP_OF_SLIDES", 0.0)


def test_a_slide_is_better_and_the_last_one_is_the_first_that_hardly_is(monkeypatch):
    begun = count_calls(monkeypatch)
    problem = TrainingProblem(X, Y, ALPHA)
    rng = np.random.default_rng(0)
    network = TwoLayerNetwork(
        rng.standard_normal((5, 3)), np.zeros(5), 0.1 * rng.standard_normal((1, 5)), [0.0]
    )
    slides, objectives = Slides(problem), [problem.objective(network)]
    while network is not None and len(begun) < 100:
        network = slides.after(network, objectives[-1])
        if network is not None:
            objectives.append(problem.objective(network))
    assert 1 < len(objectives) == len(begun) < 100
    assert (np.diff(objectives) < 0).all()
    n_begun = len(begun)
    assert slides.after(begun[0], objectives[0]) is None and len(begun) == n_begun


@pytest.mark.parametrize(
    "options", [{}, {"fit_intercept": False}, {"hidden_bias": False}, {"skip": True}]
)
def test_training_that_slides_ends_at_the_same_optimum(monkeypatch, options):
    problem = TrainingProblem(X, Y, ALPHA, **options)
    without = train(problem, random_state=0, tol=1e-4)
    slide_always(monkeypatch)
    begun = count_calls(monkeypatch)
    result = train(problem, random_state=0, tol=1e-4)
    assert begun and result.status is without.status is Status.CONVERGED
    assert result.certificate.objective == pytest.approx(without.certificate.objective, rel=2e-4)
    assert result.certificate.lower_bound <= without.certificate.objective
    assert result.certificate.objective == pytest.approx(
        problem.objective(result.network), rel=1e-9
    )
    if not options:
        assert_certifies(result.certificate, result.network, X, Y, ALPHA)


@pytest.mark.parametrize(
    "options", [{"patterns": "sampled", "n_patterns": 40}, {"solver": "cvxpy:CLARABEL"}]
)
def test_given_patterns_stay_and_given_solvers_work_alone(monkeypatch, options):
    slide_always(monkeypatch)
    begun = count_calls(monkeypatch)
    train(TrainingProblem(X[:30], Y[:30], ALPHA), random_state=0, max_iter=3, **options)
    assert not begun


def test_few_blocks_are_left_to_programs(monkeypatch):
    begun = count_calls(monkeypatch)
    train(TrainingProblem(X, Y, ALPHA), random_state=0)
    assert not begun
