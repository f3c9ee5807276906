from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.derivatives import DerivativeProblem, DerivativeRows, train_with_derivatives
from convexrelu.derivatives.pricing import CellSearch, all_cells, relaxed_bound, swept_bound
from convexrelu.patterns.cell_centre import cell_centre
from convexrelu.patterns.cone_projection import ConeProjector
from tests.derivatives import brute_force


def case(seed):
    """A tiny problem in one or two dimensions, with points that are samples as well."""
    rng = np.random.default_rng(seed)
    d = 1 + seed % 2
    X, y = rng.standard_normal((3, d)), rng.standard_normal(3)
    points = np.vstack([X[:1], rng.standard_normal((2, d))])
    p, q, g = rng.standard_normal((3, d)), rng.standard_normal(3), rng.standard_normal(3)
    return X, y, DerivativeRows(points, p, q, g, weight=0.6)


def listed(rows):
    share = rows.weight / len(rows)
    fields = zip(rows.points, rows.gradient, rows.value, rows.target, strict=True)
    return [(*field, share) for field in fields]


@pytest.mark.parametrize(
    ("seed", "hidden_bias", "intercept"),
    [(0, True, True), (1, True, False), (3, False, True), (5, True, True)],
)
def test_the_optimum_is_that_of_the_program_over_all_patterns(seed, hidden_bias, intercept):
    X, y, rows = case(seed)
    alpha = 0.02
    result = train_with_derivatives(
        X,
        y,
        alpha,
        rows,
        hidden_bias=hidden_bias,
        fit_intercept=intercept,
        random_state=0,
        tol=1e-7,
    )
    expected = brute_force.optimum(
        X, y, alpha, listed(rows), hidden_bias=hidden_bias, intercept=intercept
    )
    certificate = result.certificate
    assert certificate.is_proof and certificate.relative_gap <= 1e-6
    # Solver's accuracy, and the 1e-9 by which neurons are moved off kinks.
    assert certificate.objective == pytest.approx(expected, rel=1e-6)
    assert certificate.lower_bound <= expected * (1 + 1e-8)


@pytest.fixture(scope="module")
def transport():
    rng = np.random.default_rng(1)
    X = np.column_stack([np.linspace(-1, 1, 6), np.zeros(6)])
    rows = DerivativeRows(rng.uniform(-1, 1, (12, 2)), gradient=[0.5, 1.0])
    problem = DerivativeProblem(X, np.abs(X[:, 0]), 1e-2, rows)
    result = train_with_derivatives(X, np.abs(X[:, 0]), 1e-2, rows, random_state=0, tol=1e-7)
    return problem, result


def test_the_objective_is_that_of_the_network_recomputed_by_finite_differences(transport):
    problem, result = transport
    network, rows = result.network, problem.rows[0]
    step = 1e-7 * rows.gradient  # below the distance of kinks from most points, ...
    ahead, behind = network.predict(rows.points + step), network.predict(rows.points - step)
    central = (ahead - behind) / 2e-7
    residuals = problem.outputs(network)[len(problem.X) :]
    distance = np.abs(network.hidden_weights @ rows.points.T + network.hidden_bias[:, None])
    smooth = (distance > 1e-5 * np.abs(network.hidden_weights).max()).all(axis=0)
    assert smooth.sum() > 3  # ... where they can be compared
    np.testing.assert_allclose(central[smooth], residuals[smooth], atol=1e-6)
    error = np.mean((network.predict(problem.X) - problem.y) ** 2) + np.mean(residuals**2)
    assert result.certificate.objective == pytest.approx(
        error / 2 + problem.alpha * network.penalty(), rel=1e-12
    )


def test_derivatives_exist_at_all_points(transport):
    problem, result = transport
    points = problem.rows[0].points
    network = result.network.balance()
    margins = np.abs(points @ network.hidden_weights.T + network.hidden_bias)
    assert (margins > 1e-10 * np.linalg.norm(network.augmented_weights(), axis=1)).all()


