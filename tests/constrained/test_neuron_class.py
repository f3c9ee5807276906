"""Classes of networks."""

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork
from convexrelu.constrained import NeuronClass, train_in_class

RANDOM = np.random.RandomState(0)


def network(m=40, d=3):
    parts = (
        RANDOM.standard_normal((m, d)),
        RANDOM.standard_normal(m),
        RANDOM.standard_normal((1, m)),
    )
    return TwoLayerNetwork(*parts, [0.3])


@pytest.mark.parametrize("limits", [[1, 0, -1], [-1, 1, 1], None])
@pytest.mark.parametrize("positive", [False, True])
def test_projections_are_in_the_class(limits, positive):
    neuron_class = NeuronClass(limits, positive)
    given = network()
    projected = neuron_class.projected(given)
    assert neuron_class.contains(projected)
    assert neuron_class.contains(given) == (neuron_class.scope == "global")
    again = neuron_class.projected(projected)
    assert np.array_equal(again.hidden_weights, projected.hidden_weights)
    slopes = _slopes(projected, RANDOM.uniform(-5, 5, (10_000, 3)))
    assert (neuron_class.limits(3) * slopes >= 0).all()


def _slopes(net, X):
    """Derivatives in all features, (n, d)."""
    active = X @ net.hidden_weights.T + net.hidden_bias > 0
    return (active * net.output_weights) @ net.hidden_weights


def test_positive_networks_are_convex():
    convex = NeuronClass(positive=True).projected(network())
    a, b = RANDOM.standard_normal((2, 1000, 3))
    middle = convex.predict((a + b) / 2)
    assert (middle <= (convex.predict(a) + convex.predict(b)) / 2 + 1e-9).all()


@pytest.mark.parametrize("given", [[2], [0.5], [np.nan], [[1, 0]], "up"])
def test_constraints_that_are_none(given):
    with pytest.raises(ValueError, match="monotonic_cst"):
        NeuronClass(given)


X, Y = RANDOM.standard_normal((12, 2)), RANDOM.standard_normal(12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_bias": "free"}, "hidden_bias='free'; use"),
        ({"skip": True, "skip_alpha": 1.0}, "skip=True; use"),
        ({"activation": "absolute_value"}, "activation='absolute_value'; use"),
        ({"activation": "threshold"}, "activation='threshold'; use"),
    ],
)
def test_problems_that_are_not_supported(options, message):
    problem = TrainingProblem(X, Y, 0.1, **options)
    with pytest.raises(ValueError, match=f"monotonic_cst does not support {message}"):
        train_in_class(problem, [1, 0])
    with pytest.raises(ValueError, match=f"positive=True does not support {message}"):
        train_in_class(problem, positive=True)


def test_several_outputs_and_wrong_numbers_of_features():
    problem = TrainingProblem(X, np.column_stack([Y, Y]), 0.1)
    with pytest.raises(ValueError, match="several outputs, y has 2"):
        train_in_class(problem, [1, 0])
    with pytest.raises(ValueError, match="monotonic_cst has 3 entries, but X has 2 features"):
        train_in_class(TrainingProblem(X, Y, 0.1), [1, 0, 0])
