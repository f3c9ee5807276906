import subprocess
import sys

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.baselines import DynamicalLoss, LabelNoise, PathSGD, WaysDownDisplay, descend

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def problem():
    X = np.linspace(-1, 1, 15)[:, None]
    return TrainingProblem(X, np.abs(X[:, 0]) + 0.1 * np.sin(9 * X[:, 0]), 0.01)


@pytest.fixture(scope="module")
def optimum(problem):
    certificate = train(problem, tol=1e-6, random_state=0).certificate
    assert certificate.is_proof
    return certificate


@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "adam", "path_sgd", "gradient_only"])
def test_objective_falls_and_stays_above_the_proved_bound(problem, optimum, optimiser):
    run = descend(problem, 10, optimiser, steps=60, every=30, random_state=0)
    assert list(run.steps) == [0, 30, 60]
    assert run.objectives[-1] < run.objectives[0]
    assert run.objectives.min() >= optimum.lower_bound
    assert run.objectives[-1] == problem.objective(run.network)
    assert (np.diff(run.seconds) >= 0).all()
    assert run.name == optimiser


def test_step_is_that_of_torch(problem):
    start = TwoLayerNetwork([[1.0], [-0.5]], [0.2, 0.3], [[0.7, -0.4]], [0.1])
    run = descend(problem, 2, "sgd", rate=0.1, steps=1, start=start)
    module = start.to_torch().train()
    X, y = torch.tensor(problem.X), torch.tensor(problem.y)
    penalised = [module[0].weight, module[0].bias, module[2].weight]
    loss = 0.5 * (module(X)[:, 0] - y).square().mean()
    loss = loss + 0.5 * problem.alpha * sum(part.square().sum() for part in penalised)
    loss.backward()
    for name in ("hidden_weights", "hidden_bias", "output_weights", "output_bias"):
        layer = module[0] if name.startswith("hidden") else module[2]
        part = layer.weight if name.endswith("weights") else layer.bias
        expected = (part - 0.1 * part.grad).detach().numpy()
        np.testing.assert_allclose(getattr(run.network, name), expected, rtol=1e-12)


@pytest.mark.parametrize("loss", ["logistic", "multinomial"])
def test_losses_and_outputs(loss):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 2))
    labels = rng.integers(0, 3, 12)
    y = labels if loss == "multinomial" else np.where(labels > 0, 1.0, -1.0)
    problem = TrainingProblem(X, y, 0.01, loss=loss, activation="leaky_relu")
    run = descend(problem, 5, steps=40, every=40, random_state=0)
    assert run.objectives[-1] < run.objectives[0]
    assert run.network.negative_slope == 0.01


def test_what_is_not_there_stays_zero():
    problem = TrainingProblem(np.eye(3), np.ones(3), 0.01, hidden_bias=False, fit_intercept=False)
    run = descend(problem, 4, "path_sgd", steps=5, random_state=0)
    assert not run.network.hidden_bias.any()
    assert not run.network.output_bias.any()


def test_seed_decides_all_of_it(problem):
    runs = [
        descend(
            problem, 5, "sgd", steps=10, batch_size=4, schedule=LabelNoise(0.1, random_state=1),
            random_state=2,
        )
        for _ in range(2)
    ]  # fmt: skip
    np.testing.assert_array_equal(runs[0].objectives, runs[1].objectives)


def test_without_decay_only_the_data_fit_falls(problem):
    run = descend(problem, 10, "adam", steps=200, alpha=0.0, random_state=0)
    usual = descend(problem, 10, "adam", steps=200, random_state=0)
    fits = [problem.data_fit(one.network.predict(problem.X)) for one in (run, usual)]
    assert fits[0] < fits[1]


def test_amplitude_of_one_is_the_usual_loss():
    X = np.linspace(-1, 1, 10)[:, None]
    y = np.where(X[:, 0] > 0, 1.0, -1.0)
    problem = TrainingProblem(X, y, 0.01, loss="logistic")
    schedule = DynamicalLoss(y, amplitude=1.0, period=4)
    runs = [
        descend(problem, 4, "sgd", steps=9, schedule=one, random_state=0)
        for one in (None, schedule)
    ]
    np.testing.assert_allclose(runs[0].objectives, runs[1].objectives, rtol=1e-12)


def test_dynamical_loss_emphasises_one_class_after_the_other():
    schedule = DynamicalLoss(["a", "b", "c"], amplitude=5.0, period=10)
    table = np.array([schedule.class_weights(step) for step in range(60)])
    np.testing.assert_allclose(table.sum(axis=1), 3.0)
    assert list(table[[5, 15, 25, 35]].argmax(axis=1)) == [0, 1, 2, 0]
    np.testing.assert_allclose(table[5], [15 / 7, 3 / 7, 3 / 7])
    np.testing.assert_allclose(table[:30], table[30:])
    with pytest.raises(ValueError, match=r"amplitude=0\.5"):
        DynamicalLoss([0, 1], amplitude=0.5)
    with pytest.raises(ValueError, match="period=1"):
        DynamicalLoss([0, 1], period=1)


def test_own_optimiser_and_errors(problem):
    run = descend(problem, 3, lambda params: PathSGD(params, lr=0.01), steps=2)
    assert run.name == "PathSGD"
    with pytest.raises(ValueError, match="rate="):
        descend(problem, 3, PathSGD, rate=0.1)
    with pytest.raises(ValueError, match="optimiser='newton'"):
        descend(problem, 3, "newton")
    with pytest.raises(ValueError, match="width=0"):
        descend(problem, 0)
    with pytest.raises(ValueError, match="batch_size=0"):
        descend(problem, 3, batch_size=0)
    skip = TrainingProblem(problem.X, problem.y, 0.1, skip=True)
    with pytest.raises(ValueError, match="skip"):
        descend(skip, 3)


def test_import_of_the_room_loads_no_torch():
    command = (
        "import sys, convexrelu.baselines as b; assert b.__all__ and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", command], check=True)


def test_display(problem, optimum):
    pytest.importorskip("matplotlib").use("agg")
    seen = []
    run = descend(problem, 5, steps=20, random_state=0, name="Adam", progress=seen.append)
    assert seen == run.history
    display = WaysDownDisplay.from_runs([run], optimum, against="seconds")
    assert "proved" in display.ax_.get_ylabel()
    assert display.ax_.get_xlabel() == "time (s)"
    with pytest.raises(ValueError, match="against="):
        WaysDownDisplay.from_runs([run], optimum, against="rounds")
    with pytest.raises(ValueError, match="lower_bound"):
        WaysDownDisplay({}, 0.0, is_proof=True)
