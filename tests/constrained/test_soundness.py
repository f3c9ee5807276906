"""No proved bound is above the objective of a network of the class, on nasty problems too."""

import numpy as np
import pytest

from convexrelu import TrainingProblem
from convexrelu.constrained import NeuronClass, train_in_class
from convexrelu.constrained.descent import descend_in_class, polish_in_class
from convexrelu.constrained.train import largest_penalty_in_class

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((9, 2)), RNG.standard_normal(9)
NASTY = {
    "equal rows": (np.repeat(X[:3], 3, axis=0), Y, 0.01),
    "zero column": (X * [1.0, 0.0], Y, 0.01),
    "equal columns": (X[:, [0, 0]], Y, 0.01),
    "zeros": (np.zeros((9, 2)), Y, 0.01),
    "one sample": (X[:1], Y[:1], 0.01),
    "constant targets": (X, np.full(9, 3.0), 0.01),
    "huge inputs": (1e100 * X, Y, 1e98),
    "tiny inputs": (1e-100 * X, Y, 1e-102),
    "huge targets": (X, 1e100 * Y, 1e98),
    "tiny targets": (X, 1e-100 * Y, 1e-102),
    "far from the origin": (X + 1e6, Y, 0.01),
    "one large sample": (X * np.where(np.arange(9) == 4, 1e8, 1.0)[:, None], Y, 0.01),
}
CLASSES = {"monotone": ([1, -1], False), "positive": (None, True), "both": ([0, 1], True)}


@pytest.mark.parametrize("name", NASTY)
def test_bounds_are_below_networks_of_the_class(name):
    kind = list(CLASSES)[list(NASTY).index(name) % 3]
    inputs, targets, alpha = NASTY[name]
    limits, positive = CLASSES[kind]
    neuron_class = NeuronClass(limits, positive)
    problem = TrainingProblem(inputs, targets, alpha)
    result = train_in_class(problem, limits, positive=positive, max_iter=2, random_state=0)
    certificate = result.certificate
    assert neuron_class.contains(result.network)
    assert certificate.objective == pytest.approx(problem.objective(result.network), rel=1e-12)
    # Two constants that differ by a rounding are as good as each other.
    assert certificate.objective <= problem.objective(problem.zero_network()) * (1 + 1e-12)
    assert certificate.proved_lower_bound <= certificate.objective
    random = np.random.RandomState(1)
    descended = descend_in_class(problem, neuron_class, random)
    polished = polish_in_class(problem, neuron_class, result.network)
    for network in (descended, polished):
        assert neuron_class.contains(network)
        assert certificate.proved_lower_bound <= problem.objective(network)


@pytest.mark.parametrize("kind", CLASSES)
def test_the_largest_penalty_of_the_class(kind):
    """Above it the best constant is optimal; over all networks it is no smaller."""
    limits, positive = CLASSES[kind]
    neuron_class = NeuronClass(limits, positive)
    problem = TrainingProblem(X, Y, 1.0)
    random = np.random.RandomState(0)
    largest = largest_penalty_in_class(problem, neuron_class, random)
    above = problem.with_alpha(1.0001 * largest)
    result = train_in_class(above, limits, positive=positive, random_state=0)
    assert result.network.width == 0
    assert result.certificate.is_proof
    assert largest <= 1.001 * largest_penalty_in_class(problem, NeuronClass(), random)
