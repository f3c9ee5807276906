"""What certify says of networks from anywhere."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_poisson_deviance
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from convexrelu import (
    Certificate,
    ConvexReLUClassifier,
    ConvexReLURegressor,
    NetworkCertificate,
    Status,
    TrainingProblem,
    TwoLayerNetwork,
    certify,
    train,
)
from convexrelu.certification.one_pass import Evaluation
from convexrelu.certification.training import sharpest
from tests import reference
from tests.honest import assert_certifies

X, Y = reference.teacher(7, 2, 3, 0.2, 1)
WEIGHTS = np.array([1.0, 0.0, 2.0, 0.5, 3.0, 1.0, 1.0])
ALPHA = 0.05


def random_network(rng, m=4, *, hidden_bias=True, fit_intercept=True, d=2):
    b, c = rng.standard_normal(m) * hidden_bias, rng.standard_normal(1) * fit_intercept
    return TwoLayerNetwork(rng.standard_normal((m, d)), b, rng.standard_normal((1, m)), c)


def blocks_by_hand(network, X):
    """Distinct pairs of pattern and sign of the neurons that contribute, one neuron at a time."""
    pairs = set()
    for w, b, a in zip(
        network.hidden_weights, network.hidden_bias, network.output_weights[0], strict=True
    ):
        if a != 0 and (np.any(w) or b):
            pairs.add((tuple(bool(x @ w + b >= 0) for x in X), 1.0 if a > 0 else -1.0))
    masks = np.array([mask for mask, _ in pairs], dtype=bool).reshape(-1, len(X))
    return masks, np.array([sign for _, sign in pairs])


def cell_optimum(network, X, y, alpha, **options):
    """Brute force over the network's own blocks, on the samples that count."""
    weight = options.pop("sample_weight", None)
    weight = reference.normalised(weight, len(y))
    X, y, weight = X[weight > 0], y[weight > 0], weight[weight > 0]
    masks, signs = blocks_by_hand(network, X)
    return reference.train_exactly(
        X, y, alpha, sample_weight=weight, masks=masks, signs=signs, **options
    )


def units_by_hand(network, X):
    """Dead, linear, mixed: on the samples, one unit at a time."""
    counts = [0, 0, 0]
    for w, b in zip(network.hidden_weights, network.hidden_bias, strict=True):
        values = [x @ w + b for x in X]
        active, inactive = any(v > 0 for v in values), any(v < 0 for v in values)
        counts[2 if active and inactive else 1 if active else 0] += 1
    return tuple(counts)


@cache
def adam(seed, width=3, alpha=0.01):
    """A local optimum by Adam with a falling rate, on data of its own."""
    inputs, targets = reference.teacher(12, 2, 3, 0.3, 5)
    A, b = torch.tensor(inputs), torch.tensor(targets)
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(s) for s in ((width, 2), (width,), (1, width), (1,))]
    W, bias, a, c = (torch.tensor(array, requires_grad=True) for array in arrays)
    optimiser = torch.optim.Adam([W, bias, a, c], lr=0.05)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.9967)
    for _ in range(3000):
        optimiser.zero_grad()
        outputs = torch.relu(A @ W.T + bias) @ a[0] + c
        penalty = sum(part.square().sum() for part in (W, bias, a))
        loss = 0.5 * (outputs - b).square().mean() + 0.5 * alpha * penalty
        loss.backward()
        optimiser.step()
        schedule.step()
    arrays = [part.detach().numpy() for part in (W, bias, a, c)]
    return inputs, targets, alpha, TwoLayerNetwork(*arrays)


# The cell


@pytest.mark.parametrize("alpha", [1e-3, 0.05])
def test_cell_bounds_are_below_the_cells_optimum_and_sharp(options, alpha):
    rng = np.random.default_rng(0)
    flags = {name: options[name] for name in ("hidden_bias", "fit_intercept")}
    for m, bound in ((1, "residual"), (3, "residual"), (10, "trained")):
        network = random_network(rng, m, **flags)
        optimum = cell_optimum(network, X, Y, alpha, **options)
        certificate = certify(network, X, Y, alpha=alpha, bound=bound, tol=1e-6, **options)
        assert certificate.is_proof and certificate.scope == "global"
        assert certificate.lower_bound <= certificate.cell_lower_bound
        assert optimum * (1 - 1e-5) <= certificate.cell_lower_bound <= optimum * (1 + 1e-9)
        assert optimum <= certificate.objective * (1 + 1e-9)
        expected = 1 - certificate.cell_lower_bound / certificate.objective
        assert certificate.cell_gap == pytest.approx(expected, abs=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "seed"), [(2, 1)])
