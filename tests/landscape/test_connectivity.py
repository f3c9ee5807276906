from itertools import permutations

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.landscape import (
    ConnectivityDisplay,
    ConstantPathDisplay,
    direct_path,
    optimal_connectivity,
    optimal_path,
)
from convexrelu.optimal_set import optimal_polytope


def on_circle(n, alpha=0.02):
    """Targets of one on a circle: many neurons are as good, in many combinations."""
    angles = np.arange(n) * 2 * np.pi / n + 0.3
    X = np.column_stack([np.cos(angles), np.sin(angles)])
    return TrainingProblem(X, np.ones(n), alpha, hidden_bias=False, fit_intercept=False)


def solved(problem):
    result = train(problem, tol=1e-9, random_state=0)
    assert result.certificate.is_proof
    return result, optimal_connectivity(optimal_polytope(result.network, problem))


@pytest.fixture(scope="module")
def kim():
    """Two samples, for which one neuron is as good as two."""
    X = np.array([[-np.sqrt(3), 1.0], [np.sqrt(3), 1.0]])
    return solved(TrainingProblem(X, np.ones(2), 0.1, hidden_bias=False, fit_intercept=False))


@pytest.fixture(scope="module")
def circles():
    return {n: solved(on_circle(n)) for n in (3, 4, 5)}


def by_placements(found, width):
    """Components of all placements of vertices in places; two are together where no place has different neurons."""
    nodes = []
    for support in found.supports:
        neurons = np.flatnonzero(support)
        for places in permutations(range(width), len(neurons)):
            node = np.full(width, -1)
            node[list(places)] = neurons
            nodes.append(node)
    if not nodes:
        return 0
    nodes = np.array(nodes)
    one, two = nodes[:, None], nodes[None]
    together = ((one == two) | (one < 0) | (two < 0)).all(axis=2)
    return connected_components(together, directed=False)[0]


def test_staircase_of_two_samples(kim):
    _, found = kim
    assert found.is_complete
    assert (found.fewest, found.most, found.guaranteed, found.connected_from) == (1, 2, 3, 3)
    assert [found.n_components(width) for width in range(5)] == [0, 1, 3, 1, 1]
    assert found.n_isolated(2) == 2  # two orders


@pytest.mark.parametrize("n", [3, 4])
def test_components_are_those_of_all_placements(circles, n):
    _, found = circles[n]
    for width in range(found.guaranteed + 1):
        assert found.n_components(width) == by_placements(found, width)


@pytest.mark.parametrize("n", [3, 4, 5])
def test_theorem_of_kim_mishkin_and_pilanci(circles, n):
    _, found = circles[n]
    fewest, most = found.fewest, found.most
    assert found.n_components(fewest - 1) == 0
    # m = m*: finitely many points; m = M*: isolated points; from min(m* + M*, n + 1) on: connected.
    assert found.n_isolated(fewest) == found.n_components(fewest)
    assert found.n_isolated(most) > 0
    assert not found.is_connected(most)
    assert all(found.is_connected(found.guaranteed + more) for more in range(3))
    assert found.connected_from <= found.guaranteed


def test_widths_between_are_decided_too(circles):
    _, found = circles[4]
    assert (found.fewest, found.most) == (2, 2)
    assert [found.n_components(width) for width in (2, 3, 4)] == [4, 2, 1]


def test_unique_network_is_connected_with_one_more_place():
    X = np.linspace(-1, 1, 5)[:, None]
    _, found = solved(TrainingProblem(X, np.abs(X[:, 0]), 1e-2))
    assert (found.fewest, found.most, found.connected_from) == (2, 2, 3)


def test_zero_network():
    X = np.array([[0.0], [1.0]])
    _, found = solved(TrainingProblem(X, [0.0, 1.0], 10.0))
    assert (found.fewest, found.most) == (0, 0)
    assert found.is_connected(0)


