import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from convexrelu import TrainingProblem, TwoLayerNetwork, certify, train
from convexrelu.oracles import CellOracle, RelaxationOracle
from tests import reference

X, Y = reference.teacher(8, 2, 3, 0.1, 0)
WEIGHTS = np.array([1.0, 0.0, 2.0, 0.5, 3.0, 1.0, 1.0, 0.25])


def random_network(rng, problem, m=4):
    b = rng.standard_normal(m) * problem.hidden_bias
    c = rng.standard_normal(1) * problem.fit_intercept
    d = problem.n_features
    return TwoLayerNetwork(rng.standard_normal((m, d)), b, rng.standard_normal((1, m)), c)


def test_objective_is_the_reference(options):
    rng = np.random.default_rng(0)
    problem = TrainingProblem(X, Y, 0.3, **options)
    for _ in range(5):
        net = random_network(rng, problem)
        expected = reference.network_objective(net, X, Y, 0.3, options["sample_weight"])
        assert problem.objective(net) == pytest.approx(expected, rel=1e-13)
    np.testing.assert_array_equal(problem.design, reference.augment(X, options["hidden_bias"]))


def test_weights_are_repetitions():
    counts = np.array([1, 3, 2, 1, 0, 2, 1, 1])
    weighted = TrainingProblem(X, Y, 0.3, sample_weight=counts)
    repeated = TrainingProblem(np.repeat(X, counts, axis=0), np.repeat(Y, counts), 0.3)
    net = random_network(np.random.default_rng(0), weighted)
    assert weighted.objective(net) == pytest.approx(repeated.objective(net), rel=1e-13)
    one, other = weighted.condensed(), repeated.condensed()
    np.testing.assert_array_equal(one.X, other.X)
    np.testing.assert_array_equal(one.y, other.y)
    np.testing.assert_allclose(one.weights, other.weights, rtol=1e-14)


def test_condensed_keeps_the_objective(options):
    rng = np.random.default_rng(0)
    order = rng.permutation(2 * len(X))
    twice = {"X": np.vstack([X, X])[order], "y": np.append(Y, Y)[order], "alpha": 0.3}
    weight = options.pop("sample_weight")
    if weight is not None:
        options["sample_weight"] = np.append(weight, weight)[order]
    problem = TrainingProblem(**twice, **options)
    condensed = problem.condensed()
    assert condensed.n_samples == (len(X) if weight is None else np.count_nonzero(weight))
    assert condensed.weights.sum() == pytest.approx(1, rel=1e-14)
    for _ in range(3):
        net = random_network(rng, problem)
        assert condensed.objective(net) == pytest.approx(problem.objective(net), rel=1e-13)


def test_condensed_tells_samples_apart_by_their_targets():
    problem = TrainingProblem([[0.0], [-0.0], [0.0]], [1.0, 1.0, 2.0], 0.1).condensed()
    np.testing.assert_array_equal(problem.y, [1.0, 2.0])
    np.testing.assert_allclose(problem.weights, [2 / 3, 1 / 3])


def test_units_bring_data_and_targets_to_size_one(options):
    problem = TrainingProblem(X, Y, 0.3, **options)
    rho, center, tau, _ = problem.units()
    assert center == problem.best_intercept(np.zeros_like(Y))
    assert problem.weights @ np.square(problem.design / rho).sum(axis=1) == pytest.approx(1.0)
    assert problem.weights @ np.square((Y - center) / tau) == pytest.approx(1.0)


def test_units_of_nothing_are_one():
    problem = TrainingProblem(np.zeros((3, 2)), np.ones(3), 1.0, hidden_bias=False)
    assert problem.units() == (1.0, 1.0, 1.0, 1.0)


def test_problems_are_compared_but_for_alpha(options):
    problem = TrainingProblem(X, Y, 0.3, **options)
    assert problem.equals_but_for_alpha(TrainingProblem(X, Y, 0.7, **options))
    changes = {
        "hidden_bias": not options["hidden_bias"],
        "fit_intercept": not options["fit_intercept"],
        "sample_weight": np.arange(len(Y)),
    }
    for name, value in changes.items():
        other = TrainingProblem(X, Y, 0.3, **(options | {name: value}))
        assert not problem.equals_but_for_alpha(other)
    assert not problem.equals_but_for_alpha(TrainingProblem(X, -Y, 0.3, **options))
    assert not problem.equals_but_for_alpha(TrainingProblem(-X, Y, 0.3, **options))


