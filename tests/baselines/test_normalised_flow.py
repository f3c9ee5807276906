import numpy as np
import pytest

from convexrelu import TwoLayerNetwork
from convexrelu.baselines import follow_normalised_flow, maximum_margin, normalised_margin

pytest.importorskip("torch")
X = np.array([[-2.0], [-1.0], [-0.2], [0.3], [1.0], [1.5]])
Y = np.array([1, -1, -1, 1, 1, -1])


@pytest.fixture(scope="module")
def best():
    return maximum_margin(X, Y, tol=1e-6, random_state=0)


def test_flow_stays_below_the_maximum_margin(best):
    assert best.is_proof
    assert best.margin <= best.upper_bound <= best.margin * (1 + 1e-5)
    for seed in range(2):
        flow = follow_normalised_flow(X, Y, 20, steps=800, rate=0.03, random_state=seed)
        assert (flow.margins <= best.upper_bound).all()
        assert flow.log_losses[-1] < flow.log_losses[0]
        assert flow.margins[-1] > 0  # the classes are separated, so the inequality says something


def test_a_margin_with_little_time_brackets_the_largest(best):
    try:
        short = maximum_margin(X, Y, time_limit=0.3, random_state=0)
    except ValueError as error:  # of what meets no targets yet
        assert "time_limit" in str(error)
    else:
        assert short.margin <= best.upper_bound and best.margin <= short.upper_bound


def test_random_networks_stay_below_it(best):
    rng = np.random.default_rng(0)
    for _ in range(200):
        network = TwoLayerNetwork(
            rng.standard_normal((5, 1)),
            rng.standard_normal(5),
            rng.standard_normal((1, 5)),
            rng.standard_normal(1),
        )
        assert normalised_margin(network, X, Y) <= best.upper_bound


def test_margin_does_not_see_scales(best):
    network = best.network
    other = TwoLayerNetwork(
        3 * network.hidden_weights,
        3 * network.hidden_bias,
        network.output_weights / 2,
        1.5 * network.output_bias,
    )
    np.testing.assert_allclose(normalised_margin(other, X, Y), best.margin, rtol=1e-12)


def test_flow_without_bias_and_intercept():
    inputs, labels = np.array([[-1.0, 0.5], [1.0, 0.0]]), [-1, 1]
    flow = follow_normalised_flow(
        inputs, labels, 5, steps=50, hidden_bias=False, fit_intercept=False, random_state=0
    )
    assert not flow.network.hidden_bias.any()
    assert not flow.network.output_bias.any()
    assert list(flow.steps) == [0, 20, 40, 50]


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="y has"):
        maximum_margin(X, np.arange(6))
    empty = TwoLayerNetwork.constant(1, -1.0)
    assert normalised_margin(empty, X, Y) == -np.inf