def test_a_local_optimum_has_a_gap_but_none_within_its_cell(width, seed):
    inputs, targets, alpha, network = adam(seed, width)
    certificate = certify(network, inputs, targets, alpha=alpha)
    optimum = cell_optimum(network, inputs, targets, alpha)
    assert certificate.objective == pytest.approx(optimum, rel=1e-4)
    assert certificate.is_proof
    best = train(TrainingProblem(inputs, targets, alpha), tol=1e-8, random_state=0).certificate
    gap = 1 - best.objective / certificate.objective  # the true one, within 1e-8
    assert certificate.cell_gap < 1e-3 < 0.01 < gap
    assert gap - 1e-12 <= certificate.relative_gap <= gap + 1e-3
    assert certificate.cell_lower_bound <= optimum * (1 + 1e-9)


def test_units_that_are_all_active_are_no_better_than_least_squares():
    """A spurious minimum: two linear units can do what a linear function can, and no more."""
    weights = np.linalg.lstsq(reference.augment(X, True), Y, rcond=None)[0]
    W, shift = np.vstack([weights[:2], -weights[:2]]), 10.0
    network = TwoLayerNetwork(W, [shift, shift], [[0.5, -0.5]], weights[2:])
    np.testing.assert_allclose(network.predict(X), reference.augment(X, True) @ weights)
    certificate = certify(network, X, Y, alpha=1e-9, bound="residual")
    residual = network.predict(X) - Y
    assert (certificate.n_dead, certificate.n_linear, certificate.n_mixed) == (0, 2, 0)
    assert certificate.cell_lower_bound == pytest.approx(0.5 * np.mean(residual**2), rel=1e-4)
    assert certificate.cell_gap < 1e-4 and certificate.relative_gap > 0.5


def test_the_zero_network_is_its_own_cell():
    problem = TrainingProblem(X, Y, ALPHA)
    dead = TwoLayerNetwork(-np.eye(2), [-9.0, -9.0], [[1.0, -1.0]], [Y.mean()])
    assert not dead.hidden_features(X).any()
    best = 0.5 * np.var(Y)
    for network, width in [(problem.zero_network(), 0), (dead, 2)]:
        certificate = certify(network, X, Y, alpha=ALPHA)
        assert certificate.cell_lower_bound == pytest.approx(best, rel=1e-9)
        assert certificate.objective == pytest.approx(best + ALPHA * network.penalty(), rel=1e-12)
        assert (certificate.n_dead, certificate.n_linear, certificate.n_mixed) == (width, 0, 0)
        assert certificate.lower_bound < 0.9 * best


def test_one_sample_by_a_conic_solver():
    nothing = TwoLayerNetwork(np.zeros((0, 1)), [], np.zeros((1, 0)), [0.25])
    certificate = certify(nothing, [[-0.5]], [0.25], alpha=0.01, solver="cvxpy:CLARABEL")
    assert certificate.cell_lower_bound == certificate.objective == 0.0


def test_copies_of_a_neuron_are_one_block():
    rng = np.random.default_rng(0)
    network = random_network(rng, 3)
    third = network.output_weights / 3
    copies = TwoLayerNetwork(
        np.tile(network.hidden_weights, (3, 1)),
        np.tile(network.hidden_bias, 3),
        np.tile(third, 3),
        network.output_bias,
    )
    one, three = (certify(net, X, Y, alpha=ALPHA) for net in (network, copies))
    assert three.cell_lower_bound == pytest.approx(one.cell_lower_bound, rel=1e-4)
    assert three.n_mixed == 3 * one.n_mixed


def test_kinks_on_samples():
    """Neurons whose boundary goes through two samples, on either side."""
    a, b = X[0], X[1]
    normal = np.array([a[1] - b[1], b[0] - a[0]])
    bias = -normal @ a
    network = TwoLayerNetwork([normal, -normal], [bias, -bias], [[1.0, 0.5]], [0.0])
    certificate = certify(network, X, Y, alpha=ALPHA)
    assert certificate.lower_bound <= certificate.cell_lower_bound <= certificate.objective
    best = train(TrainingProblem(X, Y, ALPHA), tol=1e-8, random_state=0).network
    at_the_optimum = certify(best, X, Y, alpha=ALPHA, tol=1e-6)
    assert at_the_optimum.cell_gap <= at_the_optimum.relative_gap < 1e-4


