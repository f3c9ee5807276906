"""Large penalties: a constant, at once and with a proof, exactly where the bound in closed form proves it."""

import numpy as np
import pytest

from convexrelu import TrainingProblem, train
from convexrelu.closed_forms import closed_form_for, is_proved_constant, train_constant
from convexrelu.oracles.for_problem import oracles_for, relaxation_for
from tests import reference

X, Y = reference.teacher(30, 4, 2, 0.1, 0)
OPTIONS = [
    {},
    {"hidden_bias": False},
    {"hidden_bias": "free"},
    {"activation": "leaky_relu"},
    {"loss": "absolute_error"},
    {"fit_intercept": False},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_constant_is_optimal_where_the_bound_says_so(options):
    problem = TrainingProblem(X, Y, 1.0, **options).condensed()
    proved = problem.alpha_max(relaxation_for(problem))
    above, below = problem.with_alpha(1.001 * proved), problem.with_alpha(0.999 * proved)
    assert is_proved_constant(above) and not is_proved_constant(below)
    result = train_constant(above)
    assert result.certificate.is_proof and result.certificate.relative_gap <= 1e-9
    assert result.network.width == 0
    np.testing.assert_allclose(
        result.network.predict(X), problem.zero_network().predict(X), rtol=1e-12
    )


@pytest.mark.parametrize("options", OPTIONS)
def test_a_penalty_at_which_a_neuron_helps_is_never_taken(options):
    problem = TrainingProblem(X, Y, 1.0, **options).condensed()
    found = problem.alpha_max(oracles_for(problem, "quick", 0).heuristic)
    assert not is_proved_constant(problem.with_alpha(0.999 * found))


def test_skip_connections_are_left_alone():
    problem = TrainingProblem(X, Y, 1e3, skip=True, skip_alpha=0.1)
    assert not is_proved_constant(problem) and closed_form_for(problem) is None


def test_training_takes_it_and_shows_its_round():
    rounds = []
    result = train(TrainingProblem(X, Y, 1e3), progress=rounds.append)
    assert [one.width for one in rounds] == [0] and rounds[0].network is result.network
    assert len(result.history) == 1 and result.status.name == "CONVERGED"


def test_directions_are_not_tried_without_the_time(clock, monkeypatch):
    problem = TrainingProblem([[0.0], [1.0], [2.0]], [0.0, 0.0, 1.0], alpha=1.0)
    assert is_proved_constant(problem, clock.now + 60.0)
    monkeypatch.setattr("convexrelu._utils.deadlines._ALWAYS", 0.0)
    monkeypatch.setattr("convexrelu.closed_forms.constant.at_least_largest_penalty", None)
    assert not is_proved_constant(problem, clock.now - 1.0)
