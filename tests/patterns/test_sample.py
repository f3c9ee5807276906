import numpy as np
import pytest

from convexrelu.patterns import ActivationPatterns, count_patterns, sample_gates, sample_patterns

DESIGN = np.random.default_rng(0).standard_normal((6, 3))


def test_gates_are_standard_normal_and_fixed_by_the_seed():
    gates = sample_gates(4, 20_000, random_state=3)
    np.testing.assert_array_equal(gates, sample_gates(4, 20_000, random_state=3))
    assert not np.array_equal(gates, sample_gates(4, 20_000, random_state=4))
    # Independent rows and columns: five standard errors of means and covariances.
    np.testing.assert_allclose(gates.mean(axis=0), 0, atol=5 / np.sqrt(20_000))
    np.testing.assert_allclose(np.cov(gates.T), np.eye(4), atol=5 * np.sqrt(2 / 20_000))
    np.testing.assert_allclose((gates[1:] * gates[:-1]).mean(axis=0), 0, atol=5 / np.sqrt(20_000))


def test_a_random_state_moves_on():
    random = np.random.RandomState(0)
    assert not np.array_equal(sample_gates(3, 2, random), sample_gates(3, 2, random))


def test_gates_do_not_depend_on_the_rows_present():
    order = np.array([3, 0, 5])
    gates = sample_patterns(DESIGN, 5, random_state=0).gates
    fewer = sample_patterns(DESIGN[order], 5, random_state=0)
    assert {tuple(gate) for gate in fewer.gates} <= {tuple(g) for g in sample_gates(3, 5, 0)}
    assert {tuple(gate) for gate in gates} <= {tuple(g) for g in sample_gates(3, 5, 0)}
    np.testing.assert_array_equal(fewer.masks, fewer.gates @ DESIGN[order].T >= 0)


def test_masks_are_distinct_and_those_of_their_gates():
    patterns = sample_patterns(DESIGN, 30_000, random_state=0)
    np.testing.assert_array_equal(patterns.masks, patterns.gates @ DESIGN.T >= 0)
    assert len(patterns) == len(np.unique(patterns.masks, axis=0)) == count_patterns(6, 3)


@pytest.mark.parametrize("n", [0, 1, 8, 9])
def test_duplicates_are_removed_in_order(n):
    design = np.random.default_rng(0).standard_normal((n, 2))
    gates = np.array([[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
    patterns = ActivationPatterns.of_gates(design, gates)
    kept = gates[:1] if n == 0 else gates[[0, 2]]
    np.testing.assert_array_equal(patterns.gates, kept)


def test_patterns_of_rows_in_parts_are_those_of_all_rows(monkeypatch):
    rng = np.random.default_rng(0)
    design, gates = rng.standard_normal((50, 3)), rng.standard_normal((20, 3))
    monkeypatch.setattr("convexrelu.patterns.activation._AT_ONCE", 140)  # seven rows at a time
    found = ActivationPatterns.of_gates(design, gates)
    np.testing.assert_array_equal(found.masks, found.gates @ design.T >= 0)
