"""Hidden biases without a penalty, against a search over all of them."""

import numpy as np
import pytest

from convexrelu.oracles import FreeBiasOracle, RelaxationOracle, SearchOracle, SweepOracle
from convexrelu.oracles.reductions.free_bias import free_bias_factor
from convexrelu.oracles.selection import choose_oracles
from tests import reference

SLOPES = 0.0, 0.01, -1.0


def problem(seed, d, n_outputs):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((9, d))
    X -= X.mean(axis=0)
    V = rng.standard_normal((9, n_outputs))
    V -= V.mean(axis=0)
    column = np.full((9, 1), 50 * np.linalg.norm(X, axis=1).max())
    return X, np.hstack([X, column]), V[:, 0] if n_outputs == 1 else V


def free_value(X, V, slope, seed):
    """Largest value of neurons with ``‖w‖ = 1``: for each ``w``, all biases at which a sample is on its kink."""
    rng = np.random.default_rng(seed)
    best, W = 0.0, rng.standard_normal((1500, X.shape[1]))
    for width in (0.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5):
        W = W + width * rng.standard_normal(W.shape)
        W /= np.linalg.norm(W, axis=1)[:, None]
        z = W @ X.T
        # A piecewise linear function of the bias, convex or not in its norm, is largest at a kink.
        outputs = reference.activation(z[:, None, :] - z[:, :, None], slope)
        values = np.linalg.norm(outputs @ V.reshape(len(V), -1), axis=2).max(axis=1)
        best = max(best, values.max())
        W = np.repeat(W[np.argsort(-values)[:10]], 100, axis=0)
    return best


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize(
    ("d", "n_outputs"), [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2)]
)
def test_bounds_hold_for_all_biases(slope, n_outputs, d):
    for seed in range(4 - d):
        X, design, V = problem(seed, d, n_outputs)
        below = free_value(X, V, slope, seed)
        pair = choose_oracles("auto", design, 0, n_outputs=n_outputs, slope=slope, free_bias=True)
        report, found = pair.exact(V), pair.heuristic(V)
        assert report.is_proof and below <= report.bound <= below * 1.003
        assert below * (1 - 1e-3) <= found.bound <= report.bound * (1 + 1e-3)
        relaxed = FreeBiasOracle(RelaxationOracle(design, slope), design, slope)(V)
        assert report.bound <= relaxed.bound <= 40 * below


def test_search_finds_kinks_that_a_flat_ball_hides():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((200, 6))
    X -= X.mean(axis=0)
    V = rng.standard_normal((200, 3))
    V -= V.mean(axis=0)
    design = np.hstack([X, np.full((200, 1), 100 * np.linalg.norm(X, axis=1).max())])
    penalised = choose_oracles("search", reference.augment(X, True), 0, n_outputs=3).heuristic(V)
    free = choose_oracles("search", design, 0, n_outputs=3, free_bias=True).heuristic(V)
    own = reference.activation(penalised.directions @ reference.augment(X, True).T, 0.0) @ V
    values = np.linalg.norm(own, axis=1) / np.linalg.norm(penalised.directions[:, :-1], axis=1)
    assert free.bound >= values.max()


def test_the_factor_and_the_level():
    _, design, v = problem(0, 2, 1)
    exact = SweepOracle(design)(v).bound
    factor = free_bias_factor(design)
    assert 1 + 1.9e-4 < factor < 1 + 2.1e-4
    report = FreeBiasOracle(SweepOracle(design), design)(v)
    assert report.bound == pytest.approx(factor * exact, rel=1e-14)
    estimate = FreeBiasOracle(SearchOracle(design, random_state=0), design)(v)
    assert not estimate.is_proof and estimate.proved_bound >= report.bound


def test_without_balance_there_is_no_bound():
    _, design, v = problem(0, 2, 1)
    report = FreeBiasOracle(SweepOracle(design), design)(v + 0.1)
    assert report.bound == report.proved_bound == np.inf
    assert FreeBiasOracle(SweepOracle(design), design)(0 * v).bound == 0.0