def test_a_proved_global_bound_is_one_for_the_cell():
    rng = np.random.default_rng(1)
    for _ in range(5):
        certificate = certify(random_network(rng), X, Y, alpha=ALPHA, time_limit=0.0)
        assert certificate.proved_lower_bound <= certificate.cell_lower_bound


@pytest.mark.parametrize("solver", ["newton", "interior_point", "cvxpy:CLARABEL"])
def test_solvers_agree_on_the_cell(solver):
    network = random_network(np.random.default_rng(0))
    optimum = cell_optimum(network, X, Y, ALPHA)
    certificate = certify(network, X, Y, alpha=ALPHA, solver=solver, tol=1e-5)
    assert optimum * (1 - 1e-4) <= certificate.cell_lower_bound <= optimum * (1 + 1e-9)


# The units


def test_counts_of_units(options):
    rng = np.random.default_rng(0)
    alive = np.ones(7, dtype=bool) if options["sample_weight"] is None else WEIGHTS > 0
    seen = set()
    for m in (0, 1, 5, 40):
        flags = {name: options[name] for name in ("hidden_bias", "fit_intercept")}
        network = random_network(rng, m, **flags)
        certificate = certify(network, X, Y, alpha=ALPHA, **options)
        counts = certificate.n_dead, certificate.n_linear, certificate.n_mixed
        assert counts == units_by_hand(network, X[alive])
        assert sum(counts) == m
        seen |= {kind for kind, count in enumerate(counts) if count}
    assert 2 in seen and (not options["hidden_bias"] or seen == {0, 1, 2})


def test_units_that_are_switched_off_count_by_what_they_do():
    network = TwoLayerNetwork([[1.0, 0.0], [0.0, 0.0]], [99.0, 0.0], [[0.0, 1.0]], [0.0])
    certificate = certify(network, X, Y, alpha=ALPHA)
    assert (certificate.n_dead, certificate.n_linear, certificate.n_mixed) == (1, 1, 0)


@pytest.mark.parametrize("activation", ["leaky_relu", "absolute_value"])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_units_that_are_inactive_on_all_samples_are_not_dead_if_they_have_outputs(activation, loss):
    """The network fits the targets by its only unit, which is on the left of its kink throughout."""
    inputs, slope = (
        np.array([[1.0], [2.0]]),
        {"leaky_relu": 0.5, "absolute_value": -1.0}[activation],
    )
    network = TwoLayerNetwork([[-1.0]], [0.0], [[1.0]], [0.0], negative_slope=slope)
    options = {"activation": activation, "negative_slope": 0.5, "loss": loss}
    targets = network.predict(inputs)
    certificate = certify(
        network, inputs, targets, alpha=0.01, hidden_bias=False, fit_intercept=False, **options
    )
    assert certificate.cell_lower_bound <= certificate.objective
    assert (certificate.n_dead, certificate.n_linear, certificate.n_mixed) == (0, 1, 0)


def test_rounding_does_not_make_a_unit_mixed():
    """The first sample is on both kinks, where rounding leaves something other than zero."""
    inputs = np.array([[0.3], [0.7], [0.9]])
    assert 3 * 0.3 - 0.9 < 0  # as floats
    network = TwoLayerNetwork([[3.0], [-3.0]], [-0.9, 0.9], [[1.0, 1.0]], [0.0])
    certificate = certify(network, inputs, [0.0, 1.0, 2.0], alpha=ALPHA)
    assert (certificate.n_dead, certificate.n_linear, certificate.n_mixed) == (1, 1, 0)


# Improving


def test_improving_ends_at_the_optimum(options):
    flags = {name: options[name] for name in ("hidden_bias", "fit_intercept")}
    network = random_network(np.random.default_rng(0), **flags)
    weight = options["sample_weight"]
    optimum = reference.train_exactly(X, Y, ALPHA, **options)
    before = certify(network, X, Y, alpha=ALPHA, **options)
    after = certify(network, X, Y, alpha=ALPHA, improve=True, tol=1e-6, random_state=0, **options)
    assert before.improved is None
    result = after.improved
    assert result.status is Status.CONVERGED
    assert_certifies(result.certificate, result.network, X, Y, ALPHA, weight)
    assert result.certificate.relative_gap <= 1e-6
    assert result.certificate.objective == pytest.approx(optimum, rel=2e-6)
    # What is said of the given network is sharper now.
    assert after.objective == before.objective > result.certificate.objective
    assert before.lower_bound <= after.lower_bound <= optimum * (1 + 1e-12)
    assert after.lower_bound == pytest.approx(optimum, rel=2e-6)
    assert after.lower_bound <= after.cell_lower_bound


