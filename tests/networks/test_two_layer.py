import copy
import pickle
import warnings
import zipfile

import numpy as np
import pytest

from convexrelu import SolverWarning, TrainingProblem, TwoLayerNetwork, train
from tests import reference

FIELDS = ("hidden_weights", "hidden_bias", "output_weights", "output_bias")


def random_network(m=6, d=3, k=1, seed=0):
    rng = np.random.default_rng(seed)
    shapes = ((m, d), m, (k, m), k)
    return TwoLayerNetwork(*(rng.standard_normal(shape) for shape in shapes))


def points(d, n=50):
    return np.random.default_rng(1).standard_normal((n, d))


def assert_same_arrays(one, other):
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)


@pytest.mark.parametrize("k", [1, 2])
def test_forward_is_the_formula(k):
    net, X = random_network(k=k), points(3)
    expected = np.zeros((len(X), k))
    for i, x in enumerate(X):
        for o in range(k):
            expected[i, o] = net.output_bias[o]
            for j in range(net.width):
                z = sum(net.hidden_weights[j, l] * x[l] for l in range(3)) + net.hidden_bias[j]
                expected[i, o] += net.output_weights[o, j] * max(z, 0.0)
    np.testing.assert_allclose(net.forward(X), expected, rtol=1e-13, atol=1e-13)
    assert net.predict(X).shape == ((len(X),) if k == 1 else (len(X), 2))


def test_penalty_is_half_the_sum_of_squares():
    net = TwoLayerNetwork([[1.0, 2.0]], [3.0], [[4.0], [5.0]], [100.0, 100.0])
    assert net.penalty() == 0.5 * (1 + 4 + 9 + 16 + 25)


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("operation", ["balance", "merge", "prune"])
def test_reductions_keep_the_function_and_never_raise_the_penalty(operation, k):
    net = random_network(k=k)
    # Twins up to scale, an opposite outer weight, a dead neuron on either side.
    W = np.vstack(
        [net.hidden_weights, 3 * net.hidden_weights[:2], np.zeros((1, 3)), np.ones((1, 3))]
    )
    b = np.concatenate([net.hidden_bias, 3 * net.hidden_bias[:2], [0.0, 1.0]])
    a = np.hstack([net.output_weights, 0.7 * net.output_weights[:, :1]])
    a = np.hstack([a, -0.2 * net.output_weights[:, 1:2], np.ones((k, 1)), np.zeros((k, 1))])
    net = TwoLayerNetwork(W, b, a, net.output_bias)
    reduced = getattr(net, operation)()
    X = points(3)
    np.testing.assert_allclose(reduced.forward(X), net.forward(X), rtol=1e-12, atol=1e-12)
    assert reduced.penalty() <= net.penalty() * (1 + 1e-14)
    assert reduced.width == (6 if operation == "merge" else 8)
    if operation != "prune":
        inner = np.linalg.norm(reduced.augmented_weights(), axis=1)
        outer = np.linalg.norm(reduced.output_weights, axis=0)
        np.testing.assert_allclose(inner, outer, rtol=1e-13)
        assert reduced.penalty() == pytest.approx(inner @ outer, rel=1e-13)


def test_opposite_neurons_cancel():
    net = TwoLayerNetwork(
        [[1.0, 2.0], [2.0, 4.0], [0.0, 1.0]], [1.0, 2.0, 0.0], [[2.0, -1.0, 3.0]], [0.5]
    )
    merged = net.merge()
    assert merged.width == 1
    np.testing.assert_allclose(merged.predict(points(2)), net.predict(points(2)), atol=1e-12)
    assert TwoLayerNetwork(*(getattr(net, name) for name in FIELDS)).width == 3  # untouched


def test_outputs_of_some_neurons_and_of_the_others_add_up():
    rng = np.random.default_rng(0)
    W, b, a, c, skip = (rng.standard_normal(s) for s in ((5, 3), 5, (2, 5), 2, (2, 3)))
    net = TwoLayerNetwork(W, b, a, c, negative_slope=0.1, skip_weights=skip)
    X = rng.standard_normal((7, 3))
    kept = np.array([True, False, True, True, False])
    some, rest = net.with_neurons(kept), net.with_neurons(~kept)
    assert (some.width, rest.width) == (3, 2)
    np.testing.assert_allclose(some.forward(X) + rest.forward(X), net.forward(X) + c + X @ skip.T)
    turned = net.with_neurons(np.arange(5)[::-1])
    np.testing.assert_array_equal(turned.hidden_weights, W[::-1])
    np.testing.assert_allclose(turned.forward(X), net.forward(X))


