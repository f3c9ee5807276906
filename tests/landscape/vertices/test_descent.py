"""Vertex descent against linear programs, random probes, and the proved optimum."""

import numpy as np
import pytest
from scipy.optimize import linprog

from convexrelu import TwoLayerNetwork, certify
from convexrelu.landscape import (
    loss_decay,
    random_network,
    vertex_descent,
    vertex_descents,
)


def wavy_data(n=40, d=2, seed=0):
    random = np.random.RandomState(seed)
    X = random.standard_normal((n, d))
    return X, np.sin(2 * X[:, 0]) + np.abs(X[:, -1]) + 0.1 * random.standard_normal(n)


@pytest.fixture(scope="module")
def runs():
    X, y = wavy_data()
    return X, y, list(vertex_descents(X, y, width=3, n_runs=6, random_state=0))


class TestLeastAbsoluteDeviations:
    """A linear network with one neuron can be any affine function, or any linear one without a bias."""

    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("bias", [True, False])
    def test_equals_the_linear_program(self, seed, bias):
        random = np.random.RandomState(seed)
        X, y = random.standard_normal((50, 3)), random.standard_normal(50) + 0.5
        start = TwoLayerNetwork(
            random.standard_normal((1, 3)), [0.0], [[-2.0]], [0.0], negative_slope=1.0
        )
        run = vertex_descent(start, X, y, hidden_bias=bias, random_state=0)
        assert run.is_local_minimum and run.n_active_kinks == 3 + bias
        columns = np.column_stack([X, np.ones(50)]) if bias else X
        n, k = columns.shape
        cost = np.append(np.zeros(k), np.full(n, 1 / n))
        rows = np.block([[columns, -np.eye(n)], [-columns, -np.eye(n)]])
        limits = [(None, None)] * k + [(0, None)] * n
        program = linprog(cost, rows, np.concatenate([y, -y]), bounds=limits)
        assert abs(run.loss - program.fun) <= 1e-9


def assert_below_probes(runs, X, y):
    """All networks nearby with the same outer layer have a larger error."""
    random = np.random.RandomState(1)
    for run in runs:
        net = run.network
        for _ in range(100):
            moved = TwoLayerNetwork(
                net.hidden_weights + 1e-7 * random.standard_normal(net.hidden_weights.shape),
                net.hidden_bias + 1e-7 * random.standard_normal(net.width),
                net.output_weights,
                net.output_bias,
            )
            assert np.abs(moved.predict(X) - y).mean() > run.loss


