import cvxpy as cp
import numpy as np
import pytest
from scipy.spatial import ConvexHull

from convexrelu import TrainingProblem, train
from convexrelu.geometry import RectifiedEllipsoid, single_sample_neurons, single_sample_start

BIASES = [False, True, "free"]


def largest_alone(X, i, hidden_bias):
    """The value of the program that defines a neuron, by an interior-point method."""
    w, b = cp.Variable(X.shape[1]), cp.Variable()
    outputs = X @ w + b
    constraints = [outputs[j] <= 0 for j in range(len(X)) if j != i]
    constraints += [cp.norm(w) <= 1] if hidden_bias == "free" else [cp.norm(cp.hstack([w, b])) <= 1]
    if not hidden_bias:
        constraints.append(b == 0)
    return cp.Problem(cp.Maximize(outputs[i]), constraints).solve("CLARABEL")


@pytest.mark.parametrize("hidden_bias", BIASES)
@pytest.mark.parametrize("shape", [(7, 2), (6, 4), (4, 6)])
def test_neurons_solve_their_program(hidden_bias, shape):
    X = np.random.default_rng(0).standard_normal(shape) + 0.5
    neurons = single_sample_neurons(X, hidden_bias=hidden_bias)
    expected = np.array([largest_alone(X, i, hidden_bias) for i in range(len(X))])
    assert neurons.samples.tolist() == np.flatnonzero(expected > 1e-6).tolist()
    assert neurons.values == pytest.approx(expected[neurons.samples], rel=1e-6, abs=2e-8)
    outputs = np.maximum(X @ neurons.weights.T + neurons.biases, 0)
    alone = np.zeros((len(X), len(neurons.samples)))
    alone[neurons.samples, np.arange(len(neurons.samples))] = neurons.values
    assert outputs == pytest.approx(alone, abs=1e-12)
    sizes = np.square(neurons.weights).sum(axis=1)
    sizes += 0 if hidden_bias == "free" else np.square(neurons.biases)
    assert sizes == pytest.approx(np.ones(len(sizes)), rel=1e-12)


def test_every_vertex_of_a_polygon_and_nothing_inside():
    angles = 2 * np.pi * np.arange(7) / 7
    corners = np.column_stack([np.cos(angles), np.sin(angles)])
    middles = 0.5 * (corners + np.roll(corners, 1, axis=0))
    X = np.vstack([corners, middles, 0.3 * corners])
    neurons = single_sample_neurons(X)
    assert neurons.samples.tolist() == list(range(7))
    # From a corner to the line through the two middles beside it.
    assert neurons.values == pytest.approx(np.full(7, np.sin(np.pi / 7) ** 2), rel=1e-9)
    outward = neurons.weights * corners
    assert outward.sum(axis=1) == pytest.approx(np.ones(7), rel=1e-9)


@pytest.mark.parametrize("hidden_bias", ["free", True])
def test_samples_with_a_neuron_are_the_vertices_of_the_hull(hidden_bias):
    X = np.random.default_rng(1).standard_normal((40, 3))
    assert single_sample_neurons(X, hidden_bias=hidden_bias).samples.tolist() == sorted(
        ConvexHull(X).vertices
    )


def test_penalising_the_bias_shortens_neurons():
    X = np.random.default_rng(2).standard_normal((12, 2))
    free, penalised = single_sample_neurons(X), single_sample_neurons(X, hidden_bias=True)
    assert np.array_equal(free.samples, penalised.samples)
    assert (penalised.values < free.values).all()


def test_without_bias_directions_decide():
    angles = 2 * np.pi * np.arange(5) / 5
    around = np.column_stack([np.cos(angles), np.sin(angles)])
    assert len(single_sample_neurons(around, hidden_bias=False).samples) == 0
    fan = np.array([[1.0, 1.0], [1.0, 0.1], [5.0, -0.2], [0.5, -1.0]])
    neurons = single_sample_neurons(fan, hidden_bias=False)
    assert neurons.samples.tolist() == [0, 3]
    assert not neurons.biases.any()
    whitened = np.linalg.qr(np.random.default_rng(3).standard_normal((6, 4)))[0].T
    assert single_sample_neurons(whitened, hidden_bias=False).values == pytest.approx(
        np.ones(4), rel=1e-9
    )


@pytest.mark.parametrize("hidden_bias", [False, True])
def test_values_are_the_lengths_of_spikes(hidden_bias):
    """``t e_i`` is in the rectified ellipsoid up to the value of the neuron of sample ``i``."""
    X = np.random.default_rng(4).standard_normal((6, 3)) + 1.0
    neurons = single_sample_neurons(X, hidden_bias=hidden_bias)
    ellipsoid = RectifiedEllipsoid(X, hidden_bias=hidden_bias)
    gauges = np.array([ellipsoid.gauge(axis)[0] for axis in np.eye(6)])
    assert np.flatnonzero(np.isfinite(gauges)).tolist() == neurons.samples.tolist()
    assert neurons.values == pytest.approx(1 / gauges[neurons.samples], rel=1e-8)