def test_merge_leaves_distinct_directions_alone():
    W = [[1.0, 0.0], [1.0, 1e-6], [-1.0, 0.0]]
    assert TwoLayerNetwork(W, np.zeros(3), np.ones((1, 3)), [0.0]).merge().width == 3


@pytest.mark.parametrize("hidden_bias", [True, False])
def test_from_directions_is_balanced(hidden_bias):
    directions = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0], [0.0, 2.0, 1.0]])
    signs = np.array([1.0, 1.0, -1.0])
    net = TwoLayerNetwork.from_directions(directions, signs, 0.25, hidden_bias=hidden_bias)
    X = points(2 if hidden_bias else 3)
    rectified = np.maximum(reference.augment(X, hidden_bias) @ directions.T, 0.0)
    np.testing.assert_allclose(net.predict(X), rectified @ signs + 0.25, rtol=1e-13, atol=1e-13)
    assert net.width == 2
    assert net.penalty() == pytest.approx(np.linalg.norm(directions, axis=1).sum(), rel=1e-14)


def test_empty_network():
    net = TwoLayerNetwork.constant(3, 2.5)
    assert (net.width, net.n_features, net.n_outputs) == (0, 3, 1)
    for reduced in (net, net.balance(), net.merge(), net.prune()):
        np.testing.assert_array_equal(reduced.predict(points(3)), np.full(50, 2.5))
        assert reduced.penalty() == 0.0


def test_arrays_are_read_only_copies():
    given = np.ones((2, 3))
    net = TwoLayerNetwork(given, np.ones(2), np.ones((1, 2)), np.ones(1))
    given[0, 0] = 7.0
    assert net.hidden_weights[0, 0] == 1.0
    for name in FIELDS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(net, name)[...] = 0.0
        with pytest.raises(AttributeError):
            setattr(net, name, np.zeros(1))


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))]
)
def test_copies_are_equal_and_read_only(duplicate):
    net = random_network()
    twin = duplicate(net)
    assert_same_arrays(net, twin)
    assert not any(getattr(twin, name).flags.writeable for name in FIELDS)


@pytest.mark.parametrize("net", [random_network(k=2), TwoLayerNetwork.constant(3, 0.1)])
def test_save_and_load_are_exact(tmp_path, net):
    path = tmp_path / "network.weights"  # no suffix is forced upon the name
    net.save(path)
    assert_same_arrays(net, TwoLayerNetwork.load(path))


def write_pickle(path):
    path.write_bytes(pickle.dumps(dict.fromkeys(FIELDS, 1)))


def write_object_arrays(path):
    with open(path, "wb") as file:
        np.savez(file, **{name: np.array([{}], dtype=object) for name in FIELDS})


def write_text(path):
    path.write_text("no archive")


def write_nothing(path):
    path.write_bytes(b"")


def write_one_array(path):
    with open(path, "wb") as file:
        np.save(file, np.ones(3))


def write_too_few(path):
    with open(path, "wb") as file:
        np.savez(file, hidden_weights=np.ones((1, 1)))


def write_other_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hidden_weights", "text")


def write_truncated(path):
    random_network().save(path)
    path.write_bytes(path.read_bytes()[:-100])


def write_corrupted(path):
    random_network().save(path)
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "write",
    [
        write_pickle,
        write_object_arrays,
        write_text,
        write_nothing,
        write_one_array,
        write_too_few,
        write_other_archive,
        write_truncated,
        write_corrupted,
    ],
)
def test_load_refuses_anything_else(tmp_path, write):
    path = tmp_path / "network.npz"
    write(path)
    with pytest.raises(ValueError):
        TwoLayerNetwork.load(path)


def test_load_of_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        TwoLayerNetwork.load(tmp_path / "absent.npz")


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_must_be_finite(name, bad):
    arrays = {field: np.array(getattr(random_network(), field)) for field in FIELDS}
    arrays[name][..., -1] = bad
    with pytest.raises(ValueError, match=name):
        TwoLayerNetwork(**arrays)