@pytest.mark.filterwarnings("ignore::convexrelu.results.SolverWarning")
@pytest.mark.parametrize("time_limit", [0.0, None])
@pytest.mark.parametrize("oracle", ["cells", "search"])
def test_improving_never_makes_it_worse(time_limit, oracle):
    inputs, targets, alpha, network = adam(1, 2)
    best = train(TrainingProblem(inputs, targets, alpha), tol=1e-9, random_state=0).network
    for given in (network, best):
        certificate = certify(
            given,
            inputs,
            targets,
            alpha=alpha,
            oracle=oracle,
            improve=True,
            tol=1e-2,
            time_limit=time_limit,
            random_state=0,
        )
        improved = certificate.improved
        assert improved.certificate.objective <= certificate.objective
        assert_certifies(improved.certificate, improved.network, inputs, targets, alpha)
        converged = improved.status is Status.CONVERGED
        assert converged is (improved.certificate.relative_gap <= 1e-2)


def test_an_estimate_that_training_refutes_is_given_up(monkeypatch):
    """A search that misses everything sees no gap; the network that training finds is below its bound."""
    network = random_network(np.random.default_rng(0))
    before = certify(network, X, Y, alpha=ALPHA, oracle="search", random_state=0)
    blind = Certificate(before.objective, before.objective, "global", "search", False)
    monkeypatch.setattr(
        "convexrelu.certification.certify_network.price_and_certify", lambda *_, **__: (blind, None)
    )
    after = certify(
        network, X, Y, alpha=ALPHA, oracle="search", improve=True, tol=1e-4, random_state=0
    )
    assert after.improved.certificate.objective < before.objective
    assert after.lower_bound == after.improved.certificate.lower_bound


def test_an_estimate_is_said_where_the_proof_is_far_below(monkeypatch):
    """Training may estimate a bound and prove less, but more than the proof for the given network."""
    network = random_network(np.random.default_rng(0))
    weak = Certificate(
        TrainingProblem(X, Y, ALPHA).objective(network), 0.0, "global", "relaxation", True, 0.0
    )
    monkeypatch.setattr(
        "convexrelu.certification.certify_network.price_and_certify", lambda *_, **__: (weak, None)
    )
    options = {"alpha": ALPHA, "oracle": "search", "random_state": 0}
    after = certify(network, X, Y, improve=True, **options)
    trained = after.improved.certificate
    assert not trained.is_proof and not after.is_proof
    assert after.lower_bound == trained.lower_bound
    assert 0 < trained.proved_lower_bound <= after.proved_lower_bound < after.lower_bound


@pytest.mark.parametrize(("proved", "is_proof"), [(0.5, False), (0.8985, True), (0.95, True)])
def test_a_proof_is_preferred_to_an_estimate_that_is_hardly_larger(proved, is_proof):
    own = Certificate(1.0, 0.2, "global", "relaxation", True, 0.2)
    trained = Certificate(0.9, 0.899, "global", "search", False, proved)
    for one, other in [
        (own, trained),
        (replace(trained, objective=1.0), replace(own, objective=0.9)),
    ]:
        best = sharpest(one, other, 1e-3)
        assert (best.objective, best.is_proof, best.proved_lower_bound) == (1.0, is_proof, proved)
        assert best.lower_bound == (proved if is_proof else 0.899)


# The dual point


@cache
def nearly_optimal():
    """A network of slightly too large an objective, by noise on the weights of the best one."""
    inputs, targets = reference.teacher(20, 2, 3, 0.2, 1)
    best = train(TrainingProblem(inputs, targets, 0.01), tol=1e-5, random_state=0)
    noise = np.random.default_rng(0)
    shaken = replace(
        best.network,
        hidden_weights=best.network.hidden_weights
        + 0.03 * noise.standard_normal(best.network.hidden_weights.shape),
    )
    return inputs, targets, best.certificate, shaken


