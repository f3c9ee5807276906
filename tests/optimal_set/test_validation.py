"""Choosing among equally good networks by other data."""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.losses import LOSSES
from convexrelu.optimal_set import best_on_validation, minimal
from tests import reference
from tests.optimal_set.test_minimal import optima_of_dimension_four, random_network, random_problem


class TestBestOnValidation:
    def solutions(self, seed=0, n=8, d=2):
        """A problem with two nearly optimal networks, and validation data."""
        rng = np.random.default_rng(seed)
        problem = random_problem(rng, n, d, alpha=1e-3)
        networks = [train(problem, tol=1e-7, random_state=s).network for s in (0, 1)]
        return problem, networks, rng.standard_normal((20, d)), rng.standard_normal(20)

    def loss(self, network, X, y):
        return 0.5 * np.mean((network.predict(X) - y) ** 2)

    @pytest.mark.parametrize("rtol", [1e-8, 1e-6, 1e-2])
    def test_guarantees(self, rtol):
        problem, networks, X, y = self.solutions()
        lowest = min(networks, key=problem.objective)
        chosen = best_on_validation(networks, problem, X, y, rtol=rtol)
        arrays = problem.X, problem.y, problem.alpha
        assert reference.network_objective(chosen, *arrays) <= (
            reference.network_objective(lowest, *arrays) * (1 + rtol) * (1 + 1e-12)
        )
        assert self.loss(chosen, X, y) <= self.loss(lowest, X, y)

    def test_more_room_is_no_worse(self):
        problem, networks, X, y = self.solutions(1)
        losses = [
            self.loss(best_on_validation(networks, problem, X, y, rtol=rtol), X, y)
            for rtol in (1e-6, 1e-3, 1e-1)
        ]
        assert losses[0] >= losses[1] * (1 - 1e-6) >= losses[2] * (1 - 1e-6) ** 2
        assert losses[2] < losses[0]

    def test_known_polytope(self):
        """One sample, two directions of one price: the optima are an interval, and the best on it is known."""
        problem = TrainingProblem(
            np.array([[1.0, 1.0]]), np.array([2.0]), 0.1, hidden_bias=False, fit_intercept=False
        )
        # min ½ (s − 2)² + 0.1 s over the output s: every split of 1.9 between the directions.
        root = np.sqrt(1.9)
        one, other = (
            TwoLayerNetwork([w], [0.0], [[root]], [0.0]) for w in ([root, 0.0], [0.0, root])
        )
        X = np.array([[1.0, 0.0], [0.0, 1.0]])
        for target, expected in (([0.6, 1.3], 0.6), ([-3.0, 1.9], 0.0), ([9.0, -9.0], 1.9)):
            chosen = best_on_validation([one, other], problem, X, target, rtol=1e-9)
            np.testing.assert_allclose(chosen.predict(X), [expected, 1.9 - expected], atol=2e-4)

    def test_agrees_with_the_polytope(self):
        """Nearly the best validation loss over same outputs and same penalty; a little below it, for the tolerance."""
        problem, network = optima_of_dimension_four()
        rng = np.random.default_rng(3)
        X, y = rng.standard_normal((9, 3)), rng.standard_normal(9)
        outer = network.output_weights[0]
        hidden, seen = (network.hidden_features(Z) * outer for Z in (problem.X, X))
        prices = np.linalg.norm(network.hidden_weights, axis=1) * outer
        scales = cp.Variable(6, nonneg=True)
        program = cp.Problem(
            cp.Minimize(cp.sum_squares(seen @ scales - y) / 18),
            [hidden @ scales == hidden.sum(axis=1), prices @ scales == prices.sum()],
        )
        program.solve(cp.CLARABEL)
        chosen = best_on_validation(network, problem, X, y, rtol=1e-9)
        assert problem.objective(chosen) <= problem.objective(network) * (1 + 1.01e-9)
        assert self.loss(chosen, X, y) == pytest.approx(program.value, rel=1e-3)
        assert self.loss(chosen, X, y) < 0.95 * self.loss(network, X, y)

    @pytest.mark.parametrize("loss", sorted(LOSSES))
    @pytest.mark.parametrize("n_outputs", [1, 3])
    def test_every_loss(self, loss, n_outputs):
        rng = np.random.default_rng(5)
        inputs, hidden = rng.standard_normal((30, 2)), rng.standard_normal((30, 3))
        targets = {
            "poisson": np.abs(hidden),
            "logistic": np.sign(hidden),
            "hinge": np.sign(hidden),
            "squared_hinge": np.sign(hidden),
            "multinomial": hidden.argmax(axis=1).astype(float),
        }.get(loss, hidden)
        if loss == "multinomial":
            n_outputs = 3
        elif n_outputs == 1:
            targets = targets[:, 0]
        elif loss in ("logistic", "hinge", "squared_hinge"):
            pytest.skip("one output only")
        problem = TrainingProblem(inputs[:10], targets[:10], 0.1, loss=loss)
        networks = [random_network(rng, 6, 2, n_outputs) for _ in range(2)]
        lowest = min((problem.balanced(net) for net in networks), key=problem.objective)
        chosen = best_on_validation(networks, problem, inputs[10:], targets[10:], rtol=0.1)
        assert problem.objective(chosen) <= problem.objective(lowest) * 1.1 * (1 + 1e-12)

        def validation_loss(network):
            return problem.loss.value(network.predict(inputs[10:]), targets[10:]).mean()

        assert validation_loss(chosen) < validation_loss(lowest)

    def test_skip_connections(self):
        rng = np.random.default_rng(12)
        problem = random_problem(rng, 12, 2, alpha=0.1, skip=True, skip_alpha=0.3)
        networks = [
            replace(random_network(rng, 20, 2), skip_weights=rng.standard_normal((1, 2)))
            for _ in range(2)
        ]
        lowest = min((problem.balanced(net) for net in networks), key=problem.objective)
        small = minimal(lowest, problem)
        assert small.width <= 11
        assert problem.objective(small) <= problem.objective(lowest) * (1 + 1e-10)
        np.testing.assert_array_equal(small.skip_weights, lowest.skip_weights)
        X, y = rng.standard_normal((20, 2)), rng.standard_normal(20)
        chosen = best_on_validation(networks, problem, X, y, rtol=1e-3)
        np.testing.assert_array_equal(chosen.skip_weights, lowest.skip_weights)
        assert problem.objective(chosen) <= problem.objective(lowest) * (1 + 1e-3)
        assert self.loss(chosen, X, y) < self.loss(lowest, X, y)

    def test_no_neurons(self):
        problem = random_problem(np.random.default_rng(4), 5, 2, alpha=1e3)
        network = problem.zero_network()
        chosen = best_on_validation([network], problem, problem.X, problem.y)
        assert chosen.width == 0
        np.testing.assert_array_equal(chosen.output_bias, network.output_bias)

    def test_failing_solver(self, monkeypatch):
        problem, networks, X, y = self.solutions()

        def fail(*args, **options):
            raise cp.SolverError("no")

        monkeypatch.setattr(cp.Problem, "solve", fail)
        lowest = min((net.balance() for net in networks), key=problem.objective)
        chosen = best_on_validation(networks, problem, X, y)
        np.testing.assert_array_equal(chosen.hidden_weights, lowest.hidden_weights)

    def test_wrong_arguments(self):
        problem = random_problem(np.random.default_rng(0), 4, 2)
        zero = problem.zero_network()
        with pytest.raises(ValueError, match="networks is empty"):
            best_on_validation([], problem, problem.X, problem.y)
        with pytest.raises(ValueError, match="rtol=0"):
            best_on_validation(zero, problem, problem.X, problem.y, rtol=0)
        with pytest.raises(ValueError, match=r"X_val has shape \(4, 3\)"):
            best_on_validation(zero, problem, np.ones((4, 3)), problem.y)
        with pytest.raises(ValueError, match=r"y_val has shape \(3,\), expected \(4,\)"):
            best_on_validation(zero, problem, problem.X, np.ones(3))
        with pytest.raises(ValueError, match="NaN"):
            best_on_validation(zero, problem, problem.X, np.full(4, np.nan))