class TestCertificates:
    def test_no_probe_near_a_tested_minimum_is_better(self, runs):
        X, y, all_runs = runs
        tested = [run for run in all_runs if run.is_local_minimum]
        assert len(tested) >= 3
        assert_below_probes(tested, X, y)

    def test_losses_are_those_of_networks_and_never_rise(self, runs):
        X, y, all_runs = runs
        for run in all_runs:
            assert abs(np.abs(run.network.predict(X) - y).mean() - run.loss) <= 1e-12
            assert np.diff(run.losses).max() <= 1e-13

    def test_inputs_on_a_grid_are_degenerate(self):
        """Kinks of several samples meet, so that a certificate would miss edges."""
        grid = np.arange(-2.0, 3.0)
        X = np.array([(a, b) for a in grid for b in grid])
        y = np.round(np.abs(X[:, 0]) - 0.3 * X[:, 1] ** 2)
        runs = list(vertex_descents(X, y, width=2, n_runs=6, random_state=0))
        degenerate = [run for run in runs if run.n_active_kinks > run.n_weights]
        assert degenerate and not any(run.is_local_minimum for run in degenerate)

    def test_repeated_samples_are_joined(self):
        X, y = wavy_data()
        start = random_network(X, y, width=3, random_state=0)
        once = vertex_descent(start, X, y, random_state=0)
        order = np.random.RandomState(0).permutation(120) % 40
        thrice = vertex_descent(start, X[order], y[order], random_state=0)
        assert once.is_local_minimum and thrice.is_local_minimum
        np.testing.assert_allclose(thrice.loss, once.loss, rtol=1e-9)

    def test_repeated_inputs_share_their_kinks(self):
        """Two targets for some inputs; tested against probes as any other minimum."""
        X, y = wavy_data(30)
        X, y = np.vstack([X, X[:12]]), np.concatenate([y, y[:12] + 0.3])
        runs = list(vertex_descents(X, y, width=2, n_runs=6, random_state=0))
        tested = [run for run in runs if run.is_local_minimum]
        assert tested
        assert_below_probes(tested, X, y)

    def test_a_neuron_that_is_zero_gets_no_certificate(self):
        """All targets are below what a positive neuron can reach; the origin is the best, and degenerate."""
        X, _ = wavy_data(15)
        start = TwoLayerNetwork([[1.0, 0.5], [0.3, 1.0]], [0.1, 0.2], [[1.0, 1.0]], [0.0])
        run = vertex_descent(start, X, -np.arange(1.0, 16.0), random_state=0)
        assert run.n_silent == 2 and not run.network.augmented_weights().any()
        assert abs(run.loss - 8.0) < 1e-12  # the mean of 1, …, 15
        assert not run.is_local_minimum

    def test_neurons_inactive_by_a_margin_do_not_matter_nearby(self):
        X = np.linspace(-1, 1, 9)[:, None]
        start = TwoLayerNetwork([[1.0], [0.2]], [-5.0, -3.0], [[1.0, 1.0]], [0.0])
        run = vertex_descent(start, X, -1 - X[:, 0] ** 2, random_state=0)
        assert run.n_silent == 2 and run.n_weights == 0
        assert not run.is_local_minimum  # nothing was tested

    def test_the_oracle_brings_back_a_neuron_that_is_zero(self):
        """At zero, a simplex method that looks at the kinks of few samples need not see the descent."""
        X, y = wavy_data(30)
        start = TwoLayerNetwork(np.zeros((1, 2)), [0.0], [[1.0]], [0.0])
        run = vertex_descent(start, X, y, random_state=0)
        assert run.n_silent == 0 and run.loss < 0.9 * np.abs(y).mean()

    def test_samples_that_the_network_cannot_change_do_not_count(self):
        """Targets equal to the intercept, where no neuron is active: their residuals are zero all around."""
        random = np.random.RandomState(0)
        X = np.concatenate([np.linspace(-3, -2, 11), np.sort(random.uniform(0, 1, 14))])[:, None]
        y = np.where(X[:, 0] > 0, X[:, 0] + 0.2 * random.standard_normal(25), 0.0)
        start = TwoLayerNetwork([[1.0]], [0.1], [[1.0]], [0.0])
        run = vertex_descent(start, X, y, random_state=0)
        assert run.is_local_minimum and run.n_active_kinks == 2


def nasty_problem(seed):
    """Few samples, integers, repeated rows, other scales; any slope; a neuron that is zero."""
    random = np.random.RandomState(seed)
    n, d, m = random.randint(2, 25), random.randint(1, 4), random.randint(1, 5)
    X, y = random.standard_normal((n, d)), random.standard_normal(n)
    kind = seed % 4
    if kind == 1:
        X, y = np.round(2 * X), np.round(3 * y)
    elif kind == 2:
        X, y = X * 10.0 ** random.randint(-6, 6), y * 10.0 ** random.randint(-6, 6)
    elif kind == 3:
        X, y = np.vstack([X, X[:1]]), np.append(y, y[0] + random.choice([0, 1.0]))
    bias = bool(random.randint(2))
    W, b = random.standard_normal((m, d)), random.standard_normal(m) * bias
    if random.rand() < 0.2:
        W[0] = b[0] = 0
    slope = random.choice([0, 0, 0.3, -1.0, 1.0])
    outer = random.choice([-1, 1.0, 0.5], (1, m))
    network = TwoLayerNetwork(W, b, outer, [np.median(y)], negative_slope=slope)
    return network, X, y, bias, random


@pytest.mark.parametrize("seed", range(60))
def test_nasty_problems(seed):
    """The loss never rises, is that of the network, and no probe near a tested minimum is better."""
    network, X, y, bias, random = nasty_problem(seed)
    run = vertex_descent(network, X, y, hidden_bias=bias, max_vertices=2000, random_state=0)
    found = run.network
    terms = np.abs(found.output_weights[0]) @ (
        np.abs(found.hidden_weights) @ np.abs(X.T) + np.abs(found.hidden_bias)[:, None]
    )
    terms = max(terms.max() + 2 * np.abs(y).max(), run.losses[0])
    assert abs(np.abs(found.predict(X) - y).mean() - run.loss) <= 1e-13 * terms
    assert np.diff(run.losses).max(initial=0.0) <= 1e-11 * terms
    assert run.n_active_kinks <= run.n_weights or not run.is_local_minimum
    if not run.is_local_minimum:
        return
    sizes = 1e-8 * np.abs(found.augmented_weights()).max(axis=1, keepdims=True)
    for _ in range(50):
        step = sizes * random.standard_normal((found.width, X.shape[1] + 1))
        near = TwoLayerNetwork(
            found.hidden_weights + step[:, :-1],
            found.hidden_bias + bias * step[:, -1],
            found.output_weights,
            found.output_bias,
            negative_slope=found.negative_slope,
        )
        assert np.abs(near.predict(X) - y).mean() >= run.loss - 1e-15 * terms