@pytest.mark.parametrize("name", FIELDS)
def test_shapes_must_fit(name):
    arrays = {field: np.array(getattr(random_network(), field)) for field in FIELDS}
    wrong_dimension = arrays | {name: arrays[name][None]}
    with pytest.raises(ValueError, match=f"^{name} has"):
        TwoLayerNetwork(**wrong_dimension)
    too_long = arrays | {name: np.concatenate([arrays[name]] * 2)}
    with pytest.raises(ValueError, match=name):
        TwoLayerNetwork(**too_long)


@pytest.mark.parametrize("X", [np.ones(3), np.ones((2, 4)), np.ones((1, 2, 3))])
def test_inputs_must_fit(X):
    with pytest.raises(ValueError, match="X has shape"):
        random_network().predict(X)


@pytest.mark.parametrize("free_bias", [True, False])
@pytest.mark.parametrize("offset", [0.0, 1e5, 1e8])
def test_merge_keeps_the_function_far_from_the_origin(offset, free_bias):
    x = np.linspace(-1, 1, 41)
    kinks = np.repeat([-0.75, 0.125, 0.5], 2)
    slopes = np.array([1.0, 2.0, -1.0, -0.5, 1.0, 1.0])
    outer = np.array([[1.0, 1.0, 2.0, 0.5, -1.0, -1.0]])
    net = TwoLayerNetwork(slopes[:, None], -slopes * (offset + kinks), outer, [0.0])
    exact = np.maximum(slopes * (x[:, None] - kinks), 0.0) @ outer[0]
    X = offset + x[:, None]
    for merged in (net.merge(free_bias=free_bias), net.merge(free_bias=free_bias, X=X)):
        assert merged.width == 3  # pairs of one kink
        # An input is rounded in units of the offset, a few times for each of the six neurons.
        np.testing.assert_allclose(merged.predict(X), exact, atol=1e-13 + 1e-14 * offset)
        before, after = (
            n.balance(free_bias=free_bias).penalty(free_bias=free_bias) for n in (net, merged)
        )
        assert after <= before * (1 + 1e-14)


def test_merge_measures_in_units_of_the_samples():
    net = TwoLayerNetwork([[1.0], [1.0]], [-1e-4, -1.001e-4], [[1.0, 1.0]], [0.0])
    small, large = np.array([[0.0], [2e-4]]), np.array([[0.0], [2e4]])
    assert net.merge(X=small).width == 2
    assert net.merge(X=large).width == 1


def test_merge_of_the_absolute_value_joins_opposite_neurons_far_from_the_origin():
    net = TwoLayerNetwork(
        [[1.0], [-2.0], [1.0]],
        [-1e6, 2e6, -1e6 - 0.5],
        [[1.0, 1.0, 1.0]],
        [0.0],
        negative_slope=-1.0,
    )
    X = 1e6 + np.linspace(-1, 1, 9)[:, None]
    for merged in (net.merge(), net.merge(X=X)):
        assert merged.width == 2
        np.testing.assert_allclose(merged.predict(X), net.predict(X), atol=1e-8)


def test_sizes_of_a_neuron_may_differ_by_more_than_the_range_of_numbers():
    """As with inputs of 1e-200 and a bias: the quotient of the sizes would be zero."""
    net = TwoLayerNetwork([[0.5, 1.0]], [4e194], [[1e-215]], [0.0])
    balanced = net.balance()
    assert balanced.hidden_bias[0] == pytest.approx(balanced.output_weights[0, 0], rel=1e-13)
    assert balanced.predict([[0.0, 0.0]])[0] == pytest.approx(4e-21, rel=1e-13)


@pytest.mark.parametrize("hidden_bias", [True, False])
def test_networks_are_trained_on_inputs_of_any_size(hidden_bias):
    X, y = np.array([[-1.0], [0.0], [2.0], [1.0]]), np.array([1.0, 0.0, 2.0, 0.5])
    problem = TrainingProblem(1e-200 * X, y, 1e-203, hidden_bias=hidden_bias)
    with warnings.catch_warnings():
        # With a bias, entries of a row differ by 200 orders of magnitude. Solvers may fail, and then they say so.
        warnings.simplefilter("ignore", SolverWarning)
        result = train(problem, max_iter=1, random_state=0)
    certificate = result.certificate
    assert certificate.objective <= problem.objective(problem.zero_network())
    assert 0 <= certificate.lower_bound <= certificate.objective
