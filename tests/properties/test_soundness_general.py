"""No bound that is called proved is above the optimum, whatever the loss, activation, outputs and biases."""

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork, certify, train
from convexrelu.losses import LOSSES, WeightedOutputs
from tests import reference

CASES = 12  # benchmarks.soundness draws thousands


def random_case(seed):
    """Options of a random tiny problem, with targets for its loss."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(4, 9)), int(rng.integers(1, 3))
    X = rng.standard_normal((n, d)) * 10.0 ** rng.integers(-2, 3)
    if rng.random() < 0.3:
        X[0] = X[1]  # twice the same inputs
    loss = rng.choice([*reference.LOSSES, "multinomial"])
    y = rng.standard_normal(n)
    if loss == "poisson":
        y = rng.poisson(2.0, n).astype(float)
        y[0] = 1.0
    if loss in ("logistic", "hinge", "squared_hinge"):
        y = np.where(np.arange(n) % 2, 1.0, -1.0)
    if loss == "multinomial":
        y = (np.arange(n) % 3).astype(float)
    elif loss not in ("logistic", "hinge", "squared_hinge", "poisson") and rng.random() < 0.4:
        y = np.column_stack([y, rng.standard_normal(n)])
    hidden_bias = [True, False, "free"][rng.integers(3)]
    options = {
        "loss": str(loss),
        "activation": str(rng.choice(["relu", "leaky_relu", "absolute_value"])),
        "hidden_bias": hidden_bias,
        "fit_intercept": hidden_bias == "free" or bool(rng.integers(2)),
        "sample_weight": rng.uniform(0.1, 3.0, n) if rng.random() < 0.5 else None,
    }
    return X, y, float(10 ** rng.uniform(-3, -0.5)), options, rng


def random_network(problem, rng):
    m, k = int(rng.integers(0, 4)), problem.n_outputs
    bias = rng.standard_normal(m) * bool(problem.hidden_bias)
    return TwoLayerNetwork(
        rng.standard_normal((m, problem.n_features)),
        bias,
        0.3 * rng.standard_normal((k, m)),
        rng.standard_normal(k) * problem.fit_intercept,
        negative_slope=problem.slope,
    )


@pytest.mark.parametrize("seed", range(CASES))
@pytest.mark.filterwarnings("ignore::convexrelu.SolverWarning")
def test_proved_bounds_are_below_the_best_objective(seed):
    X, y, alpha, options, rng = random_case(seed)
    problem = TrainingProblem(X, y, alpha, **options)
    result = train(problem, tol=1e-5, max_iter=12, random_state=0)
    best = result.certificate.objective
    expected = reference.regularised_loss(
        result.network,
        X,
        y,
        alpha,
        loss=options["loss"],
        free_bias=problem.free_bias,
        weights=options["sample_weight"],
    )
    assert best == pytest.approx(expected, rel=1e-10)
    assert result.certificate.lower_bound <= best * (1 + 1e-12)
    bounds = [entry.lower_bound for entry in result.history if entry.is_proof]
    for bound in ("residual", "trained", "residual"):
        network = random_network(problem, rng)
        certificate = certify(network, X, y, alpha=alpha, bound=bound, **options)
        bounds += [certificate.proved_lower_bound]
        assert certificate.cell_lower_bound <= certificate.objective * (1 + 1e-12)
        if certificate.is_proof:
            bounds += [certificate.lower_bound]
    assert max(bounds) <= best * (1 + 1e-9)
    if result.certificate.is_proof:  # otherwise the test would say nothing
        assert result.certificate.relative_gap <= 2e-2


@pytest.mark.parametrize("seed", [910087])
@pytest.mark.filterwarnings("ignore::convexrelu.SolverWarning")
def test_cuts_reach_the_program_of_several_outputs(seed):
    """Best outer weights of the neurons that are there gained next to nothing, and left the cuts out."""
    X, y, alpha, options, _ = random_case(seed)
    problem = TrainingProblem(X, y, alpha, **options)
    result = train(problem, tol=1e-2, random_state=0)
    assert result.certificate.relative_gap <= 1e-2


@pytest.mark.filterwarnings("ignore::convexrelu.SolverWarning")
def test_a_solver_that_ends_above_its_start_is_not_the_last():
    X, y, alpha, options, _ = random_case(3019)
    problem = TrainingProblem(X, y, alpha, **options)
    result = train(problem, tol=3e-2, max_iter=6, random_state=0)
    assert result.certificate.relative_gap <= 3e-2


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.filterwarnings("ignore::convexrelu.SolverWarning")
def test_proved_bounds_of_weighted_outputs_and_of_labels(seed):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(4, 9)), int(rng.integers(2, 4))
    X, y = rng.standard_normal((n, 1)), 10.0 ** rng.integers(-6, 6) * rng.standard_normal((n, k))
    weights, size = np.clip(rng.uniform(-0.5, 1.5, (n, k)), 0.0, 1.0), float(np.abs(y).mean())
    weights[0] = 1.0
    name = ["squared_error", "absolute_error", "logistic", "hinge"][seed % 4]
    alpha = 0.03 * size if name == "squared_error" else 0.03
    if name in ("logistic", "hinge"):
        loss, weights = name, np.ones((n, k))
        y = np.sign(y)
        y[0], y[1] = 1.0, -1.0
        targets = y
    else:
        loss = WeightedOutputs(LOSSES[name]())
        targets = loss.targets(y, weights)
    problem = TrainingProblem(X, targets, alpha, loss=loss, hidden_bias=bool(seed % 3))
    result = train(problem, random_state=0)
    network, best = result.network, result.certificate.objective
    losses = weights * reference.LOSSES[name](network.predict(X), y)
    parts = network.hidden_weights, network.hidden_bias, network.output_weights
    expected = losses.sum() / n + alpha / 2 * sum((part**2).sum() for part in parts)
    assert best == pytest.approx(expected, rel=1e-9)
    assert result.certificate.is_proof
    assert best * (1 - 2e-3) <= result.certificate.lower_bound <= best * (1 + 1e-12)
    for _ in range(2):
        other = random_network(problem, rng)
        options = {"loss": loss, "hidden_bias": problem.hidden_bias, "bound": "residual"}
        certificate = certify(other, X, targets, alpha=alpha, **options)
        assert certificate.proved_lower_bound <= best * (1 + 1e-9)
        assert result.certificate.lower_bound <= certificate.objective