def test_the_gap_is_the_distance_to_the_optimum_not_the_quality_of_the_residual():
    inputs, targets, best, network = nearly_optimal()
    options = {"alpha": 0.01, "random_state": 0}
    trained = certify(network, inputs, targets, **options)
    own = certify(network, inputs, targets, bound="residual", **options)
    expected = TrainingProblem(inputs, targets, 0.01).objective(network)
    assert trained.objective == own.objective == pytest.approx(expected, rel=1e-12)
    gap = 1 - best.objective / trained.objective  # true, within 1e-5
    assert 0 < gap < 0.1 and own.relative_gap > 2 * gap  # the residual says little
    assert gap - 1e-12 <= trained.relative_gap <= gap + 1e-3
    assert trained.lower_bound <= best.objective
    assert trained.improved is None and own.improved is None
    improved = certify(network, inputs, targets, improve=True, **options)
    assert improved == replace(trained, improved=improved.improved)
    exact = certify(network, inputs, targets, arithmetic="rational", **options)
    assert exact.arithmetic == "rational" and exact.lower_bound <= best.objective
    assert exact.relative_gap <= gap + 2e-3  # of a network that is within 1e-3 of the optimum


def test_without_time_the_bound_holds():
    inputs, targets, best, network = nearly_optimal()
    for bound in ("trained", "residual"):
        certificate = certify(network, inputs, targets, alpha=0.01, bound=bound, time_limit=0)
        assert certificate.is_proof and 0 <= certificate.lower_bound <= best.objective


# What it prints


@pytest.mark.parametrize("is_proof", [True, False])
def test_str_says_what_is_proved(is_proof):
    certificate = Certificate(2.0, 1.0, "global", "method", is_proof, 0.5)
    found = {"cell_lower_bound": 1.5, "n_dead": 3, "n_linear": 2, "n_mixed": 7}
    text = str(NetworkCertificate(**vars(certificate), **found))
    first, cell, units = text.split("\n")
    assert first == str(certificate)
    assert cell == "within its activation cell, the bound allows 25 %: lower bound 1.5"
    assert units == "units: 3 dead, 2 linear, 7 mixed"
    assert not re.search("certified|exact|global optimum|optimal|proved by", text)
    at_its_best = NetworkCertificate(**vars(certificate), **found | {"cell_lower_bound": 1.9999})
    assert "within 0.005 % of the optimum of its activation cell (proved)" in str(at_its_best)
    assert "activation cell" in at_its_best._repr_html_() and "3 dead" in at_its_best._repr_html_()


def test_str_says_what_became_of_it():
    certificate = certify(
        random_network(np.random.default_rng(0)), X, Y, alpha=ALPHA, improve=True, random_state=0
    )
    assert str(certificate).endswith(f"\nimproved: {certificate.improved.certificate}")
    assert "improved" not in repr(certificate)


def test_numbers_are_plain():
    certificate = certify(random_network(np.random.default_rng(0)), X, Y, alpha=ALPHA)
    assert isinstance(certificate, Certificate)
    for name in ("objective", "lower_bound", "cell_lower_bound", "cell_gap"):
        assert type(getattr(certificate, name)) is float
    for name in ("n_dead", "n_linear", "n_mixed"):
        assert type(getattr(certificate, name)) is int


# Networks from anywhere


@pytest.mark.parametrize("bias", [True, False])
def test_torch_modules_are_certified_like_their_weights(bias):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 5, bias=bias), nn.ReLU(), nn.Linear(5, 1, bias=bias))
    from_module = certify(module, X, Y, alpha=ALPHA)
    assert from_module == certify(TwoLayerNetwork.from_torch(module), X, Y, alpha=ALPHA)
    with torch.no_grad():
        fitted = module(torch.tensor(X, dtype=torch.float32))[:, 0].double().numpy()
        penalty = sum(
            float((p.double() ** 2).sum()) for n, p in module.named_parameters() if n != "2.bias"
        )
    expected = 0.5 * np.mean((fitted - Y) ** 2) + 0.5 * ALPHA * penalty
    assert from_module.objective == pytest.approx(expected, rel=1e-5)  # a float32 forward pass


def test_networks_that_the_problem_forbids():
    rng = np.random.default_rng(0)
    for network, options, problem in [
        (random_network(rng), {"hidden_bias": False}, "hidden bias"),
        (random_network(rng), {"fit_intercept": False}, "output intercept"),
        (random_network(rng, d=3), {}, "3 features"),
        (TwoLayerNetwork(np.ones((1, 2)), [0.0], [[1.0], [1.0]], [0.0, 0.0]), {}, "2 outputs"),
    ]:
        with pytest.raises(ValueError, match=f"network_or_module.*{problem}"):
            certify(network, X, Y, alpha=ALPHA, **options)


