import cvxpy as cp
import numpy as np
import pytest

from convexrelu.geometry import l0_l1_equivalence
from convexrelu.oracles import spike_free_margin
from tests import reference


def cells(design):
    """Patterns of many random gates: all of them, for as few samples as here."""
    gates = np.random.default_rng(0).standard_normal((20_000, design.shape[1]))
    return np.unique(gates @ design.T > 0, axis=0).astype(float)


def least_norm(design, y):
    """The program over all patterns."""
    masks = cells(design)
    u, w = (cp.Variable((len(masks), design.shape[1])) for _ in range(2))
    seen, constraints = 0, []
    for i, mask in enumerate(masks):
        side = (2 * mask - 1)[:, None] * design
        constraints += [side @ u[i] >= 0, side @ w[i] >= 0]
        seen = seen + (mask[:, None] * design) @ (u[i] - w[i])
    norm = cp.sum(cp.norm(u, axis=1)) + cp.sum(cp.norm(w, axis=1))
    return cp.Problem(cp.Minimize(norm), [*constraints, seen == y]).solve("CLARABEL")


def shortest(design, z):
    """The shortest neuron with outputs `z`, by an interior-point method."""
    u = cp.Variable(design.shape[1])
    constraints = [design[z > 0] @ u == z[z > 0], design[z == 0] @ u <= 0]
    cp.Problem(cp.Minimize(cp.norm(u)), constraints).solve("CLARABEL")
    return u.value


def theorem(design, y):
    """``min {M(v) : vᵀz₁ = 1, vᵀz₂ = −1}``, with ``M(v)`` by multipliers in every cell."""
    v, t = cp.Variable(len(y)), cp.Variable()
    constraints = []
    for sign in (1, -1):
        part = np.maximum(sign * y, 0)
        if part.any():
            u = shortest(design, part)
            constraints.append(v @ np.maximum(design @ u, 0) == sign * np.linalg.norm(u))
        for mask in cells(design):
            multipliers = cp.Variable(len(y), nonneg=True)
            side = (2 * mask - 1)[:, None] * design
            linear = sign * (mask[:, None] * design).T @ v + side.T @ multipliers
            constraints.append(cp.norm(linear) <= t)
    return cp.Problem(cp.Minimize(t), constraints).solve("CLARABEL")


