"""Free biases on a line: the closed form equals the dense lasso over all kinks, and the general solver."""

import cvxpy as cp
import numpy as np
import pytest

from convexrelu import ConvexReLURegressor, Status, TrainingProblem, train
from convexrelu.closed_forms import closed_form_for, train_on_line
from convexrelu.closed_forms.line import SplineProgram
from convexrelu.losses import LOSSES
from convexrelu.programs import base
from tests import reference


def line_data(seed):
    """One feature, or data of rank one off the origin, with ties and repeated samples."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 16))
    t = rng.standard_normal(n)
    if seed % 3 == 0:
        t[-1] = t[0]
    y = np.sin(2 * t) + 0.3 * rng.standard_normal(n)
    weights = rng.uniform(0.2, 2.0, n) if seed % 2 else None
    X = t[:, None]
    if seed % 4 == 3:
        X = np.outer(t, rng.standard_normal(4)) + 3 * rng.standard_normal(4)
    return X, y, weights, float(10.0 ** rng.uniform(-3, -1))


def positions_of(X):
    centred = X - X.mean(axis=0)
    farthest = centred[np.argmax(np.linalg.norm(centred, axis=1))]
    return centred @ farthest / np.linalg.norm(farthest)


def enumerated_objective(X, y, alpha, weights, loss="squared_error"):
    """The lasso over the ridges with a kink at a sample, as a dense program."""
    t = positions_of(X)
    ridges = np.maximum(np.hstack([t[:, None] - t, t - t[:, None]]), 0.0)
    z, c = cp.Variable(2 * len(t)), cp.Variable()
    s = reference.normalised(weights, len(t))
    fit = LOSSES[loss]().expression(ridges @ z + c, y, s)
    problem = cp.Problem(cp.Minimize(fit + alpha * cp.norm1(z)))
    problem.solve(cp.CLARABEL, tol_gap_rel=1e-11, tol_gap_abs=1e-13, tol_feas=1e-11)
    return problem.value


# The general solver may fall short of that accuracy.
@pytest.mark.filterwarnings("ignore::convexrelu.SolverWarning")
@pytest.mark.parametrize("seed", range(12))  # every kind of data
def test_equals_enumeration_and_the_general_solver(seed):
    X, y, weights, alpha = line_data(seed)
    problem = TrainingProblem(X, y, alpha, hidden_bias="free", sample_weight=weights)
    result = train_on_line(problem, tol=1e-6)
    certificate = result.certificate
    assert certificate.is_proof and certificate.relative_gap <= 1e-6
    own = reference.network_objective(result.network, X, y, alpha, weights, free_bias=True)
    assert own == pytest.approx(certificate.objective, rel=1e-12)
    best = enumerated_objective(X, y, alpha, weights)
    assert own == pytest.approx(best, rel=1e-6)
    assert certificate.lower_bound <= min(own, best * (1 + 1e-8))
    general = train(problem, oracle="sweep", tol=1e-7, random_state=0)
    assert general.network is not result.network
    assert general.certificate.objective == pytest.approx(own, rel=1e-6)


@pytest.mark.parametrize(
    "loss", ["absolute_error", "huber", "quantile", "poisson", "logistic", "hinge", "squared_hinge"]
)
@pytest.mark.parametrize("seed", range(4))
def test_every_loss(loss, seed):
    X, y, weights, alpha = line_data(seed)
    if loss in ("logistic", "hinge", "squared_hinge"):
        y = np.where(y > np.median(y), 1.0, -1.0)
    if loss == "poisson":
        y = np.floor(np.exp(y))
    options = {"hidden_bias": "free", "loss": loss, "sample_weight": weights}
    result = train_on_line(TrainingProblem(X, y, alpha, **options), tol=1e-6)
    assert result.certificate.is_proof and result.certificate.relative_gap <= 1e-6
    best = enumerated_objective(X, y, alpha, weights, loss)
    assert result.certificate.objective == pytest.approx(best, rel=1e-6)


def test_several_outputs_share_kinks():
    X, y, _, _ = line_data(1)
    Y = np.column_stack([y, y**2, X[:, 0]])
    problem = TrainingProblem(X, Y, 0.02, hidden_bias="free")
    result = train_on_line(problem, tol=1e-6)
    general = train(problem, oracle="sweep", tol=1e-6, random_state=0)
    assert result.certificate.is_proof and result.certificate.relative_gap <= 1e-6
    assert general.certificate.objective == pytest.approx(result.certificate.objective, rel=2e-6)


def test_has_a_neuron_more_than_the_fit_has_bends_at_most():
    t = np.linspace(-1, 1, 41)
    y = np.interp(t, [-1.0, -0.5, 0.0, 1.0], [0.0, 1.0, 0.0, 0.5])
    problem = TrainingProblem(t[:, None], y, 1e-4, hidden_bias="free")
    network = train_on_line(problem, tol=1e-6).network
    bends = np.abs(np.diff(network.predict(t[:, None]), 2)) > 1e-6
    assert bends.sum() >= 2
    assert network.width <= bends.sum() + 1


def test_large_penalty_leaves_a_constant():
    X, y, _, _ = line_data(2)
    result = train_on_line(TrainingProblem(X, y, 100.0, hidden_bias="free"))
    assert result.network.width == 0
    assert result.certificate.relative_gap <= 1e-12


def test_ten_thousand_samples():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((10_000, 1))
    y = np.sin(3 * X[:, 0]) + 0.3 * rng.standard_normal(10_000)
    result = train_on_line(TrainingProblem(X, y, 1e-3, hidden_bias="free"), tol=1e-6)
    assert result.certificate.is_proof and result.certificate.relative_gap <= 1e-6
    assert result.network.width < 40


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.ones((4, 1)), {}, "is not on a line"),
        (np.eye(4), {}, "is not on a line"),
        (np.arange(4.0)[:, None], {"hidden_bias": True}, "only; use train"),
        (np.arange(4.0)[:, None], {"activation": "leaky_relu"}, "only; use train"),
    ],
)
def test_refuses_other_problems(X, options, message):
    problem = TrainingProblem(X, np.arange(4.0), 0.1, **{"hidden_bias": "free"} | options)
    with pytest.raises(ValueError, match=message):
        train_on_line(problem)
    assert closed_form_for(problem) is None


def test_fit_uses_it():
    X, y, weights, alpha = line_data(5)
    model = ConvexReLURegressor(alpha, hidden_bias="free", tol=1e-6).fit(X, y, weights)
    assert model.n_iter_ == 1 and len(model.history_) == 1
    best = enumerated_objective(X, y, alpha, weights)
    assert model.certificate_.objective == pytest.approx(best, rel=1e-6)


def test_no_time_leads_on_to_cutting_planes(monkeypatch):
    # The solver has a clock of its own, and is never given less than a millisecond: here it is given one step.
    options_of = base.solver_options
    monkeypatch.setattr(base, "solver_options", lambda *args: options_of(*args) | {"max_iter": 1})
    X, y, _, alpha = line_data(4)
    problem = TrainingProblem(X, y, alpha, hidden_bias="free")
    result = train(problem, time_limit=0.0)
    assert result.status is Status.TIME_LIMIT and len(result.history) > 1
    assert result.certificate.is_proof
    assert result.certificate.lower_bound <= enumerated_objective(X, y, alpha, None)


@pytest.mark.parametrize("seed", range(16))
def test_one_feature_with_penalised_biases_equals_enumeration(seed):
    """Not a closed form: rank two, which cutting planes solve with a proof by sweeps."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 8))
    X, y = rng.standard_normal((n, 1)), rng.standard_normal(n)
    alpha = float(10.0 ** rng.uniform(-3, -1))
    certificate = train(TrainingProblem(X, y, alpha), tol=1e-7, random_state=0).certificate
    assert certificate.is_proof and certificate.relative_gap <= 1e-7
    exact = reference.train_exactly(X, y, alpha)
    assert certificate.objective == pytest.approx(exact, rel=1e-6)
    assert certificate.lower_bound <= exact * (1 + 1e-12)


def test_no_network_is_evaluated_without_the_time_for_it(clock, monkeypatch):
    x = np.linspace(-1, 1, 20)[:, None]
    problem = TrainingProblem(x, np.sin(5 * x[:, 0]), 1e-4, hidden_bias="free")
    monkeypatch.setattr("convexrelu._utils.deadlines._PRODUCT", 1.0)  # seconds: nothing fits
    monkeypatch.setattr(SplineProgram, "_of_kinks", None)
    result = train_on_line(problem, time_limit=30.0)
    assert result.network.width == 0
    certificate = result.certificate
    assert certificate.is_proof and 0 < certificate.lower_bound < certificate.objective
    assert certificate.objective == problem.objective(result.network)