def test_bad_arguments_are_named():
    network = random_network(np.random.default_rng(0))
    for change, name in [
        ({"alpha": -1.0}, "alpha"),
        ({"oracle": "guess"}, "oracle"),
        ({"loss": "guess"}, "loss"),
        ({"solver": "guess"}, "solver"),
        ({"solver": None}, "solver"),
        ({"solver": "fista"}, "solver"),
        ({"bound": "guess"}, "bound"),
        ({"tol": -1.0}, "tol"),
        ({"tol": "1"}, "tol"),
        ({"time_limit": -1.0}, "time_limit"),
        ({"time_limit": np.nan}, "time_limit"),
        ({"sample_weight": [1.0]}, "sample_weight"),
    ]:
        with pytest.raises(ValueError, match=f"^{name}"):
            certify(network, X, Y, **({"alpha": ALPHA} | change))
    with pytest.raises(ValueError, match="module is made of"):
        certify(nn.Linear(2, 1), X, Y, alpha=ALPHA)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_predictions_of_scikit_learns_networks_are_kept(n_outputs):
    targets = np.column_stack([Y * (k + 1) for k in range(n_outputs)]).squeeze()
    regressor = MLPRegressor(hidden_layer_sizes=(6,), solver="lbfgs", random_state=0)
    regressor.fit(X, targets)
    network = TwoLayerNetwork.from_sklearn(regressor)
    assert (network.width, network.n_features, network.n_outputs) == (6, 2, n_outputs)
    inputs = np.random.default_rng(0).standard_normal((50, 2))
    np.testing.assert_allclose(network.predict(inputs), regressor.predict(inputs), rtol=1e-12)


def test_scikit_learns_alpha_is_n_times_ours():
    """Without hidden biases, which only this package penalises, its loss is the objective."""
    regressor = MLPRegressor(
        hidden_layer_sizes=6, solver="lbfgs", alpha=7 * ALPHA, max_iter=2000, random_state=0
    ).fit(X, Y)
    certificate = certify(regressor, X, Y, alpha=ALPHA, tol=1e-5)
    unpenalised = 0.5 * ALPHA * np.sum(np.square(regressor.intercepts_[0]))
    assert certificate.objective - unpenalised == pytest.approx(regressor.loss_, rel=1e-9)
    network = TwoLayerNetwork.from_sklearn(regressor)
    assert certificate == certify(network, X, Y, alpha=ALPHA, tol=1e-5)


def test_estimators_of_this_package_are_certified_by_their_network():
    model = ConvexReLURegressor(alpha=ALPHA, random_state=0).fit(X, Y)
    assert certify(model, X, Y, alpha=ALPHA) == certify(model.network_, X, Y, alpha=ALPHA)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimators_that_are_no_such_network():
    fit = {"max_iter": 1, "random_state": 0}
    strange = MLPRegressor(**fit).fit(X, Y)
    strange.out_activation_, strange.loss = "cube", "cubic"
    for regressor, complaint in [
        (MLPRegressor(hidden_layer_sizes=(3, 2), **fit).fit(X, Y), "hidden_layer_sizes"),
        (MLPRegressor(hidden_layer_sizes=(), **fit).fit(X, Y), "hidden_layer_sizes"),
        (MLPRegressor(activation="tanh", **fit).fit(X, Y), "activation='tanh'"),
        (strange, "loss='cubic'"),
        (LinearRegression().fit(X, Y), "LinearRegression, expected an MLPRegressor"),
        (MLPRegressor(), "not fitted"),
    ]:
        with pytest.raises(ValueError, match=complaint):
            TwoLayerNetwork.from_sklearn(regressor)
        with pytest.raises(ValueError, match=f"^network_or_module.*{complaint}"):
            certify(regressor, X, Y, alpha=ALPHA)
    with pytest.raises(NotFittedError):
        TwoLayerNetwork.from_sklearn(MLPRegressor())


class Net:
    """What skorch's nets have, without skorch."""

    def __init__(self, module):
        self.module = module

    def get_params(self):
        return {"module": self.module}

    def fit(self, X, y):
        self.module_ = self.module
        return self


