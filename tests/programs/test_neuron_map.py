"""Networks with the best intercept, their outputs and their objective."""

import numpy as np
import pytest

from convexrelu import TrainingProblem
from convexrelu._utils import threads
from convexrelu.programs import neuron_map
from convexrelu.programs.neuron_map import (
    with_best_intercept_and_objective,
    with_best_intercept_and_outputs,
)
from tests import reference

RANDOM = np.random.RandomState(3)


def case(n_outputs=1, offset=0.0, **options):
    X, _ = reference.teacher(90, 3, 3, 0.1, 0)
    y = RANDOM.standard_normal((90, n_outputs)).squeeze()
    problem = TrainingProblem(X + offset, y, 0.01, **options)
    directions = RANDOM.standard_normal((7, problem.design.shape[1]))
    outer = RANDOM.standard_normal((7, n_outputs))
    outer = outer[:, 0] if n_outputs == 1 else outer
    return problem, problem.network(directions, outer, np.full(n_outputs, 0.3))


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_outputs_and_objective_are_those_of_the_network(n_outputs, offset, fit_intercept):
    problem, network = case(n_outputs, offset, fit_intercept=fit_intercept)
    found, outputs = with_best_intercept_and_outputs(problem, network)
    np.testing.assert_allclose(outputs, found.predict(problem.X), rtol=1e-12, atol=1e-9)
    again, objective = with_best_intercept_and_objective(problem, network)
    np.testing.assert_array_equal(again.output_bias, found.output_bias)
    assert objective == pytest.approx(problem.objective(again), rel=1e-13)
    for change in (-1e-3, 1e-3):
        moved = found.with_output_bias(found.output_bias + change * fit_intercept)
        assert objective <= problem.objective(moved) * (1 + 1e-12)


def test_outputs_do_not_depend_on_the_number_of_cores(monkeypatch):
    problem, network = case()
    alone = with_best_intercept_and_outputs(problem, network)[1]
    monkeypatch.setattr(neuron_map, "_SHARED", 0)
    monkeypatch.setattr(neuron_map, "_TOGETHER", 140)  # twenty rows
    found = []
    for n_cores in (1, 2, 3):
        monkeypatch.setattr(threads, "free_cores", lambda n=n_cores: n)
        found.append(with_best_intercept_and_outputs(problem, network)[1])
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
    np.testing.assert_allclose(found[0], alone, rtol=1e-12, atol=1e-12)
