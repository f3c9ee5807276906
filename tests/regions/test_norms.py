"""Norms of networks: by lists of paths, by the knots of splines, and for equal functions."""

from itertools import product

import numpy as np
import pytest
from torch import nn

from convexrelu import TwoLayerNetwork
from convexrelu.regions import path_norm, variation_norm
from convexrelu.univariate import knots
from tests.regions.test_pieces import deep


def gaussian(seed, d, m, k=1, **options):
    rng = np.random.default_rng(seed)
    return TwoLayerNetwork(
        rng.standard_normal((m, d)),
        rng.standard_normal(m),
        rng.standard_normal((k, m)),
        np.ones(k),
        **options,
    )


@pytest.mark.parametrize("slope", [0.0, -1.0, 0.3])
def test_variation_with_one_feature_is_that_of_the_slope(slope):
    network = gaussian(0, 1, 6, negative_slope=slope)
    expected = np.abs(knots(network).jumps).sum()
    assert variation_norm(network) == pytest.approx(expected, rel=1e-12)


def test_variation_is_that_of_the_function_and_below_the_penalty():
    network = gaussian(1, 3, 5, 2)
    split = TwoLayerNetwork(  # half of every neuron, one of them turned around with a linear rest
        np.vstack([network.hidden_weights, 2 * network.hidden_weights, -network.hidden_weights]),
        np.concatenate([network.hidden_bias, 2 * network.hidden_bias, -network.hidden_bias]),
        np.hstack(
            [network.output_weights / 4, network.output_weights / 4, network.output_weights / 4]
        ),
        network.output_bias,
    )
    assert variation_norm(split) == pytest.approx(variation_norm(network), rel=1e-12)
    assert variation_norm(network) == pytest.approx(
        network.balance(free_bias=True).penalty(free_bias=True)
    )
    assert variation_norm(split) <= split.balance(free_bias=True).penalty(free_bias=True) * (
        1 + 1e-12
    )
    cancelling = split._with(
        output_weights=np.hstack([network.output_weights] * 2 + [-3 * network.output_weights])
    )
    assert variation_norm(cancelling) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("p", [1, 2.5])
def test_path_norm_is_the_sum_over_paths(p):
    module = deep(2, 3, 2, 2)
    first, second, last = (
        part.weight.detach().numpy() for part in module if isinstance(part, nn.Linear)
    )
    biases = [part.bias.detach().numpy() for part in module if isinstance(part, nn.Linear)]
    total = sum(
        abs(last[o, j] * second[j, i] * first[i, k]) ** p
        for o, j, i, k in product(range(2), range(2), range(3), range(2))
    )
    total += sum(
        abs(last[o, j] * second[j, i] * biases[0][i]) ** p
        for o, j, i in product(range(2), range(2), range(3))
    )
    total += sum(abs(last[o, j] * biases[1][j]) ** p for o, j in product(range(2), range(2)))
    assert path_norm(module, p) == pytest.approx(total ** (1 / p), rel=1e-12)


def test_path_norm_of_two_layers_does_not_change_with_the_balance_and_counts_skips():
    network = gaussian(2, 3, 4, skip_weights=np.full((1, 3), -2.0))
    assert path_norm(network.balance()) == pytest.approx(path_norm(network), rel=1e-12)
    plain = gaussian(2, 3, 4)
    assert path_norm(network) == pytest.approx(path_norm(plain) + 6.0, rel=1e-12)


@pytest.mark.parametrize("p", [0.5, np.inf, "1", None])
def test_wrong_order(p):
    with pytest.raises(ValueError, match="p="):
        path_norm(gaussian(0, 1, 1), p)