def test_best_intercept_and_zero_network(options):
    problem = TrainingProblem(X, Y, 0.3, **options)
    outputs = np.sin(np.arange(len(Y)))
    best = problem.best_intercept(outputs)
    if not options["fit_intercept"]:
        assert best == 0.0
        return
    values = [problem.data_fit(outputs + best + step) for step in (-1e-4, 0.0, 1e-4)]
    assert values[1] < min(values[0], values[2])
    weights = reference.normalised(options["sample_weight"], len(Y))
    assert problem.zero_network().output_bias[0] == pytest.approx(weights @ Y, rel=1e-13)


def test_dual_is_the_reference_and_touches_the_primal(options):
    problem = TrainingProblem(X, Y, 0.3, **options).condensed()
    outputs = np.cos(np.arange(problem.n_samples))
    v = problem.dual_point(outputs)
    expected = reference.dual_value(v, problem.y, problem.weights)
    assert problem.dual(v) == pytest.approx(expected, rel=1e-12)
    assert problem.dual(v) <= expected + 1e-15
    if options["fit_intercept"]:
        assert abs(v.sum()) <= 1e-16 * len(v)
    # Fenchel and Young with equality: F(f) + F*(−v) = −vᵀf at the outputs that v comes from.
    f = outputs + problem.best_intercept(outputs)
    assert problem.data_fit(f) - problem.dual(v) == pytest.approx(-(v @ f), abs=1e-13)


def test_weak_duality(options):
    rng = np.random.default_rng(0)
    problem = TrainingProblem(X, Y, 0.05, **options).condensed()
    masks = reference.all_masks(problem.design)
    primal = [problem.objective(random_network(rng, problem, m)) for m in range(1, 6)]
    primal.append(problem.objective(problem.zero_network()))
    values = []
    for _ in range(10):
        v = problem.dual_point(0.3 * rng.standard_normal(problem.n_samples))
        feasible = 0.05 / max(reference.max_rectified(problem.design, v, masks), 0.05)
        values.append(problem.dual(feasible * v))
    assert 0 < max(values) <= min(primal)  # some of the bounds say something


def test_alpha_max_is_where_the_first_neuron_appears(options):
    problem = TrainingProblem(X, Y, 1.0, **options).condensed()
    alpha = problem.alpha_max(CellOracle(problem.design))
    v = problem.dual_point(np.zeros_like(problem.y))
    exact = reference.max_rectified(problem.design, v, reference.all_masks(problem.design))
    assert alpha == pytest.approx(exact, rel=1e-10)
    assert problem.alpha_max(RelaxationOracle(problem.design)) >= alpha
    assert train(problem.with_alpha(1.01 * alpha), tol=1e-6).network.width == 0
    below = train(problem.with_alpha(0.99 * alpha), tol=1e-6)
    assert below.network.width > 0
    assert below.certificate.objective < problem.objective(problem.zero_network())


def test_problem_is_immutable():
    given = X.copy()
    problem = TrainingProblem(given, Y, 0.3, sample_weight=WEIGHTS)
    given[:] = 0
    np.testing.assert_array_equal(problem.X, X)
    for array in (problem.X, problem.y, problem.weights, problem.design):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(AttributeError):
        problem.alpha = 1.0
    other = problem.with_alpha(0.1)
    assert (problem.alpha, other.alpha) == (0.3, 0.1)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("X", X[:, 0]),
        ("X", X[None]),
        ("X", np.zeros((0, 2))),
        ("X", np.zeros((8, 0))),
        ("X", np.where(X[3, 1] == X, np.nan, X)),
        ("X", np.where(X[3, 1] == X, -np.inf, X)),
        ("X", X * 1e200),
        ("X", [[1.0, 2.0], [3.0]]),
        ("X", [["a", "b"]] * 8),
        ("X", X + 1j),
        ("X", sparse.csr_array(np.where(X[3, 1] == X, np.nan, X))),
        ("X", None),
        ("y", Y[:-1]),
        ("y", Y[:, None]),
        ("y", np.append(Y[:-1], np.nan)),
        ("y", Y * 1e200),
        ("y", Y * 1e-160),
        ("y", ["a"] * 8),
        ("y", Y + 1j),
        ("alpha", 0.0),
        ("alpha", -1.0),
        ("alpha", np.nan),
        ("alpha", np.inf),
        ("alpha", True),
        ("alpha", "0.1"),
        ("alpha", None),
        ("alpha", [0.1]),
        ("loss", "cubic"),
        ("loss", None),
        ("sample_weight", WEIGHTS[:-1]),
        ("sample_weight", -WEIGHTS),
        ("sample_weight", np.zeros(8)),
        ("sample_weight", np.append(WEIGHTS[:-1], np.nan)),
        ("sample_weight", np.append(WEIGHTS[:-1], np.inf)),
        ("sample_weight", WEIGHTS[:, None]),
        ("sample_weight", 1.0),
    ],
)
def test_bad_input_is_a_value_error_that_names_the_argument(argument, value):
    arguments = {"X": X, "y": Y, "alpha": 0.1} | {argument: value}
    with pytest.raises(ValueError, match=rf"^{argument}\b"):
        TrainingProblem(**arguments)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error"])
