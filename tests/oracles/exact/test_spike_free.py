"""TODO"""

import numpy as np
import pytest

from convexrelu.oracles import CellOracle, SpikeFreeOracle, proved_length, spike_free_margin
from convexrelu.oracles.exact.spike_free import orthogonality_error
from tests import reference
from tests.oracles.data import GAUSSIAN, dual_points


def test_spike_free_is_at_most_exact_and_no_proof(design):
    masks = reference.all_masks(design)
    for v in dual_points(len(design)):
        report = SpikeFreeOracle(design)(v)
        size = np.abs(v) @ np.linalg.norm(design, axis=1)
        assert not report.is_proof
        assert report.bound <= reference.max_rectified(design, v, masks) + 1e-12 * size


def test_spike_free_is_exact_on_whitened_rows_only():
    whitened = np.linalg.qr(RNG.standard_normal((5, 3)))[0].T
    for v in dual_points(3):
        exact = max(np.linalg.norm(np.maximum(v, 0)), np.linalg.norm(np.maximum(-v, 0)))
        report = SpikeFreeOracle(whitened)(v)
        assert report.bound == pytest.approx(exact, rel=1e-9, abs=1e-12)
        assert not report.is_proof
    v = np.ones(8)
    exact = reference.max_rectified(GAUSSIAN, v, reference.all_masks(GAUSSIAN))
    assert SpikeFreeOracle(GAUSSIAN)(v).bound < 0.99 * exact


RNG = np.random.default_rng(0)
WHITENED = np.linalg.qr(RNG.standard_normal((8, 5)))[0].T
POSITIVE = RNG.exponential(size=(6, 1))


def spike_free_rows(n, seed):
    """Rows whose inverse Gram matrix has no positive entry off its diagonal."""
    rng = np.random.default_rng(seed)
    positive = rng.exponential(size=(n, n))
    positive += positive.T
    margin = rng.uniform(1.05, 2) * np.linalg.norm(positive, 2)
    return np.linalg.cholesky(np.linalg.inv(margin * np.eye(n) - positive))


def longest_by_sampling(design):
    """``max ‖X̃† relu(X̃u)‖`` over many directions, for linearly independent rows."""
    u = np.random.default_rng(1).standard_normal((20_000, design.shape[1]))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    return np.linalg.norm(np.linalg.pinv(design) @ np.maximum(u @ design.T, 0).T, axis=0).max()


def assert_counterexample(design, test):
    """There is no ``w`` of length one, or none at all, with ``X̃w = relu(X̃ witness)``."""
    assert (test.is_spike_free, test.is_proof) == (False, True)
    assert np.linalg.norm(test.witness) == pytest.approx(1.0, rel=1e-12)
    z = np.maximum(design @ test.witness, 0)
    w = np.linalg.pinv(design) @ z
    outside = np.linalg.norm(z - design @ w) / np.linalg.norm(z)
    assert outside > 1e-6 or np.linalg.norm(w) == pytest.approx(test.largest, rel=1e-9)
    assert test.largest > 1


@pytest.mark.parametrize(
    "design",
    [
        WHITENED,
        np.eye(3),
        1e6 * POSITIVE[:5] * WHITENED,
        np.vstack([WHITENED, 2 * WHITENED[:2], np.zeros((2, 8))]),
        POSITIVE * [[1.0, -2.0, 3.0]],
        np.array([[1.0, 1.0], [2.0, 1.0]]),
        np.array([[3.0, 4.0]]),
        np.zeros((3, 2)),
        *(spike_free_rows(n, n) for n in (2, 3, 5, 8)),
    ],
    ids=str,
)
def test_spike_free(design):
    test = spike_free_margin(design)
    assert (test.is_spike_free, test.is_proof, test.witness) == (True, True, None)
    assert test.largest <= 1


@pytest.mark.parametrize(
    "design",
    [
        RNG.standard_normal((10, 4)),
        RNG.standard_normal((6, 20)),
        RNG.standard_normal((6, 1)) * [[1.0, -2.0, 3.0]],
        np.array([[1.0], [-1.0]]),
        np.kron(np.array([[1, 0], [0, 1], [1, 1]]), [[1], [-1]]).astype(float),
        np.vstack([np.eye(3), np.ones((1, 3))]),
        1e-6 * np.array([[1.0, 0.0], [-0.6, 0.8]]),
        WHITENED + 1e-3 * RNG.standard_normal(WHITENED.shape),
    ],
    ids=str,
)
def test_not_spike_free(design):
    assert_counterexample(design, spike_free_margin(design))


@pytest.mark.parametrize("seed", range(30))
def test_agrees_with_sampling(seed):
    rng = np.random.default_rng(seed)
    design = rng.standard_normal((3, 4)) + (0.0, 1.0, 2.0)[seed % 3]
    test, sampled = spike_free_margin(design), longest_by_sampling(design)
    assert test.is_proof
    assert sampled <= max(test.largest, 1) * (1 + 1e-9)
    if not test.is_spike_free:
        assert_counterexample(design, test)
        assert test.largest == pytest.approx(max(sampled, 1), rel=0.02)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_original_pricing_is_exact_on_spike_free_data(n):
    design = spike_free_rows(n, 10 + n)
    for v in np.random.default_rng(n).standard_normal((5, n)):
        exact = CellOracle(design)(v).bound
        assert SpikeFreeOracle(design)(v).bound == pytest.approx(exact, rel=1e-9)


def test_a_counterexample_is_a_dual_point_with_a_gap():
    design = np.array([[1.0, 0.0], [-0.6, 0.8]])
    test = spike_free_margin(design)
    w = np.linalg.pinv(design) @ np.maximum(design @ test.witness, 0)
    v = np.linalg.pinv(design).T @ w
    exact = reference.max_rectified(design, v, reference.all_masks(design))
    assert test.largest == pytest.approx(1.25, rel=1e-12)
    assert SpikeFreeOracle(design)(v).bound < 0.9 * exact


def test_high_dimension_is_nearly_spike_free():
    rng = np.random.default_rng(0)
    largest = [spike_free_margin(rng.standard_normal((10, d))).largest for d in (20, 200, 2000)]
    assert largest[0] > largest[1] > largest[2] > 1
    assert largest[2] < 1.02


@pytest.mark.parametrize("distance", [1e-4, 1e-6, 1e-8, 1e-10])
def test_nearly_whitened(distance):
    design = WHITENED + distance * np.random.default_rng(2).standard_normal(WHITENED.shape)
    test = spike_free_margin(design)
    assert abs(test.largest - 1) < max(10 * distance**2, 1e-12)
    assert test.is_spike_free == (distance < 1e-7)  # below, the violation drowns in rounding
    assert test.is_proof == (distance != 1e-8)


def test_nearly_dependent_rows_are_not_proved():
    test = spike_free_margin(np.array([[1.0, 0.0], [1.0, 1e-9]]))
    assert (test.is_spike_free, test.is_proof) == (True, False)


def test_fixed_by_its_seed():
    design = RNG.standard_normal((6, 8))
    first, second = (spike_free_margin(design, random_state=3) for _ in range(2))
    assert first.largest == second.largest


def test_most_data_are_refused_without_a_copy(monkeypatch):
    monkeypatch.setattr("convexrelu.oracles.exact.spike_free._units", None)
    assert np.isinf(proved_length(np.random.default_rng(0).standard_normal((20, 30))))
    assert np.isinf(orthogonality_error(np.random.default_rng(0).standard_normal((20, 30))))