def test_rates_that_are_rounding_lead_nowhere():
    """Four samples and nine weights: along level directions some kinks are met at 1e15, by rounding alone."""
    for seed in range(20):
        random = np.random.RandomState(seed)
        X, y = random.standard_normal((4, 3)), random.standard_normal(4)
        W, outer = random.standard_normal((3, 3)), [[-1.0, 0.5, 1.0]]
        start = TwoLayerNetwork(W, np.zeros(3), outer, [np.median(y)])
        run = vertex_descent(start, X, y, hidden_bias=False, random_state=0)
        assert np.abs(run.network.hidden_weights).max() < 1e6


class TestAgainstTheOptimum:
    def test_no_run_is_below_the_proved_bound(self):
        """With a tiny penalty: the mean absolute error of any network, plus its penalty."""
        X, y = wavy_data(25, 1, seed=2)
        runs = list(vertex_descents(X, y, width=3, n_runs=3, random_state=1))
        best = min(runs, key=lambda run: run.loss)
        found = certify(
            best.network.balance(), X, y, alpha=1e-3, loss="absolute_error", random_state=0
        )
        assert found.is_proof and found.lower_bound <= found.objective
        penalty = best.network.balance().penalty()
        assert abs(found.objective - best.loss - 1e-3 * penalty) < 1e-9


def test_the_size_of_the_paper():
    """Hinz: 400 samples, 3 features, 4 neurons; 1126 to 3280 vertices, log-gap about linear (−0.74 to −0.93)."""
    X, y = wavy_data(400, 3)
    start = random_network(X, y, width=4, random_state=0)
    seen = []
    run = vertex_descent(start, X, y, random_state=0, progress=lambda *step: seen.append(step))
    assert run.is_local_minimum and run.n_weights == 16
    assert 500 < run.n_vertices < 5000
    assert loss_decay(run.losses[run.n_first_phase :]).correlation_to_last < -0.6
    # The last vertex is computed again, from its kinks: another rounding.
    assert seen[:-1] == list(enumerate(run.losses))[1:-1]
    assert seen[-1] == (run.n_vertices, pytest.approx(run.loss, rel=1e-12))


def test_the_limit_of_vertices():
    X, y = wavy_data()
    start = random_network(X, y, width=3, random_state=0)
    run = vertex_descent(start, X, y, max_vertices=20, random_state=0)
    assert run.n_vertices == 20 and not run.is_local_minimum
    assert "limit" in str(run)


def test_same_seed_same_run(runs):
    X, y, all_runs = runs
    again = next(vertex_descents(X, y, width=3, n_runs=1, random_state=0))
    np.testing.assert_array_equal(again.losses, all_runs[0].losses)


class TestRefusals:
    def test_networks(self):
        X, y = wavy_data(5)
        two = TwoLayerNetwork(np.ones((1, 2)), [0.0], [[1.0], [1.0]], [0.0, 0.0])
        idle = TwoLayerNetwork(np.ones((1, 2)), [1.0], [[0.0]], [0.0])
        for network, message in [
            (two, "network has 2 outputs"),
            (idle, "outer weight of zero"),
            ("net", "network is a str"),
        ]:
            with pytest.raises(ValueError, match=message):
                vertex_descent(network, X, y)
        biased = TwoLayerNetwork(np.ones((1, 2)), [1.0], [[1.0]], [0.0])
        with pytest.raises(ValueError, match="hidden_bias=False"):
            vertex_descent(biased, X, y, hidden_bias=False)
        with pytest.raises(ValueError, match="max_vertices=0"):
            vertex_descent(biased, X, y, max_vertices=0)
        with pytest.raises(ValueError, match="y has shape"):
            vertex_descent(biased, X, y[:3])