def problem_of(seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((3, 4)), rng.standard_normal(3)


@pytest.mark.parametrize("seed", range(6))
def test_answer_is_that_of_the_theorem(seed):
    X, y = problem_of(seed)
    answer = l0_l1_equivalence(X, y)
    assert answer.is_proof
    assert answer.holds == (theorem(X, y) <= 1 + 1e-6)
    assert answer.norm == pytest.approx(least_norm(X, y), rel=1e-5)
    lengths = [np.linalg.norm(shortest(X, np.maximum(s * y, 0))) for s in (1, -1)]
    assert answer.two_neuron_norm == pytest.approx(sum(lengths), rel=1e-5, abs=1e-6)
    assert answer.lower_bound <= answer.norm * (1 + 1e-9)


def test_tolerance_decides_close_calls():
    """Here two neurons are longer than need be by 1.1e-5."""
    X, y = problem_of(1)
    assert l0_l1_equivalence(X, y).holds is False
    assert l0_l1_equivalence(X, y, rtol=1e-4).holds is True


def test_both_answers_occur():
    assert {l0_l1_equivalence(*problem_of(seed)).holds for seed in range(6)} == {True, False}


@pytest.mark.parametrize("seed", range(6))
def test_networks_do_what_they_say(seed):
    X, y = problem_of(seed)
    answer = l0_l1_equivalence(X, y)
    assert answer.two_neurons.width == (2 if y.min() < 0 < y.max() else 1)
    networks = [(answer.two_neurons, answer.two_neuron_norm)]
    if answer.holds is False:
        assert answer.norm < answer.two_neuron_norm
        networks.append((answer.witness, answer.norm))
    else:
        assert answer.witness is None
    for network, norm in networks:
        W, b, a = network.hidden_weights, network.hidden_bias, network.output_weights[0]
        assert not b.any()
        assert reference.outputs(X, W, b, a, 0.0) == pytest.approx(y, abs=1e-5)
        assert (np.linalg.norm(W, axis=1) * np.abs(a)).sum() == pytest.approx(norm, rel=1e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_few_samples_are_proved_at_any_rank(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((5, 20)), rng.standard_normal(5)
    answer = l0_l1_equivalence(X, y)
    assert answer.is_proof
    assert answer.norm == pytest.approx(least_norm(X, y), rel=1e-5)
    assert answer.holds == (answer.two_neuron_norm < answer.norm * (1 + 1e-6))


def test_whitened_samples_are_equivalent():
    rng = np.random.default_rng(3)
    X, y = np.linalg.qr(rng.standard_normal((9, 6)))[0].T, rng.standard_normal(6)
    answer = l0_l1_equivalence(X, y)
    parts = [np.linalg.norm(np.maximum(s * y, 0)) for s in (1, -1)]
    assert (answer.holds, answer.is_proof) == (True, True)
    assert answer.two_neuron_norm == pytest.approx(sum(parts), rel=1e-9)


def test_two_neurons_that_overlap_can_be_shorter_on_spike_free_data():
    """The third sample is cheap to see for both, with the first and with the second."""
    X = np.linalg.cholesky(np.linalg.inv(1.4 * np.eye(3) - 0.4))
    y = np.array([1.0, -1.0, -0.01])
    answer = l0_l1_equivalence(X, y)
    assert spike_free_margin(X).is_spike_free
    assert (answer.holds, answer.is_proof, answer.witness.width) == (False, True, 2)
    assert answer.norm == pytest.approx(least_norm(X, y), rel=1e-6)
    assert answer.norm < 0.95 * answer.two_neuron_norm


def test_penalised_biases_are_a_column_of_ones():
    X, y = problem_of(3)
    with_bias = l0_l1_equivalence(X, y, hidden_bias=True)
    as_column = l0_l1_equivalence(np.column_stack([X, np.ones(3)]), y)
    assert with_bias.holds == as_column.holds
    assert with_bias.two_neuron_norm == pytest.approx(as_column.two_neuron_norm, rel=1e-9)
    assert with_bias.two_neurons.predict(X) == pytest.approx(y, abs=1e-8)


def test_no_two_neurons_meet_the_targets():
    X, y = np.array([[1.0], [2.0], [-1.0]]), np.array([1.0, 2.0, 1.0])
    answer = l0_l1_equivalence(X, y)
    assert (answer.holds, answer.is_proof, answer.two_neurons) == (False, True, None)
    assert answer.two_neuron_norm == np.inf
    assert answer.norm == pytest.approx(2.0, rel=1e-6)
    assert answer.witness.predict(X) == pytest.approx(y, abs=1e-5)


def test_zero_targets_take_no_neuron():
    answer = l0_l1_equivalence(np.eye(2), np.zeros(2))
    assert (answer.holds, answer.is_proof, answer.two_neuron_norm) == (True, True, 0.0)
    assert answer.two_neurons.width == 0


@pytest.mark.parametrize(
    ("X", "y", "options", "name"),
    [
        (np.zeros(3), np.ones(3), {}, "X"),
        (np.eye(2), np.ones(3), {}, "y"),
        (np.eye(2), np.ones((2, 2)), {}, "y"),
        (np.ones((2, 1)), np.array([1.0, 2.0]), {}, "y"),
        (np.eye(2), np.ones(2), {"rtol": 0.0}, "rtol"),
        (np.eye(2), np.ones(2), {"rtol": "small"}, "rtol"),
        (np.eye(2), np.ones(2), {"hidden_bias": "free"}, "hidden_bias"),
    ],
)
def test_bad_input_is_named(X, y, options, name):
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        l0_l1_equivalence(X, y, **options)
