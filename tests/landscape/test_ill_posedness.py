"""Null spaces at points whose flat directions are known."""

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.landscape import LossLandscape, find_minima, ill_posedness

X = np.array([[1.0], [2.0], [3.0], [4.0]])


def causes(landscape, point, **options):
    found = ill_posedness(landscape, point, **options)
    assert sum(found.dimensions.values()) == found.nullity
    basis = np.hstack(list(found.directions.values()))
    np.testing.assert_allclose(basis.T @ basis, np.eye(found.nullity), atol=1e-6)
    # Everything that was counted is flat: its curvature is within the tolerance of zero.
    hessian = landscape.hessians(point)
    assert (
        np.abs(np.einsum("pk,pq,qk->k", basis, hessian, basis)).max(initial=0.0)
        <= 2e-6 * np.abs(hessian).max()
    )
    return {cause: count for cause, count in found.dimensions.items() if count}


def exact(landscape, hidden, outer, intercept=0.0):
    """The point, after making its outputs the targets, so that it is a global minimum."""
    point = landscape.point(hidden, outer, intercept)
    return LossLandscape(
        landscape.X,
        landscape.outputs(point),
        landscape.width,
        activation=landscape.activation.name,
        negative_slope=landscape.negative_slope or 0.01,
        hidden_bias=landscape.hidden_bias,
        fit_intercept=landscape.fit_intercept,
    ), point


def test_a_dead_unit():
    landscape, point = exact(
        LossLandscape(X, X[:, 0], 2, hidden_bias=False, fit_intercept=False),
        [[1.0], [-1.0]],
        [2.0, 1.0],
    )
    assert causes(landscape, point) == {"dead": 2, "rescaling": 1}
    assert ill_posedness(landscape, point).flat_activation.shape[1] == 1  # weight of the dead unit


def test_a_unit_without_outer_weight():
    landscape, point = exact(
        LossLandscape(X, X[:, 0], 2, activation="tanh", fit_intercept=False),
        [[1.0, 0.5], [-0.5, 0.2]],
        [1.0, 0.0],
    )
    # Four samples determine four of six parameters: hidden weights of the second unit are free.
    assert causes(landscape, point) == {"dead": 2}


@pytest.mark.parametrize("outer", [[1.0, 1.0], [1.0, 3.0]])
def test_equal_units(outer):
    landscape, point = exact(
        LossLandscape(X, X[:, 0], 2, activation="sigmoid", hidden_bias=False, fit_intercept=False),
        [[0.3], [0.3]],
        outer,
    )
    # The function depends on w and on a₁ + a₂; a difference of the w, weighted by the a, is flat, too.
    cause = "permutation" if outer[0] == outer[1] else "duplicate"
    assert causes(landscape, point) == {cause: 2}


def test_mirror_images_of_odd_units_are_duplicates():
    landscape, point = exact(
        LossLandscape(X, X[:, 0], 2, activation="tanh", hidden_bias=False, fit_intercept=False),
        [[0.3], [-0.3]],
        [1.0, 0.5],
    )
    assert causes(landscape, point) == {"duplicate": 2}


def test_rectifiers_rescale_and_multiples_are_duplicates():
    # One kink at −1/2 … inside of the data, so that weight and bias are both determined.
    X = np.linspace(-2, 2, 9)[:, None]
    landscape, point = exact(
        LossLandscape(X, X[:, 0], 2, fit_intercept=False), [[1.0, 0.55], [2.0, 1.1]], [1.0, 1.0]
    )
    # u = Σ a_j w̃_j has two parameters of six: two rescalings and two duplicates.
    assert causes(landscape, point) == {"rescaling": 2, "duplicate": 2}


def test_directions_that_no_input_sees():
    wide = np.column_stack([X, 2 * X, np.ones(4)])
    landscape, point = exact(
        LossLandscape(wide, X[:, 0], 1, activation="tanh", fit_intercept=False),
        [[0.1, 0.1, 0.1, 0.2]],
        [1.0],
    )
    # The second feature is a multiple of the first, the third a second bias.
    assert causes(landscape, point) == {"inputs": 2}


