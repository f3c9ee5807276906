"""Lipschitz constants, against all sign vectors one by one."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.reach.reference import lipschitz_by_signs, random_network
from convexrelu import TwoLayerNetwork
from convexrelu.reach import lipschitz_constant
from convexrelu.reach.cells import CellTree
from convexrelu.reach.euclidean_search import EuclideanSearch
from convexrelu.reach.lipschitz import _Search
from convexrelu.reach.reached import Reached
from convexrelu.reach.rectifiers import as_rectifiers
from convexrelu.reach.sign_cores import SignCores
from convexrelu.reach.slopes import Slopes, rounding_of_squares
from convexrelu.reach.steepest import Climber

SMALL = [seed for seed in range(40) if random_network(seed).width <= 5][:9]


@pytest.mark.parametrize("seed", SMALL)
def test_the_constant_is_the_largest_norm_of_all_cells(seed):
    network, norm = random_network(seed), (1, 2, math.inf)[seed % 3]
    half = 0.5 if seed % 2 else None
    box = {} if half is None else {"lower": -half, "upper": half}
    constant = lipschitz_constant(network, norm, **box)
    assert constant.is_exact
    expected = lipschitz_by_signs(network, norm, half)
    assert constant.lower == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert constant.upper == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert np.linalg.norm(constant.jacobian, ord=norm) == pytest.approx(constant.lower)


@pytest.mark.parametrize("seed", [seed for seed in range(40) if random_network(seed).width <= 5])
def test_euclidean_norms_are_those_of_all_cells(seed):
    network = random_network(seed)
    expected = lipschitz_by_signs(network, 2, None)
    constant = lipschitz_constant(network)
    assert constant.is_exact
    assert constant.lower == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert constant.upper == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert lipschitz_constant(network, time_limit=0.0).upper >= expected * (1 - 1e-12)


@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_bounds_do_not_need_a_search_for_large_norms(norm, monkeypatch):
    """In small networks such a search finds the largest norm, whatever is wrong with the bound."""
    monkeypatch.setattr(_Search, "_climb", lambda *_: None)
    for seed in range(40):
        network = random_network(seed)
        if network.width <= 4:
            expected = lipschitz_by_signs(network, norm, None)
            constant = lipschitz_constant(network, norm)
            assert expected * (1 - 1e-12) <= constant.upper <= expected * (1 + 1e-9) + 1e-12


def test_bounds_hold_though_no_norm_is_reached(monkeypatch):
    """Then no node is left out but where its signs exclude each other, and the search may stop anywhere."""
    monkeypatch.setattr(_Search, "_climb", lambda *_: None)
    monkeypatch.setattr(Reached, "take", lambda self, _: self.value)
    run, early = EuclideanSearch.run, 0
    for seed in range(40):
        network = random_network(seed)
        if network.width > 4:
            continue
        expected = lipschitz_by_signs(network, 2, None)
        for most in (0, 1, 3, 6, math.inf):
            monkeypatch.setattr(
                EuclideanSearch, "run", lambda self, _, most=most: run(self, math.inf, most)
            )
            upper = lipschitz_constant(network).upper
            assert upper >= expected * (1 - 1e-12)
            early += upper > expected * (1 + 1e-6)
        assert upper <= expected * (1 + 1e-9) + 1e-12
    if SignCores.are_available():
        assert early


@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_constants_without_a_compiler_are_the_same(norm, monkeypatch):
    rng = np.random.default_rng(1)
    network = TwoLayerNetwork(
        rng.standard_normal((16, 3)), rng.standard_normal(16), rng.standard_normal((2, 16)), [0, 0]
    )
    constant = lipschitz_constant(network, norm)
    monkeypatch.setattr(SignCores, "are_available", staticmethod(lambda: False))
    by_programs = lipschitz_constant(network, norm)
    assert constant.is_exact and by_programs.is_exact
    assert constant.upper == pytest.approx(by_programs.upper, rel=1e-9)


@pytest.mark.parametrize("size", [1e-250, 1e-60, 1e60, 1e250])
def test_the_size_of_weights_does_not_matter(size):
    rng = np.random.default_rng(2)
    W, a = rng.standard_normal((12, 3)), rng.standard_normal((1, 12))
    constants = [
        lipschitz_constant(TwoLayerNetwork(W, np.ones(12), scale * a, [0.0]), time_limit=limit)
        for scale in (1.0, size)
        for limit in (50.0, 0.0)
    ]
    assert constants[2].is_exact
    for constant, expected in zip(constants[2:], constants[:2], strict=True):
        assert constant.upper == pytest.approx(size * expected.upper, rel=1e-9)
        assert np.linalg.norm(constant.jacobian / size) == pytest.approx(constant.lower / size)


@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_neurons_that_are_zero_exclude_no_input(norm):
    rng = np.random.default_rng(0)
    W, b = rng.standard_normal((17, 4)), rng.standard_normal(17)
    a = rng.standard_normal((2, 17))
    expected = lipschitz_constant(TwoLayerNetwork(W[1:], b[1:], a[:, 1:], [0, 0]), norm)
    for bias in (0.0, -1.0, 1.0):
        W[0], b[0] = 0.0, bias
        constant = lipschitz_constant(TwoLayerNetwork(W, b, a, [0, 0]), norm)
        assert constant.is_exact and constant.upper == pytest.approx(expected.upper, rel=1e-9)
        assert constant.n_cells > 1


@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_networks_without_a_kink_have_the_slopes_of_their_linear_part(norm):
    skip = np.array([[1.0, 2.0], [3.0, -4.0]])
    for m in (0, 1, 20):
        constants = TwoLayerNetwork(
            np.zeros((m, 2)), np.arange(m) - 1.0, np.ones((2, m)), [0, 0], skip_weights=skip
        )
        constant = lipschitz_constant(constants, norm)
        expected = np.linalg.norm(skip, ord=norm)
        assert constant.is_exact and constant.lower == pytest.approx(expected)
        assert expected <= constant.upper <= expected * (1 + 1e-11)


def test_kinks_that_coincide_have_no_cell_between_them():
    # |t| of two neurons minus their line: both active nowhere.
    opposite = TwoLayerNetwork([[1.0], [-1.0]], [0.5, -0.5], [[1.0, -1.0]], [0.0])
    assert lipschitz_constant(opposite).upper == pytest.approx(1.0, rel=1e-11)
    # 3 w is rounded: its kink is not exactly that of w.
    w = np.array([0.1, 0.7, 0.3])
    rounded = TwoLayerNetwork([w, 3 * w], [0.1, 3 * 0.1], [[3.0, -1.0]], [0.0])
    assert lipschitz_constant(rounded).upper < 1e-12


def test_a_box_without_kinks():
    network = TwoLayerNetwork([[1.0], [1.0]], [0.0, -5.0], [[1.0, 3.0]], [0.0])
    assert lipschitz_constant(network, lower=-1.0, upper=1.0).upper == pytest.approx(1.0)
    assert lipschitz_constant(network).upper == pytest.approx(4.0)
    assert float(lipschitz_constant(network, lower=-2.0, upper=-1.0)) == pytest.approx(
        0.0, abs=1e-12
    )


def test_bounds_allow_for_cancellation():
    # Slopes of 1e12 cancel but for a part in 1e4 of the rounding of their sum.
    w = np.array([[1.0, 0.3], [1.0, 0.3], [0.1, 0.7]])
    network = TwoLayerNetwork(w, [0.0, 1.0, 0.5], [[1e12, -1e12, 1.0]], [0.0])
    slopes = Slopes(as_rectifiers(network), 2)
    total = np.linalg.norm(w[2])  # in exact arithmetic, where all are active
    assert slopes.bound(np.ones(3, dtype=int), 0.0) >= total
    assert slopes.rounding > 1e-4


def test_kinks_that_are_far_away_count():
    # Slopes 3, 2 and 5, the last one beyond -1e13.
    network = TwoLayerNetwork(
        [[1.0], [1.0]], [0.0, 1e13], [[1.0, -3.0]], [0.0], skip_weights=[[5.0]]
    )
    assert lipschitz_constant(network).upper >= 5.0
    assert lipschitz_constant(network, lower=-1.0, upper=1.0).upper == pytest.approx(3.0)


@pytest.mark.parametrize("far", [1e16, 1e300])
def test_kinks_that_are_too_far_away_are_refused(far):
    network = TwoLayerNetwork([[1.0], [1.0]], [0.0, far], [[1.0, -3.0]], [0.0])
    with pytest.raises(ValueError, match=r"whose bias is more than .* give a box"):
        lipschitz_constant(network)
    assert lipschitz_constant(network, lower=-1.0, upper=1.0).upper == pytest.approx(3.0)


@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_deep_networks(norm):
    torch.manual_seed(1)
    layers = nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3), nn.LeakyReLU(0.2), nn.Linear(3, 2)
    module = nn.Sequential(*layers).double()
    constant = lipschitz_constant(module, norm, lower=-2 * np.ones(2), upper=2.0)
    X = torch.tensor(np.random.default_rng(0).uniform(-2, 2, (60, 2)))
    jacobians = [torch.autograd.functional.jacobian(module, x).numpy() for x in X]
    norms = np.linalg.norm(jacobians, ord=norm, axis=(1, 2))
    assert constant.is_exact
    assert norms.max() <= constant.upper
    here = torch.tensor(constant.point)
    reached = torch.autograd.functional.jacobian(module, here).numpy()
    assert np.linalg.norm(reached, ord=norm) == pytest.approx(constant.lower, rel=1e-9)


@pytest.mark.parametrize("norm", [1, 2, math.inf])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_bounds_hold_for_all_activities(norm, n_outputs):
    rng = np.random.default_rng(0)
    network = TwoLayerNetwork(
        rng.standard_normal((8, 3)),
        np.zeros(8),
        rng.standard_normal((n_outputs, 8)),
        np.zeros(n_outputs),
    )
    slopes = Slopes(as_rectifiers(network), norm)
    for _ in range(5):
        signs = rng.integers(-1, 2, 8)
        active = np.where(signs == 0, rng.integers(0, 2, (300, 8)), signs > 0)
        bound = slopes.bound(signs, 0.0)
        assert slopes.of_many(active).max() <= bound
        assert slopes.bound(signs, 0.0) == pytest.approx(slopes.bound(signs, 0.0), rel=0.1)


@pytest.mark.parametrize("norm", [1, math.inf])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_corners_give_the_largest_norm_of_all_activities(norm, n_outputs):
    rng = np.random.default_rng(1)
    network = as_rectifiers(
        TwoLayerNetwork(
            rng.standard_normal((7, 3)),
            np.zeros(7),
            rng.standard_normal((n_outputs, 7)),
            np.zeros(n_outputs),
            skip_weights=rng.standard_normal((n_outputs, 3)),
        )
    )
    slopes = Slopes(network, norm)
    signs = np.array([1, -1, 0, 0, 0, 0, 0])
    active = np.array(list(itertools.product((0, 1), repeat=7)))
    inside = (active[:, 0] == 1) & (active[:, 1] == 0)
    norms = slopes.of_many(active)
    bounds = list(slopes.questions(np.zeros(7), 0.0))
    assert max(bound for bound, _ in bounds) == pytest.approx(norms.max(), rel=1e-11)
    parts = [slopes.bound(signs, 0.0, corner) for _, corner in bounds]
    assert max(parts) == pytest.approx(norms[inside].max(), rel=1e-11)
    assert max(parts) >= norms[inside].max()
    # Corners are left out only if they cannot give more than what is reached.
    reached = float(np.median(norms))
    few = list(Slopes(network, norm).questions(np.zeros(7), reached))
    assert len(few) < len(bounds) and min(bound for bound, _ in few) > reached
    assert max(few)[0] == max(bounds)[0]


@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_derivatives_of_norms_are_differences(norm):
    rng = np.random.default_rng(2)
    network = TwoLayerNetwork(
        rng.standard_normal((5, 3)), np.zeros(5), rng.standard_normal((2, 5)), np.zeros(2)
    )
    slopes = Slopes(as_rectifiers(network), norm)
    parts, step = rng.uniform(0, 1, 5), 1e-6
    moved = slopes.of_many(parts + step * np.vstack([np.eye(5), -np.eye(5)]))
    differences = (moved[:5] - moved[5:]) / (2 * step)
    np.testing.assert_allclose(slopes.along_steepest(parts[None])[0], differences, atol=1e-6)


def test_bounds_corner_by_corner_take_few_cells():
    # Corner by corner 45, and 205 by the weights of a semidefinite relaxation.
    rng = np.random.default_rng(0)
    network = TwoLayerNetwork(
        rng.standard_normal((24, 8)), rng.standard_normal(24), rng.standard_normal((1, 24)), [0.0]
    )
    constant = lipschitz_constant(network, math.inf)
    assert constant.is_exact and constant.n_cells < 100


@pytest.mark.skipif(not SignCores.are_available(), reason="built without a compiler")
@pytest.mark.parametrize(
    ("norm", "d", "m", "most"), [(1, 12, 50, 500), (2, 20, 60, 1200), (math.inf, 12, 50, 500)]
)
def test_signs_that_exclude_each_other_take_few_cells(norm, d, m, most):
    # 102, 296 and 93. By the bounds of all signs 7997 and 4865; for the norm 2 without costs of cores 3484.
    rng = np.random.default_rng(0)
    network = TwoLayerNetwork(
        rng.standard_normal((m, d)), rng.standard_normal(m), rng.standard_normal((1, m)), [0.0]
    )
    constant = lipschitz_constant(network, norm)
    assert constant.is_exact and constant.n_cells < most


def test_eigenvalues_are_bounded_despite_rounding():
    # Orthogonal columns of length about one, whose squares no eigenvalue is below, in exact arithmetic.
    rng = np.random.default_rng(0)
    for _ in range(5):
        columns = np.linalg.qr(rng.standard_normal((30, 10)))[0]
        squares = [sum(Fraction(x) ** 2 for x in column) for column in columns.T.tolist()]
        for A in (columns, columns.T):
            largest = float(np.linalg.eigh(A.T @ A)[0][-1]) + rounding_of_squares(A)
            assert max(squares) <= Fraction(largest) <= 1 + 1e-11


def test_cells_are_proved_empty_with_many_features():
    # Rounding errors of the bound on the margin grow with the features; they must stay below what counts as empty.
    rng = np.random.default_rng(0)
    W, p = rng.standard_normal((30, 20)), rng.standard_normal(30)
    tree = CellTree(as_rectifiers(TwoLayerNetwork(W, p, np.ones((1, 30)), [0.0])), None)
    layer = tree.root().layer
    # A positive combination of 21 rows with these signs, and of τ ≥ 0, is zero.
    combination = np.linalg.solve(layer.rows[:21].T, -layer.fixed[0])
    signs = np.append(np.sign(combination), np.zeros(9)).astype(int)
    assert layer.inside(signs).bound < 1e-12
    signs[0] *= -1
    assert layer.inside(signs).bound > 1e-9


def test_both_bounds_hold_when_time_is_up():
    rng = np.random.default_rng(0)
    network = TwoLayerNetwork(
        rng.standard_normal((40, 10)), rng.standard_normal(40), rng.standard_normal((1, 40)), [0.0]
    )
    constant = lipschitz_constant(network, time_limit=0.0)
    assert 0 < constant.lower < constant.upper and not constant.is_exact
    z = rng.standard_normal((1000, 10)) @ network.hidden_weights.T > 0
    gradients = (z * network.output_weights) @ network.hidden_weights
    assert np.linalg.norm(gradients, axis=1).max() <= constant.upper


def test_random_steps_end_when_time_is_up():
    network = as_rectifiers(random_network(0))
    tree = CellTree(network, None)
    climber = Climber(tree, Slopes(network, 2), tree.root(), -math.inf)
    before = climber.rng.bit_generator.state
    np.testing.assert_array_equal(climber.point() * np.abs(climber.start).max(), climber.start)
    assert (
        climber.rng.bit_generator.state == before
    )  # no steps on wide networks, where each takes long


def test_errors_name_the_argument():
    network = random_network(0)
    with pytest.raises(ValueError, match="norm=3 is not known"):
        lipschitz_constant(network, 3)
    with pytest.raises(ValueError, match="polytope is flat"):
        lipschitz_constant(network, lower=0.0, upper=0.0)
    with pytest.raises(ValueError, match="polytope is unbounded"):
        lipschitz_constant(network, lower=0.0)