def test_estimators_that_are_not_fitted_are_named():
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    for estimator, name in [
        (ConvexReLURegressor(), "ConvexReLURegressor"),
        (MLPClassifier(), "MLPClassifier"),
        (make_pipeline(StandardScaler(), MLPRegressor()), "MLPRegressor"),
        (Net(module), "Net"),
        (make_pipeline(StandardScaler().fit(X), Net(module)), "Net"),
    ]:
        with pytest.raises(NotFittedError, match=f"network_or_module: {name} is not fitted"):
            certify(estimator, X, Y, alpha=ALPHA)
    with pytest.raises(ValueError, match="network_or_module is a Pipeline that ends with no"):
        certify(make_pipeline(StandardScaler(), "passthrough"), X, Y, alpha=ALPHA)


def test_pipelines_see_transformed_inputs():
    inputs = StandardScaler().fit_transform(X)
    options = {"alpha": ALPHA, "bound": "residual"}
    for last in (ConvexReLURegressor(alpha=ALPHA, random_state=0), small_mlp(MLPRegressor)):
        pipeline = make_pipeline(StandardScaler(), last).fit(X, Y)
        expected = certify(pipeline[-1], inputs, Y, **options)
        assert certify(pipeline, X, Y, **options) == expected
        assert certify(make_pipeline(pipeline), X, Y, **options) == expected
        assert certify(make_pipeline(pipeline[-1]), inputs, Y, **options) == expected


def test_skorch_nets_are_their_modules():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    expected = certify(module, X, Y, alpha=ALPHA, bound="residual")
    assert certify(Net(module).fit(X, Y), X, Y, alpha=ALPHA, bound="residual") == expected


# Output activations of scikit-learn: the loss at the network's outputs is that of the predictions


def small_mlp(kind, **options):
    return kind(hidden_layer_sizes=[4], solver="lbfgs", max_iter=3000, random_state=0, **options)


@pytest.mark.parametrize("labels", [("no", "yes"), (0, 1), (-1, 1)])
def test_classifiers_of_two_classes(labels):
    names = np.where(Y > 0, labels[1], labels[0])
    classifier = small_mlp(MLPClassifier, alpha=0.1).fit(X, names)
    y = np.where(Y > 0, 1.0, -1.0)
    options = {"alpha": ALPHA, "loss": "logistic", "bound": "residual"}
    certificate = certify(classifier, X, names, **options)
    network = TwoLayerNetwork.from_sklearn(classifier)
    chance = classifier.predict_proba(X)[np.arange(len(X)), (y > 0).astype(int)]
    expected = -np.log(chance).mean() + ALPHA * network.penalty()
    assert certificate.objective == pytest.approx(expected, rel=1e-9)
    assert certificate == certify(network, X, y, **options)


def test_classifiers_of_several_classes():
    names = np.array(["a", "b", "c"])[np.arange(7) % 3]
    classifier = small_mlp(MLPClassifier, alpha=0.1).fit(X, names)
    options = {"loss": "multinomial", "bound": "residual", "random_state": 0}
    certificate = certify(classifier, X, names, alpha=ALPHA, **options)
    network = TwoLayerNetwork.from_sklearn(classifier)
    chance = classifier.predict_proba(X)[np.arange(7), np.arange(7) % 3]
    expected = -np.log(chance).mean() + ALPHA * network.penalty()
    assert certificate.objective == pytest.approx(expected, rel=1e-9)
    assert certificate.lower_bound <= certificate.objective


def test_our_classifiers_take_their_labels():
    names = np.where(Y > 0, "yes", "no")
    model = ConvexReLUClassifier(alpha=ALPHA, random_state=0).fit(X, names)
    certificate = certify(model, X, names, alpha=ALPHA, loss="logistic", bound="residual")
    assert certificate.objective == pytest.approx(model.certificate_.objective, rel=1e-12)


def test_regressors_of_logarithms():
    counts = np.round(np.exp(Y))
    regressor = small_mlp(MLPRegressor, loss="poisson", alpha=0.1).fit(X, counts)
    network = TwoLayerNetwork.from_sklearn(regressor)
    np.testing.assert_allclose(np.exp(network.predict(X)), regressor.predict(X), rtol=1e-9)
    certificate = certify(regressor, X, counts, alpha=ALPHA, loss="poisson", bound="residual")
    expected = 0.5 * mean_poisson_deviance(counts, regressor.predict(X)) + ALPHA * network.penalty()
    assert certificate.objective == pytest.approx(expected, rel=1e-9)