def test_directions_that_are_seen_only_where_the_unit_is_inactive():
    X = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, -1.0], [-1.0, -1.0]])
    landscape, point = exact(
        LossLandscape(X, X[:, 0], 1, hidden_bias=False, fit_intercept=False), [[1.0, 1.5]], [1.0]
    )
    # Active on the first two samples, which do not see the second weight.
    assert causes(landscape, point) == {"rescaling": 1, "activation": 1}
    assert ill_posedness(landscape, point).flat_activation.shape[1] == 0  # it is active somewhere


def test_saturated_units_are_flat_because_of_the_activation():
    landscape, point = exact(
        LossLandscape(X, X[:, 0], 1, activation="tanh"), [[40.0, 40.0]], [1.0], 0.5
    )
    # The unit is constant: hidden weights are flat, and its outer weight cancels against the intercept.
    assert causes(landscape, point) == {"activation": 2, "features": 1}
    assert ill_posedness(landscape, point).flat_activation.shape[1] == 2


def test_at_a_global_minimum_without_residual_the_null_space_is_that_of_the_jacobian():
    """O'Leary-Roseberry & Ghattas 2020: there the Hessian is ``Σ_i s_i J_iᵀJ_i``."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(8, 2))
    landscape = LossLandscape(X, rng.normal(size=8), 8, activation="tanh")
    minima = find_minima(landscape, 4, max_iter=150, random_state=0)
    interpolating = minima.points[minima.losses < 1e-15]
    assert len(interpolating)
    for point in interpolating:
        found = ill_posedness(landscape, point)
        assert found.rank == found.jacobian_rank <= 8
        counts = causes(landscape, point)
        assert "rest" not in counts
        assert counts["features"] >= 1  # eight units and a constant on eight samples


def test_the_certified_optimum_has_no_flat_direction_but_those_of_a_neuron_in_two_parts():
    X = np.linspace(-1, 1, 12)[:, None]
    # Without hidden bias, all kinks are at zero, which is no sample.
    problem = TrainingProblem(X, np.abs(X[:, 0] - 0.13), alpha=1e-2, hidden_bias=False)
    result = train(problem, tol=1e-8, random_state=0)
    assert result.certificate.is_proof
    network = result.network.merge().balance()
    landscape = LossLandscape.from_problem(problem, network.width)
    start = landscape.point_of(network)
    optimum = find_minima(landscape, starts=start[None])
    (point,) = optimum.points
    assert ill_posedness(landscape, point).n_kinks == 0
    assert causes(landscape, point) == {}
    # One neuron becomes two whose products a w̃ are shares of its own.
    hidden, outer, intercept = landscape.parts(point)
    shares = np.sqrt([0.3, 0.7])
    wider = LossLandscape.from_problem(problem, network.width + 1)
    split = wider.point(
        np.vstack([hidden[1:], shares[:, None] * hidden[:1]]),
        np.hstack([outer[:, 1:], shares * outer[:, :1]]),
        intercept,
    )
    assert wider.losses(split) == pytest.approx(float(landscape.losses(point)), rel=1e-14)
    assert causes(wider, split) == {"duplicate": 1}


def test_kinks_are_counted_and_the_text_has_the_tolerance():
    landscape = LossLandscape(X, X[:, 0], 2)
    point = landscape.point_of(TwoLayerNetwork([[1.0], [2.0]], [-2.0, -6.0], [[1.0, 1.0]], [0.0]))
    found = ill_posedness(landscape, point, rtol=1e-7)
    assert found.n_kinks == 2
    assert "eigenvalues below 1e-07 of the largest" in str(found)
    assert f"rank {found.rank} of 7" in str(found)
    assert "2 kinks" in str(found)
