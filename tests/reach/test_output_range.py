"""Ranges of outputs, against mixed-integer programs and samples."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.reach.reference import largest_output, random_network
from convexrelu import ConvexReLURegressor, TwoLayerNetwork
from convexrelu.reach import Polytope, output_range
from convexrelu.reach.envelopes import envelope_cuts
from convexrelu.reach.network_program import NetworkProgram
from convexrelu.reach.rectifiers import as_rectifiers
from convexrelu.reach.sharpening import domain_of

TENT = TwoLayerNetwork([[1.0], [1.0]], [0.0, -1.0], [[1.0, -2.0]], [0.0])


def check(answer, network, X):
    """Values are those of the points, and bounds hold at samples."""
    outputs = network(X)
    for k in range(len(answer.least)):
        points = np.array([answer.argmin[k], answer.argmax[k]])
        values = [answer.least[k], answer.greatest[k]]
        np.testing.assert_allclose(network(points)[:, k], values, rtol=1e-13, atol=1e-13)
    assert (answer.lower <= answer.least).all() and (answer.greatest <= answer.upper).all()
    scale = 1e-9 * np.maximum(1.0, np.abs(answer.upper))
    assert (outputs >= answer.lower - 1e-4 * scale).all()
    assert (outputs <= answer.upper + 1e-4 * scale).all()
    assert answer.is_exact
    assert (answer.upper - answer.greatest <= scale).all()
    assert (answer.least - answer.lower <= scale).all()


@pytest.mark.parametrize("seed", range(12))
def test_the_range_is_that_of_a_mixed_integer_program(seed):
    network = random_network(seed)
    d = network.n_features
    lower, upper = -np.ones(d), np.ones(d)
    answer = output_range(network, lower, upper)
    check(answer, network.forward, np.random.default_rng(0).uniform(-1, 1, (1000, d)))
    W, p = network.hidden_weights, network.hidden_bias
    for k in range(network.n_outputs):
        a, c = network.output_weights[k], network.output_bias[k]
        most, _ = largest_output(W, p, a, c, lower, upper)
        least, _ = largest_output(W, p, -a, -c, lower, upper)
        assert answer.greatest[k] == pytest.approx(most, rel=1e-9, abs=1e-9)
        assert answer.least[k] == pytest.approx(-least, rel=1e-9, abs=1e-9)


def test_a_polytope_is_smaller_than_its_box():
    network = random_network(2)
    d = network.n_features
    A, b = np.ones((1, d)), [0.0]
    answer = output_range(network, -1.0, 1.0, A=A, b=b)
    X = np.random.default_rng(1).uniform(-1, 1, (4000, d))
    check(answer, network.forward, X[X.sum(axis=1) <= 0])
    assert (np.vstack([answer.argmin, answer.argmax]) @ A[0] <= 0).all()
    # The same polytope without bounds: the corners of the cube as one simplex around it.
    simplex = np.vstack([np.eye(d), -np.eye(d), A])
    same = output_range(network, A=simplex, b=np.append(np.ones(2 * d), b))
    np.testing.assert_allclose(same.greatest, answer.greatest, rtol=1e-9)
    np.testing.assert_allclose(same.least, answer.least, rtol=1e-9)


@pytest.mark.parametrize("slope", [0.3, -1.0, 1.0])
def test_other_slopes_and_skip_connections(slope):
    rng = np.random.default_rng(3)
    parts = (
        rng.standard_normal((5, 2)),
        rng.standard_normal(5),
        rng.standard_normal((2, 5)),
        [1.0, 2.0],
    )
    network = TwoLayerNetwork(
        *parts, negative_slope=slope, skip_weights=rng.standard_normal((2, 2))
    )
    answer = output_range(network, [-1.0, 0.0], [1.0, 2.0])
    check(answer, network.forward, rng.uniform([-1, 0], [1, 2], (2000, 2)))


def test_deep_networks():
    torch.manual_seed(0)
    layers = nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 5), nn.LeakyReLU(0.1), nn.Linear(5, 2)
    module = nn.Sequential(*layers).double()
    X = np.random.default_rng(0).uniform(-1, 1, (5000, 3))

    def function(X):
        return module(torch.tensor(X)).detach().numpy()

    check(output_range(module, -1.0 * np.ones(3), 1.0), function, X)


def test_an_estimator_and_a_network_without_neurons():
    X = np.linspace(-1, 1, 9)[:, None]
    model = ConvexReLURegressor(alpha=0.01, random_state=0).fit(X, np.abs(X[:, 0]))
    check(output_range(model, [-1.0], [1.0]), model.network_.forward, X)
    least, greatest = output_range(TwoLayerNetwork.constant(2, 3.0), [0.0, 0.0], [1.0, 1.0])
    assert least == greatest == 3.0


def test_a_box_of_one_point():
    answer = output_range(TENT, [0.5], [0.5])
    assert answer.least == answer.greatest == 0.5


@pytest.mark.parametrize("scale", [1e-120, 1e-6, 1e6, 1e120])
def test_bounds_hold_at_other_scales(scale):
    network = random_network(6)
    d = network.n_features
    scaled = TwoLayerNetwork(
        network.hidden_weights,
        network.hidden_bias,
        network.output_weights * scale,
        network.output_bias * scale,
    )
    answer, plain = (output_range(one, -np.ones(d), 1.0) for one in (scaled, network))
    np.testing.assert_allclose(answer.greatest, plain.greatest * scale, rtol=1e-9)
    assert (answer.upper >= plain.greatest * scale * (1 - 1e-13)).all() and answer.is_exact


def test_bounds_hold_when_time_is_up():
    rng = np.random.default_rng(0)
    network = TwoLayerNetwork(
        rng.standard_normal((30, 6)), rng.standard_normal(30), rng.standard_normal((1, 30)), [0.0]
    )
    answer = output_range(network, -np.ones(6), 1.0, time_limit=0.0)
    assert not answer.is_exact
    outputs = network.predict(rng.uniform(-1, 1, (1000, 6)))
    assert answer.lower < outputs.min() and outputs.max() < answer.upper


def test_intervals_of_deep_networks_take_no_programs_when_time_is_up():
    torch.manual_seed(0)
    layers = nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 1)
    module = nn.Sequential(*layers).double()
    network = as_rectifiers(module)
    polytope = Polytope(lower=-np.ones(3), upper=np.ones(3))
    low, high = network.intervals(*polytope.box())
    at_once, sharp = (domain_of(network, polytope, deadline) for deadline in (0.0, math.inf))
    np.testing.assert_array_equal(at_once.low, low)
    np.testing.assert_array_equal(at_once.high, high)
    assert (sharp.high[6:] < high[6:]).any()
    answer = output_range(module, -np.ones(3), 1.0, time_limit=0.0)
    outputs = network.forward(np.random.default_rng(0).uniform(-1, 1, (1000, 3)))
    assert answer.lower <= outputs.min() and outputs.max() <= answer.upper


def test_points_are_not_improved_when_time_is_up(monkeypatch):
    """There is one program for each question, which its bound comes from."""
    solve, calls = NetworkProgram.solve, []

    def counted(self, *arguments):
        calls.append(1)
        return solve(self, *arguments)

    monkeypatch.setattr(NetworkProgram, "solve", counted)
    rng = np.random.default_rng(0)
    network = TwoLayerNetwork(
        rng.standard_normal((30, 4)), rng.standard_normal(30), rng.standard_normal((1, 30)), [0.0]
    )
    output_range(network, -np.ones(4), 1.0, time_limit=0.0)
    assert len(calls) == 2


def test_cuts_are_above_rectifiers():
    rng = np.random.default_rng(0)
    rows, constants = rng.standard_normal((6, 4)), rng.standard_normal(6)
    rows[0, 1] = rows[1] = 0.0
    lower, upper = -np.ones(4), np.array([1.0, 2.0, 0.5, -1.0])  # the last feature is fixed
    corners = np.array(np.meshgrid(*zip(lower, upper, strict=True))).reshape(4, -1).T
    inputs = np.vstack([corners, rng.uniform(lower, upper, (200, 4))])
    values = np.maximum(inputs @ rows.T + constants, 0.0)
    for point in (corners[5], *inputs[-5:], upper + 1.0):
        G, g = envelope_cuts(rows, constants, lower, upper, point)
        assert (values <= inputs @ G.T + g).all()
    G, g = envelope_cuts(rows, constants, lower, upper, corners[5])
    np.testing.assert_allclose(G @ corners[5] + g, values[5], atol=1e-12)


def test_cuts_save_branching():
    rng = np.random.default_rng(0)
    W, p, a = rng.standard_normal((16, 5)), rng.standard_normal(16), rng.standard_normal((1, 16))
    network = as_rectifiers(TwoLayerNetwork(W, p, a, [0.0]))
    box = Polytope(lower=-np.ones(5), upper=np.ones(5))
    objective = np.concatenate([network.B[0], network.C[0]])
    program = NetworkProgram(domain_of(network, box), objective)
    undecided = np.zeros(16, dtype=np.int8)
    before = program.solve(undecided)
    assert program.cut(before.point)
    after = program.solve(undecided)
    most = output_range(network, -np.ones(5), 1.0).greatest[0]
    assert most <= after.bound < before.bound - 0.05 * (before.bound - most)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lower": [0.0, 0.0], "upper": [1.0, 1.0]}, r"lower has shape \(2,\), expected \(1,\)"),
        (
            {"lower": [1.0], "upper": [0.0]},
            r"polytope is empty: lower\[0\]=1 is above upper\[0\]=0",
        ),
        ({"lower": [0.0]}, "polytope is unbounded: nothing bounds feature 0 from above"),
        ({"upper": [0.0]}, "polytope is unbounded: nothing bounds feature 0 from below"),
        ({}, "polytope is unbounded"),
        ({"lower": [np.nan], "upper": [1.0]}, "lower has NaN"),
        ({"lower": [np.inf], "upper": [np.inf]}, "lower has NaN or an infinite entry"),
        ({"A": [[1.0]]}, "polytope has A, but not b"),
        ({"A": [[1.0, 2.0]], "b": [1.0]}, r"A has shape \(1, 2\), expected \(q, 1\)"),
        ({"A": [[1.0], [-1.0]], "b": [0.0, -1.0]}, "polytope is empty: no point"),
        ({"lower": [0.0], "upper": [1.0], "A": [[0.0]], "b": [-1.0]}, "polytope is empty"),
        ({"lower": [0.0], "upper": [1.0], "A": [[np.nan]], "b": [1.0]}, "A contains NaN"),
        ({"lower": [0.0], "upper": [1.0], "tol": -1.0}, "tol=-1.0 is not"),
        ({"lower": [0.0], "upper": [1.0], "time_limit": "1"}, "time_limit='1' is not"),
    ],
)
def test_errors_name_the_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        output_range(TENT, **arguments)


def test_what_is_no_network_is_refused():
    with pytest.raises(ValueError, match="network is a int"):
        output_range(3, [0.0], [1.0])
    with pytest.raises(ValueError, match="network has a Tanh"):
        output_range(nn.Sequential(nn.Linear(1, 1), nn.Tanh()), [0.0], [1.0])
    module = nn.Sequential(nn.Linear(1, 1))
    with torch.no_grad():
        module[0].weight[0] = float("nan")
    with pytest.raises(ValueError, match="network contains NaN"):
        output_range(module, [0.0], [1.0])
