"""Generators of cones, and output layers that are in them."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from convexrelu.output_constraints.cone import cone_generators, cone_output
from convexrelu.reach import output_range

ASCENDING = np.eye(4)[:-1] - np.eye(4)[1:]


def is_combination(cone, z):
    """Whether a point is a combination of the generators, to the tolerance of HiGHS."""
    generators = np.vstack([cone.lines, -cone.lines, cone.rays, np.zeros((1, len(z)))]).T
    return linprog(np.zeros(generators.shape[1]), A_eq=generators, b_eq=z).status == 0


@pytest.mark.parametrize("seed", range(4))
def test_generators_are_those_of_the_cone(seed):
    random = np.random.default_rng(seed)
    r, K = [(5, 3), (2, 4), (6, 2), (4, 4)][seed]
    A = 1 + random.standard_normal((r, K))
    if seed == 3:
        A[1] = -A[0]  # an equation
    cone = cone_generators(A)
    assert len(cone.lines) == K - np.linalg.matrix_rank(A)
    assert np.abs(cone.lines @ A.T).max(initial=0.0) < 1e-9
    assert (cone.rays @ A.T).max(initial=0.0) < 1e-9
    for _ in range(10):  # extreme points of the cone in random directions
        direction = random.standard_normal(K)
        found = linprog(-direction, A_ub=A, b_ub=np.zeros(r), bounds=(-1, 1)).x
        assert is_combination(cone, found)


def test_lines_only_and_rays_only():
    assert cone_generators([[0.0, 0.0]]).lines.shape == (2, 2)
    cone = cone_generators(np.eye(3))
    assert len(cone.lines) == 0
    np.testing.assert_array_equal(np.sort(cone.rays, axis=0), np.sort(-np.eye(3), axis=0))
    assert len(cone_generators([[1.0], [-1.0]]).rays) == 0


def test_layer_is_in_the_cone_and_keeps_what_is_in_it():
    torch.manual_seed(0)
    linear = torch.nn.Linear(3, 4, dtype=torch.float64)
    layer = cone_output(ASCENDING, linear=linear)
    inputs = 3 * torch.randn(2000, 3, dtype=torch.float64)
    given, z = (part(inputs).detach().numpy() for part in (linear, layer))
    assert (z @ ASCENDING.T).max() <= 1e-12
    obeys = (given @ ASCENDING.T <= 0).all(axis=1)
    assert 0 < obeys.sum() < len(obeys)
    np.testing.assert_allclose(z[obeys], given[obeys], atol=1e-12)
    assert not layer[2].weight.requires_grad
    assert layer[0].weight.requires_grad


def test_layer_is_a_part_of_networks_that_reach_takes():
    torch.manual_seed(1)
    hidden = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    network = torch.nn.Sequential(*hidden, *cone_output([[1.0, -1.0]], 3), torch.nn.Linear(2, 1))
    with torch.no_grad():
        network[-1].weight.copy_(torch.tensor([[1.0, -1.0]]))
        network[-1].bias.zero_()
    found = output_range(network, [-1.0, -1.0], [1.0, 1.0])
    assert found.upper[0] <= 1e-6  # of float32 weights


@pytest.mark.parametrize(
    "options, message",
    [
        ({}, "in_features and linear"),
        ({"in_features": 0}, "in_features=0"),
        ({"linear": torch.nn.Linear(3, 3)}, "linear has 3 outputs, but A has 4"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        cone_output(ASCENDING, **options)


def test_a_cone_of_zero_is_refused():
    with pytest.raises(ValueError, match="has no solution but zero"):
        cone_output([[1.0], [-1.0]], 2)


def test_dependent_rows_are_named():
    with pytest.raises(ValueError, match="not linearly independent"):
        cone_output([[1.0, 0], [0, 1.0], [1.0, 1.0]], linear=torch.nn.Linear(1, 2))