@pytest.mark.parametrize("hidden_bias", BIASES)
def test_equal_samples_have_no_neuron(hidden_bias):
    X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    assert single_sample_neurons(X, hidden_bias=hidden_bias).samples.tolist() == [0, 1]


def test_a_single_sample():
    X = np.array([[3.0, 4.0]])
    assert single_sample_neurons(X, hidden_bias=False).values == pytest.approx([5.0], rel=1e-9)
    assert single_sample_neurons(X, hidden_bias=True).values == pytest.approx([26**0.5], rel=1e-9)
    assert len(single_sample_neurons(X).samples) == 0  # there is no largest one
    assert len(single_sample_neurons(np.zeros((1, 2)), hidden_bias=False).samples) == 0


@pytest.mark.parametrize("scale", [1e-120, 1e120])
@pytest.mark.parametrize("hidden_bias", [False, "free"])
def test_units_do_not_matter(scale, hidden_bias):
    X = np.random.default_rng(5).standard_normal((8, 3)) + 0.7
    plain, scaled = (single_sample_neurons(k * X, hidden_bias=hidden_bias) for k in (1.0, scale))
    assert np.array_equal(plain.samples, scaled.samples) and len(plain.samples) > 2
    assert scaled.values / scale == pytest.approx(plain.values, rel=1e-9)
    assert scaled.weights == pytest.approx(plain.weights, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("hidden_bias", [True, "free"])
def test_start_fits_the_samples_that_have_a_neuron(hidden_bias):
    rng = np.random.default_rng(6)
    X, y = rng.standard_normal((15, 2)), rng.standard_normal(15)
    problem = TrainingProblem(X, y, 0.01, hidden_bias=hidden_bias)
    start = single_sample_start(problem)
    expected = np.full(15, y.mean())
    samples = single_sample_neurons(X, hidden_bias=hidden_bias).samples
    expected[samples] = y[samples]
    assert 0 < len(samples) < 15
    assert start.predict(X) == pytest.approx(expected, abs=1e-9)
    assert start.width == len(samples)


def test_start_for_several_outputs():
    rng = np.random.default_rng(7)
    X, Y = rng.standard_normal((9, 2)), rng.standard_normal((9, 3))
    start = single_sample_start(TrainingProblem(X, Y, 0.01))
    samples = single_sample_neurons(X, hidden_bias=True).samples
    assert start.forward(X)[samples] == pytest.approx(Y[samples], abs=1e-9)


def test_start_for_classes_pushes_towards_the_label():
    rng = np.random.default_rng(8)
    X, y = rng.standard_normal((12, 2)), np.where(rng.random(12) < 0.5, -1.0, 1.0)
    start = single_sample_start(TrainingProblem(X, y, 0.01, loss="logistic", fit_intercept=False))
    samples = single_sample_neurons(X, hidden_bias=True).samples
    assert start.predict(X)[samples] == pytest.approx(0.5 * y[samples], abs=1e-9)


def test_start_overlooks_samples_without_weight():
    X = np.array([[0.0], [1.0], [2.0]])
    weighted = TrainingProblem(X, np.array([1.0, 2.0, 5.0]), 0.1, sample_weight=[1, 1, 0])
    assert single_sample_start(weighted).predict(X[:2]) == pytest.approx([1.0, 2.0], abs=1e-9)


@pytest.mark.parametrize("hidden_bias", [False, True, "free"])
def test_training_from_single_sample_neurons_has_the_same_optimum(hidden_bias):
    rng = np.random.default_rng(9)
    X, y = rng.standard_normal((20, 2)), rng.standard_normal(20)
    problem = TrainingProblem(X, y, 0.01, hidden_bias=hidden_bias)
    usual = train(problem, tol=1e-5, random_state=0).certificate
    from_hull = train(
        problem, tol=1e-5, start=single_sample_start(problem), random_state=0
    ).certificate
    assert usual.is_proof and from_hull.is_proof
    assert from_hull.objective == pytest.approx(usual.objective, rel=2e-5)


def test_start_of_sparse_inputs():
    from scipy.sparse import csr_array

    dense = np.random.default_rng(10).standard_normal((4, 8)) * (np.arange(8) % 2)
    y = np.array([1.0, -1.0, 2.0, 0.5])
    plain, sparse = (TrainingProblem(X, y, 0.1) for X in (dense, csr_array(dense)))
    assert single_sample_start(sparse).predict(dense) == pytest.approx(
        single_sample_start(plain).predict(dense), abs=1e-9
    )


@pytest.mark.parametrize("activation", ["leaky_relu", "absolute_value", "gated_relu", "threshold"])
def test_start_for_other_activations(activation):
    problem = TrainingProblem(np.eye(2), np.ones(2), 0.1, activation=activation)
    with pytest.raises(ValueError, match=f"activation='{activation}' does not support"):
        single_sample_start(problem)


@pytest.mark.parametrize(
    ("X", "options", "name"),
    [
        (np.zeros(3), {}, "X"),
        (None, {}, "X"),
        ([[np.inf]], {}, "X"),
        (np.eye(2), {"hidden_bias": "none"}, "hidden_bias"),
    ],
)
def test_bad_input_is_named(X, options, name):
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        single_sample_neurons(X, **options)