def test_optimality_conditions(transport):
    """M(v) = alpha, attained by every neuron, as complementary slackness wants."""
    problem, result = transport
    network = result.network
    v = problem.dual_point(problem.outputs(network))
    cells, complete = all_cells(problem, np.inf, np.inf)
    assert complete
    # The dual point of the network is off by as much as it was moved off kinks, times the derivatives.
    assert cells(v).bound == pytest.approx(problem.alpha, rel=1e-4)
    directions = network.augmented_weights() * np.abs(network.output_weights.T)
    active = problem.gates @ directions.T > 0
    gains = ((v[:, None] * problem.values) @ directions.T * active).sum(axis=0)
    lengths = np.linalg.norm(directions, axis=1)
    large = lengths > 1e-3 * lengths.max()
    signs = np.sign(network.output_weights[0])
    np.testing.assert_allclose((signs * gains / lengths)[large], problem.alpha, rtol=1e-3)
    assert problem.constant @ v == pytest.approx(0.0, abs=1e-12)


def test_no_network_is_below_the_proved_bounds(transport):
    problem, result = transport
    searched = train_with_derivatives(
        problem.X, problem.y, problem.alpha, list(problem.rows), pricing="search", random_state=0
    )
    assert not searched.certificate.is_proof
    assert searched.certificate.proved_lower_bound <= result.certificate.objective
    assert searched.certificate.objective >= result.certificate.lower_bound
    v = problem.dual_point(problem.outputs(searched.network))
    closed_form = problem.lower_bound(v, relaxed_bound(problem, v))
    assert searched.certificate.proved_lower_bound > 1.05 * closed_form  # that of the sweep
    rng = np.random.default_rng(0)
    for _ in range(200):
        w, b, a = rng.standard_normal((4, 2)), rng.standard_normal(4), rng.standard_normal((1, 4))
        b[0] = -w[0] @ problem.rows[0].points[0]  # a kink at a point
        network = TwoLayerNetwork(w, b, rng.uniform(0, 1) * a, [0.5])
        assert problem.objective(network) >= result.certificate.lower_bound


def test_bounds_on_the_dual_norm_hold_for_every_gate_at_kinks():
    """Directions through points, with the gates on both sides: never above a bound."""
    X, y, rows = case(1)
    problem = DerivativeProblem(X, y, 0.1, rows)
    rng = np.random.default_rng(2)
    cells, complete = all_cells(problem, np.inf, np.inf)
    search = CellSearch(problem, 50, np.random.RandomState(0))
    assert complete
    for _ in range(5):
        v = rng.standard_normal(len(problem.gates))
        exact, relaxed, found = cells(v).bound, relaxed_bound(problem, v), search(v)
        assert found.bound <= exact * (1 + 1e-9) and exact <= relaxed
        assert exact * (1 - 1e-12) <= swept_bound(problem, v, np.inf) <= relaxed * (1 + 1e-12)
        assert found.bound == pytest.approx(exact, rel=1e-9)  # few cells, many starts
        for u in rng.standard_normal((200, 3)):
            z = problem.gates[len(X) + rng.integers(3)]
            u = u - z * (u @ z) / (z @ z)
            for shift in (1e-9, -1e-9):  # from inside of the cells on both sides
                active = problem.gates @ (u + shift * z) > 0
                value = abs((v * active) @ problem.values @ u) / np.linalg.norm(u)
                assert value <= exact * (1 + 1e-9)


def test_patterns_of_a_search_exist_where_points_are_repeated():
    """Gradients repeat every point, once as a sample, too: rows on one hyperplane are crossed together."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((8, 3))
    rows = DerivativeRows.gradients(X, rng.standard_normal((8, 3)))
    problem = DerivativeProblem(X, rng.standard_normal(8), 0.1, rows)
    report = CellSearch(problem, 20, np.random.RandomState(0))(rng.standard_normal(32))
    assert len(report.masks) > 10
    for mask in report.masks:
        assert cell_centre(problem.gates, mask) is not None


def test_a_jump_that_only_a_kink_at_the_point_allows():
    """``f' = 1`` at 0 and ``f = 0`` at −1 and 0: the best kink is just left of the point 0, as near as can be."""
    rows = DerivativeRows([[0.0]], gradient=[1.0], target=1.0, weight=1.0)
    X, y = [[-1.0], [0.0]], [0.0, 0.0]
    result = train_with_derivatives(X, y, 1e-4, rows, random_state=0)
    expected = brute_force.optimum(np.array(X), y, 1e-4, listed(rows))
    assert result.certificate.is_proof
    assert result.certificate.objective == pytest.approx(expected, rel=1e-5)