def test_targets_whose_losses_underflow_are_refused(loss):
    smallest = 1e-310 if loss == "absolute_error" else 1e-153
    with pytest.raises(ValueError, match=r"^y has entries of at most .* underflow"):
        TrainingProblem(X, np.full(8, smallest), 0.1, loss=loss)
    TrainingProblem(X, 1e-150 * Y, 0.1, loss=loss)
    TrainingProblem(X, np.zeros(8), 0.1, loss=loss)


@pytest.mark.parametrize("loss", ["logistic", "poisson"])
def test_small_labels_and_counts_are_no_underflow(loss):
    TrainingProblem(X, np.where(Y > 0, 1.0, -1.0 if loss == "logistic" else 1e-200), 0.1, loss=loss)


def test_with_alpha_checks():
    with pytest.raises(ValueError, match=r"^alpha"):
        TrainingProblem(X, Y, 0.1).with_alpha(-1.0)


@pytest.mark.parametrize("loss", ["absolute_error", "quantile"])
def test_the_best_constant_has_no_gap_where_kinks_decide(loss):
    """At a large penalty the best constant is optimal, and its dual point proves it."""
    rng = np.random.default_rng(0)
    for y in (rng.standard_normal(9), rng.standard_normal((8, 2))):
        problem = TrainingProblem(rng.standard_normal((len(y), 2)), y, 10.0, loss=loss)
        v = problem.dual_point(problem.no_outputs())
        assert problem.dual(v) == pytest.approx(
            problem.objective(problem.zero_network()), rel=1e-12
        )


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("skip_alpha", [1e-3, 1.0])
def test_the_dual_of_a_penalised_skip_connection_is_below_the_exact_one(skip_alpha, is_sparse):
    """``Σ (v_i y_i − v_i²/2s_i) − ‖Xᵀv‖²/2β``, in fractions; without a bound on its rounding, next to it."""
    rows = sparse.csr_array(X) if is_sparse else X
    options = {"fit_intercept": False, "skip": True, "skip_alpha": skip_alpha}
    problem = TrainingProblem(rows, Y, 0.3, **options)
    for seed in range(20):
        v = problem.dual_point(np.random.default_rng(seed).standard_normal(len(Y)))
        of_v, weights = [Fraction(x) for x in v], [Fraction(x) for x in problem.weights]
        moments = [
            sum(Fraction(x) * z for x, z in zip(column, of_v, strict=True)) for column in X.T
        ]
        exact = sum(
            z * Fraction(y) - z**2 / (2 * s)
            for z, y, s in zip(of_v, problem.y, weights, strict=True)
        ) - sum(moment**2 for moment in moments) / (2 * Fraction(skip_alpha))
        size = abs(float(exact)) + 1.0 / skip_alpha
        assert Fraction(problem.dual(v)) <= exact
        assert problem.dual(v) == pytest.approx(float(exact), abs=1e-12 * size)
        assert problem.rough_dual(v) == pytest.approx(float(exact), abs=1e-13 * size)


