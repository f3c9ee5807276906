"""Products with the rows of a chunk are the same on every device, and for sparse rows."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from convexrelu import TrainingProblem, TwoLayerNetwork
from convexrelu.chunked.device_products import DeviceProducts
from convexrelu.chunked.products import HostProducts, SparseProducts, products_with

RANDOM = np.random.RandomState(3)
N, D = 60, 4
X = RANDOM.standard_normal((N, D)) * (RANDOM.random_sample((N, D)) < 0.7)


def on(device, problem):
    if device == "sparse":
        rows = problem._replace(X=csr_array(problem.X)).in_features()
        assert isinstance(products_with(rows), SparseProducts)
        return products_with(rows)
    return DeviceProducts(problem, torch.tensor(problem.design, device=device))


@pytest.fixture(params=["sparse", "device"])
def place(request, device):
    return device if request.param == "device" else "sparse"


INDEX = np.array([3, 5, 3])


@pytest.mark.parametrize("hidden_bias", [True, False])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "absolute_value"])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_all_products(hidden_bias, activation, n_outputs, place):
    y = RANDOM.standard_normal(N if n_outputs == 1 else (N, n_outputs))
    problem = TrainingProblem(X, y, 0.1, activation=activation, hidden_bias=hidden_bias)
    here, there = HostProducts(problem), on(place, problem)
    u = RANDOM.standard_normal((5, D + hidden_bias))
    v, towards = RANDOM.standard_normal((N, n_outputs)), RANDOM.standard_normal((5, n_outputs))
    network = TwoLayerNetwork(
        u[:, :D],
        u[:, -1] * hidden_bias,
        RANDOM.standard_normal((n_outputs, 5)),
        RANDOM.standard_normal(n_outputs),
        negative_slope=problem.slope,
    )

    def found(products):
        yield products.inputs(INDEX)
        yield products.outputs(network)
        yield products.moments(v, u)
        yield products.gradients(v, u, towards)
        yield products.linear(v)
        yield from products.grams([np.abs(v[:, 0]), np.zeros(N)], 2.0)

    for ours, expected in zip(found(there), found(here), strict=True):
        assert ours.shape == expected.shape
        assert ours == pytest.approx(expected, rel=1e-12, abs=1e-12)