def test_without_weight_the_fit_is_that_of_train():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((8, 2)), rng.standard_normal(8)
    nothing = DerivativeRows(X, gradient=[1.0, 0.0], weight=0.0)
    ours = train_with_derivatives(X, y, 1e-2, nothing, tol=1e-7, random_state=0)
    plain = train(TrainingProblem(X, y, alpha=1e-2), tol=1e-6, random_state=0)
    assert ours.certificate.objective == pytest.approx(plain.certificate.objective, rel=1e-5)


def test_gradient_matching_finds_the_function():
    """A fold is known from two values and its gradients."""
    points = np.linspace(-1, 1, 10)[:, None]
    rows = DerivativeRows.gradients(points, np.sign(points))
    result = train_with_derivatives([[-1.0], [1.0]], [1.0, 1.0], 1e-6, rows, random_state=0)
    inside = np.array([[-0.8], [0.5], [0.9]])
    np.testing.assert_allclose(result.network.predict(inside), np.abs(inside[:, 0]), atol=1e-3)


def test_start_is_never_worsened():
    X, y, rows = case(0)
    problem = DerivativeProblem(X, y, 0.02, rows)
    good = train_with_derivatives(X, y, 0.02, rows, random_state=0).network
    result = train_with_derivatives(X, y, 0.02, rows, start=good, max_iter=1, random_state=0)
    assert result.certificate.objective <= problem.objective(good) * (1 + 1e-12)


def test_a_large_penalty_leaves_a_constant():
    X, y, rows = case(1)
    result = train_with_derivatives(X, y, 1e3, rows, random_state=0)
    assert result.network.width == 0 and result.certificate.is_proof
    assert result.certificate.relative_gap < 1e-12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 0.0}, "alpha=0.0 is not a positive finite number"),
        ({"y": [1.0]}, "y has shape"),
        ({"rows": "decay"}, "rows has str, expected DerivativeRows"),
        ({"rows": DerivativeRows([[0.0, 0.0]], [1.0, 0.0])}, "rows has points with 2 features"),
        ({"pricing": "guess"}, "pricing='guess' is not known"),
        ({"start": TwoLayerNetwork.constant(2)}, "start does not fit"),
        ({"hidden_bias": False, "rows": DerivativeRows([[0.0]], [1.0])}, "has the origin among"),
        ({"fit_intercept": 2}, "fit_intercept=2 is not True or False"),
    ],
)
def test_errors_name_the_argument(arguments, message):
    given = {
        "X": [[0.0], [1.0]],
        "y": [0.0, 1.0],
        "alpha": 0.1,
        "rows": DerivativeRows([[0.5]], [1.0]),
    }
    with pytest.raises(ValueError, match=message):
        train_with_derivatives(**given | arguments)


def test_lower_bounds_are_rounded_down_where_targets_are_far_from_zero():
    """Against fractions: the dual value at a feasible point, with an intercept of 1e8."""
    rows = DerivativeRows([[0.5], [0.7]], gradient=[1.0])
    plain = DerivativeProblem([[0.0], [1.0]], [0.0, 1.0], 0.1, rows)
    far = DerivativeProblem([[0.0], [1.0]], [1e8, 1e8 + 1.0], 0.1, rows)
    v = plain.dual_point(np.zeros(4))
    bound = relaxed_bound(plain, v)
    assert 0 < far.lower_bound(v, bound) < plain.lower_bound(v, bound)
    assert far.lower_bound(v, bound) == pytest.approx(plain.lower_bound(v, bound), rel=1e-4)


@pytest.mark.parametrize("limit", [0.0, 0.01, 0.05])
@pytest.mark.parametrize("shape", [(60, 4), (8, 200)])
def test_what_is_left_when_time_is_up_is_valid(limit, shape):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal(shape), rng.standard_normal(shape[0])
    rows = DerivativeRows(X[:5], np.eye(shape[1])[0], 1.0)
    result = train_with_derivatives(X, y, 0.1, rows, time_limit=limit, random_state=0)
    problem = DerivativeProblem(X, y, 0.1, rows)
    objective = problem.objective(result.network)
    assert result.certificate.objective == pytest.approx(objective)
    assert 0 <= result.certificate.proved_lower_bound <= objective
    constant = problem.best_constant(np.zeros_like(problem.targets))
    none = TwoLayerNetwork.constant(shape[1]).with_output_bias(constant)
    assert objective <= problem.objective(none) * (1 + 1e-12)