def test_path_is_constant_and_has_its_ends(circles):
    result, found = circles[5]
    lower = result.certificate.lower_bound
    for end in range(1, len(found.scales), 3):
        first, last = found.vertex(0), found.vertex(end)
        path = optimal_path(found, first, last, found.guaranteed)
        objectives = path.objectives(np.linspace(0, 1, 31))
        # The dust that was dropped is 1e-5 of the penalty at most, and counts with its square.
        assert objectives.min() >= lower
        assert np.ptp(objectives) <= 1e-7 * lower
        for t, network in ((0.0, first), (1.0, last)):
            inner = path.network(t).hidden_weights[: network.width]
            np.testing.assert_allclose(inner, network.hidden_weights, atol=1e-9)


def test_path_moves_continuously(circles):
    _, found = circles[3]
    path = optimal_path(found, found.vertex(0), found.vertex(4), found.guaranteed)
    grid = np.linspace(0, 1, 2001)
    weights = np.array([path.network(t).augmented_weights() for t in grid])
    # Weights are roots of scales, so a step of h changes them by the order of √h.
    step = np.sqrt(len(path.waypoints) * grid[1])
    assert np.abs(np.diff(weights, axis=0)).max() <= 2 * step * np.abs(weights).max()


def test_path_reorders_neurons(circles):
    _, found = circles[3]
    network = found.vertex(0)
    order = np.roll(np.arange(network.width), 1)
    other = TwoLayerNetwork(
        network.hidden_weights[order],
        network.hidden_bias[order],
        network.output_weights[:, order],
        network.output_bias,
    )
    assert optimal_path(found, network, other, network.width) is None
    path = optimal_path(found, network, other, network.width + 1)
    inner = path.network(1.0).hidden_weights[: other.width]
    np.testing.assert_allclose(inner, other.hidden_weights, atol=1e-9)
    assert path.largest_rise() <= 1e-9


def test_no_path_between_pieces(circles):
    _, found = circles[4]
    assert optimal_path(found, found.vertex(0), found.vertex(1), 3) is None
    assert optimal_path(found, found.vertex(0), found.vertex(1), 4) is not None


def test_path_of_a_network_to_itself(kim):
    _, found = kim
    network = found.vertex(0)
    path = optimal_path(found, network, network, network.width)
    assert path.largest_rise() <= 1e-12


def test_direct_path_stays_below_the_line():
    rng = np.random.default_rng(0)
    problem = TrainingProblem(rng.standard_normal((8, 2)), rng.standard_normal(8), 0.1)
    one, two = (
        problem.balanced(
            TwoLayerNetwork(
                rng.standard_normal((m, 2)),
                rng.standard_normal(m),
                rng.standard_normal((1, m)),
                [0.3 * m],
            )
        )
        for m in (3, 2)
    )
    path = direct_path(problem, one, two)
    t = np.linspace(0, 1, 21)
    line = (1 - t) * problem.objective(one) + t * problem.objective(two)
    assert path.width == 5
    assert (path.objectives(t) <= line * (1 + 1e-12)).all()


def test_errors_name_the_argument(kim):
    _, found = kim
    wide, narrow = sorted((found.vertex(0), found.vertex(1)), key=lambda network: -network.width)
    with pytest.raises(ValueError, match="width=1"):
        optimal_path(found, wide, narrow, 1)
    stranger = TwoLayerNetwork([[1.0, 0.3]], [0.0], [[1.0]], [0.0])
    with pytest.raises(ValueError, match="not in the optimal set"):
        optimal_path(found, stranger, narrow, 3)
    with pytest.raises(ValueError, match=r"t=2\.0"):
        optimal_path(found, wide, narrow, 3).network(2.0)
    skip = TrainingProblem(np.eye(2), np.ones(2), 0.1, skip=True, skip_alpha=0.1)
    with pytest.raises(ValueError, match="skip"):
        direct_path(skip, narrow, narrow)


def test_displays(kim):
    pytest.importorskip("matplotlib").use("agg")
    result, found = kim
    display = ConnectivityDisplay.from_connectivity(found)
    assert "all optimal" in display.ax_.get_title()
    path = optimal_path(found, found.vertex(0), found.vertex(1), 3)
    drawn = ConstantPathDisplay.from_path(
        path, lower_bound=result.certificate.lower_bound, is_proof=True, n_points=11
    )
    labels = [text.get_text() for text in drawn.ax_[1].get_legend().get_texts()]
    assert "lower bound (proved)" in labels