def test_other_links_than_the_estimators_are_seen():
    for targets in (Y > 0, np.arange(7) % 3):
        model = small_mlp(MLPClassifier, alpha=0.1).fit(X, targets)
        model.predict_proba = lambda X, f=model.predict_proba: f(X) ** 1.001
        with pytest.raises(ValueError, match="classifier is another function"):
            TwoLayerNetwork.from_sklearn(model, X)
    model = small_mlp(MLPRegressor, loss="poisson", alpha=0.1).fit(X, np.exp(Y))
    model.predict = lambda X, f=model.predict: f(X) * (1 + 1e-6)
    with pytest.raises(ValueError, match="regressor is another function"):
        TwoLayerNetwork.from_sklearn(model, X)


def test_regressors_of_several_outputs():
    targets = np.column_stack([Y, -2 * Y])
    regressor = small_mlp(MLPRegressor).fit(X, targets)
    certificate = certify(regressor, X, targets, alpha=ALPHA, bound="residual", random_state=0)
    network = TwoLayerNetwork.from_sklearn(regressor)
    loss = 0.5 * np.square(regressor.predict(X) - targets).sum(axis=1).mean()
    assert certificate.objective == pytest.approx(loss + ALPHA * network.penalty(), rel=1e-9)


def test_gated_networks_have_no_such_certificate():
    gated = ConvexReLURegressor(
        alpha=ALPHA, activation="gated_relu", patterns="sampled", random_state=0
    ).fit(X, Y)
    with pytest.raises(ValueError, match="network_or_module"):
        certify(gated, X, Y, alpha=ALPHA)


def test_skip_connections_are_certified_or_refused():
    problem = TrainingProblem(X, Y, ALPHA, skip=True, skip_alpha=0.1)
    result = train(problem, tol=1e-6, random_state=0)
    certificate = certify(result.network, X, Y, alpha=ALPHA, skip=True, skip_alpha=0.1)
    assert certificate.objective == pytest.approx(result.certificate.objective, rel=1e-12)
    assert certificate.is_proof and certificate.relative_gap <= 1e-3
    empty = TwoLayerNetwork.constant(X.shape[1])
    parts = (empty.hidden_weights, empty.hidden_bias, empty.output_weights, empty.output_bias)
    line = TwoLayerNetwork(*parts, skip_weights=np.ones((1, X.shape[1])))
    with pytest.raises(ValueError, match="skip"):
        certify(line, X, Y, alpha=ALPHA)
    with pytest.raises(ValueError, match="start"):
        train(TrainingProblem(X, Y, ALPHA), start=line)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("slope", [0.0, 0.1, -1.0])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_one_pass_finds_objective_outputs_and_kinds_of_units(sparse, slope, offset):
    rng = np.random.default_rng(3)
    inputs = rng.standard_normal((300, 2)) + offset * (not sparse)
    weights = rng.standard_normal((500, 2))  # more than one chunk of rows
    kinks = rng.uniform(-0.5, 0.5, 500)
    kinks[:3], kinks[3:8] = -10.0, 10.0  # never and always active
    biases = kinks * np.linalg.norm(weights, axis=1) - weights @ inputs.mean(axis=0)
    network = TwoLayerNetwork(
        weights,
        biases,
        rng.standard_normal((2, 500)),
        [1.0, 2.0],
        skip_weights=rng.standard_normal((2, 2)) if slope else None,
        negative_slope=slope,
    )
    problem = TrainingProblem(
        csr_array(inputs) if sparse else inputs,
        rng.standard_normal((300, 2)),
        ALPHA,
        activation={0.0: "relu", 0.1: "leaky_relu", -1.0: "absolute_value"}[slope],
        negative_slope=0.1,
        skip=bool(slope),
        skip_alpha=0.1 if slope else 0.0,
    )
    found = Evaluation.of(network, problem)
    assert found.objective == pytest.approx(problem.objective(network), rel=1e-12)
    size = np.abs(network.predict(inputs)).max() * (1 + offset)
    np.testing.assert_allclose(found.outputs, network.predict(inputs), rtol=0, atol=1e-9 * size)
    expected = (3, 5, 492) if slope == 0.0 else (0, 8, 492)
    assert (found.n_dead, found.n_linear, found.n_mixed) == expected