def test_ways_out_of_cells_of_wide_inputs_are_those_of_all_places():
    """Most places for active rows are empty where there are more features than rows; inverses do without them."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((5, 12)), rng.standard_normal(5)
    problem = DerivativeProblem(X, y, 0.1, DerivativeRows(X[:2] + 1.0, np.eye(12)[0]))
    search = CellSearch(problem, 10, np.random.RandomState(0))
    v = problem.dual_point(problem.outputs(TwoLayerNetwork.constant(12)))
    masks = rng.standard_normal((10, 13)) @ problem.gates.T >= 0
    points, across, one = search._project(v, masks, 1.0)
    cones = ConeProjector(torch.from_numpy(problem.gates), torch.from_numpy(masks))
    linear = torch.from_numpy(masks @ (v[:, None] * problem.values))
    index = torch.arange(10)
    assert_allclose(points, cones.project(linear, index, 0.0))
    inverse = np.linalg.pinv(cones.signed(index, cones.rows, cones.held).numpy())
    held, multipliers = cones.held.numpy(), cones.multipliers.numpy()
    most = held & (multipliers == multipliers.max(axis=1, keepdims=True))
    for found, crossed in ((across, held), (one, most)):
        expected = np.einsum("bij,bj->bi", inverse, np.where(crossed, -1.0, 1.0) * held)
        assert held.any(axis=1).all()
        assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("n_whole", [0, 1, 2])
def test_searches_that_time_cut_short_make_no_estimates(monkeypatch, n_whole):
    """The estimate is that of the last whole one, with what was seen since; without one, what is proved."""
    X, y, rows = case(3)
    search, left = CellSearch.__call__, [n_whole]

    def cut_short(self, v, **options):
        report = search(self, v, **options)
        left[0] -= 1
        if left[0] >= 0:
            return report
        kept = {k: getattr(report, k)[:2] for k in ("masks", "signs", "directions", "values")}
        return replace(report, bound=0.0, finished=False, **kept)

    monkeypatch.setattr(CellSearch, "__call__", cut_short)
    options = {"pricing": "search", "tol": 1e-9, "max_iter": 6, "random_state": 0}
    result = train_with_derivatives(X, y, 0.02, rows, **options)
    assert left[0] < 0
    certificate = result.certificate
    assert certificate.lower_bound <= certificate.objective * (1 + 1e-9)
    assert certificate.proved_lower_bound <= certificate.lower_bound
    optimum = brute_force.optimum(X, y, 0.02, listed(rows), hidden_bias=True, intercept=True)
    for entry in result.history:
        assert not entry.is_proof or entry.lower_bound <= optimum * (1 + 1e-6)
    if n_whole == 0:
        assert all(entry.is_proof for entry in result.history)


def test_neurons_count_against_a_search_that_saw_too_little(monkeypatch):
    """By weak duality over its own neurons, no estimate is above a network; the later searches find nothing."""
    X, y, rows = case(3)
    search, calls = CellSearch.__call__, []

    def blind(self, v, **options):
        report = search(self, v, **options)
        calls.append(v)
        if len(calls) == 1:  # cuts, but a value that is too small
            return replace(report, bound=1.2 * 0.02)
        none = {k: getattr(report, k)[:0] for k in ("masks", "signs", "directions", "values")}
        return replace(report, bound=0.0, finished=False, **none)

    monkeypatch.setattr(CellSearch, "__call__", blind)
    options = {"pricing": "search", "tol": 1e-9, "max_iter": 6, "random_state": 0}
    history = train_with_derivatives(X, y, 0.02, rows, **options).history
    estimates = [entry for entry in history if not entry.is_proof]
    assert len(calls) > 1 and len(estimates) > 1
    for entry in estimates:
        assert entry.lower_bound <= entry.objective * (1 + 1e-6)