def test_nearly_dependent_columns_of_a_free_skip_connection_cost_part_of_the_bound():
    """The span of such columns is known to fewer digits, and linear parts in it are as free as others."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 2)), rng.standard_normal(20)
    X = np.column_stack([X, X[:, 0] + 1e-8 * rng.standard_normal(20)])
    near, far = (TrainingProblem(rows, y, 0.1, skip=True) for rows in (X, X[:, :2]))
    v = near.dual_point(near.no_outputs())
    value = v @ y - 0.5 * np.sum(v**2 / near.weights)
    condition = np.linalg.cond(np.column_stack([X, np.ones(20)]))
    assert value - near.dual(v) > np.finfo(float).eps * condition * np.linalg.norm(v)
    assert value - near.dual(v) < 1e-2 * value
    assert far.dual(far.dual_point(far.no_outputs())) > 0


def arrays_of(problem):
    """All arrays of a problem, those that are derived from the data too."""
    inputs = problem.X
    parts = [inputs.data, inputs.indices] if sparse.issparse(inputs) else [inputs]
    return [*parts, problem.y, problem.weights, problem.inputs, problem.design, problem.origin]


COPIES = {
    "new": lambda problem: problem,
    "pickled": lambda problem: pickle.loads(pickle.dumps(problem)),
    "copied": copy.copy,
    "copied deeply": copy.deepcopy,
    "condensed": lambda problem: problem.condensed(),
    "with alpha": lambda problem: problem.with_alpha(0.5),
}
KINDS = {
    "plain": (X, {}),
    "without bias": (X, {"hidden_bias": False}),
    "free bias": (X, {"hidden_bias": "free"}),
    "wide": (np.random.default_rng(0).standard_normal((8, 30)), {"hidden_bias": False}),
    "sparse": (sparse.random_array((8, 30), density=0.3, rng=0), {}),
}


@pytest.mark.parametrize("duplicate", COPIES)
@pytest.mark.parametrize("kind", KINDS)
def test_copies_are_read_only_and_equal(kind, duplicate):
    inputs, options = KINDS[kind]
    problem = TrainingProblem(inputs, Y, 0.3, **options)
    before = [np.array(array) for array in arrays_of(problem)]
    twin = COPIES[duplicate](problem)
    assert not any(array.flags.writeable for array in arrays_of(twin))
    for name in ("y", "weights", "design"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(twin, name)[0] = 1.0
        with pytest.raises(AttributeError):
            setattr(twin, name, None)
    if duplicate not in ("condensed", "with alpha"):
        for one, other in zip(arrays_of(twin), before, strict=True):
            np.testing.assert_array_equal(one, other)
        assert twin.objective(twin.zero_network()) == problem.objective(problem.zero_network())


BAD_ALPHAS = [
    0,
    -1.0,
    np.nan,
    np.inf,
    10**400,
    1e308,
    np.finfo(np.longdouble).max,
    Fraction(1, 10**400),
]


@pytest.mark.parametrize("alpha", [*BAD_ALPHAS, np.timedelta64(1, "s"), True, "1", None, 1j])
def test_penalties_that_are_no_positive_numbers_or_overflow(alpha):
    with pytest.raises(ValueError, match=r"^alpha"):
        TrainingProblem(X, Y, alpha)
    with pytest.raises(ValueError, match=r"^alpha"):
        TrainingProblem(X, Y, 0.1).with_alpha(alpha)


@pytest.mark.parametrize("scale", [1e-150, 1.0])
def test_large_penalties_have_certificates(scale):
    """Up to 1e300, without a warning."""
    problem = TrainingProblem(X, scale * Y, 1e300)
    network = TwoLayerNetwork([[1.0, 0.0]], [0.0], [[1.0]], [0.0])
    certificate = certify(network, X, scale * Y, alpha=1e300)
    assert certificate.is_proof and certificate.objective == pytest.approx(1e300)
    constant = problem.objective(problem.zero_network())
    assert certificate.lower_bound <= constant * (1 + 1e-12)


@pytest.mark.parametrize(("weight", "alpha"), [(1e10, 1e300), (1e155, 1.0), (1e200, 1e-300)])
def test_objectives_that_overflow_are_refused(weight, alpha):
    network = TwoLayerNetwork([[weight, 0.0]], [0.0], [[weight]], [0.0])
    with pytest.raises(ValueError, match="network_or_module has weights so large"):
        certify(network, X, Y, alpha=alpha)
    with pytest.raises(ValueError, match="start has weights so large"):
        train(TrainingProblem(X, Y, alpha), start=network)


def test_condensed_samples_are_not_copied_again():
    X, y = reference.teacher(12, 3, 2, 0.1, 0)
    condensed = TrainingProblem(X, y, 0.1).condensed()
    assert condensed.condensed() is condensed
