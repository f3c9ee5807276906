"""Optima of cells against networks trained otherwise, and paths between minima of a cell."""

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork
from convexrelu.landscape import cell_summary, join_in_cell

ALPHA = 0.02


def waves(n=16):
    X = np.linspace(-1, 1, n)[:, None]
    return X, np.sin(4 * X[:, 0])


def trained_by_adam(X, y, width, seed, n_steps=4000):
    """Full batch, with weight decay in the loss, and steps that fall to zero."""
    random = np.random.RandomState(seed)
    design = np.column_stack([X, np.ones(len(X))])
    theta = random.standard_normal((width, design.shape[1] + 1))  # rows (w, b, a)
    theta = np.append(theta, 0.0)
    first, second = np.zeros((2, theta.size))
    for k in range(1, n_steps + 1):
        neurons = theta[:-1].reshape(width, -1)
        inner, outer = neurons[:, :-1], neurons[:, -1]
        seen = design @ inner.T
        residuals = (np.maximum(seen, 0) @ outer + theta[-1] - y) / len(y)
        pull = residuals[:, None] * (seen > 0)
        of_inner = outer[:, None] * (pull.T @ design)
        of_outer = residuals @ np.maximum(seen, 0)
        gradient = np.append(np.column_stack([of_inner, of_outer]), residuals.sum())
        gradient[:-1] += ALPHA * theta[:-1]
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        step = 0.01 * (1 + np.cos(np.pi * k / n_steps)) * first / (1 - 0.9**k)
        theta = theta - step / (np.sqrt(second / (1 - 0.999**k)) + 1e-12)
    neurons = theta[:-1].reshape(width, -1)
    return TwoLayerNetwork(neurons[:, :-2], neurons[:, -2], neurons[None, :, -1], theta[-1:])


@pytest.fixture(scope="module")
def summaries():
    X, y = waves()
    networks = [trained_by_adam(X, y, 2, seed) for seed in range(4)]
    return [cell_summary(net, X, y, alpha=ALPHA, random_state=0) for net in networks]


class TestAdam:
    """He, Wang & Tao: a local minimum has the objective of its cell's optimum, which may be above the global one."""

    def test_local_minima_are_optima_of_their_cells(self, summaries):
        for summary in summaries:
            objective = summary.certificate.objective
            assert summary.gap_to_cell <= 5e-6 * objective
            bound = summary.certificate.cell_lower_bound
            assert bound <= summary.optimum_objective * (1 + 1e-12)
            assert summary.optimum_objective - bound <= 1e-5 * objective

    def test_no_cell_is_below_the_global_bound(self, summaries):
        for summary in summaries:
            assert summary.certificate.is_proof
            assert summary.certificate.lower_bound <= summary.optimum_objective
            assert summary.is_spurious  # two neurons are too few for these waves
            assert "optimum of the cell" in str(summary)


class TestPaths:
    X = np.random.RandomState(3).uniform(0.2, 1, (6, 2))
    first = TwoLayerNetwork([[1.0, 0.5], [0.3, 2.0]], [0.1, 0.2], [[1.5, 0.5]], [0.3])

    def problem(self, y=None, **options):
        y = self.first.predict(self.X) if y is None else y
        return TrainingProblem(self.X, y, alpha=1e-3, **options)

    def other(self):
        """The same outputs on all of the cell, from other weights: ``u_1 + d`` and ``u_2 − d``, scaled and swapped."""
        d, a = np.array([0.2, -0.1, 0.05]), self.first.output_weights[0]
        u = self.first.augmented_weights() * a[:, None] + np.array([d, -d])
        scales = np.array([3.0, 0.25])
        inner = (u / scales[:, None])[::-1]
        return TwoLayerNetwork(inner[:, :-1], inner[:, -1], scales[None, ::-1], [0.3])

    def test_minima_of_a_cell_are_joined_without_loss(self):
        path = join_in_cell(self.first, self.other(), self.problem())
        assert path.is_level() and path.change_of_data_fit < 1e-25
        products = [
            network.augmented_weights() * network.output_weights[0][:, None]
            for network in (path.first, path.second)
        ]
        d = np.array([0.2, -0.1, 0.05])
        np.testing.assert_allclose(products[1] - products[0], [d, -d], rtol=1e-12)

    def test_ends_are_the_networks_themselves(self):
        path = join_in_cell(self.first, self.other(), self.problem())
        for t, end in ((0.0, path.first), (1.0, path.second)):
            np.testing.assert_allclose(
                path.network(t).hidden_weights, end.hidden_weights, rtol=1e-12
            )
            np.testing.assert_allclose(
                path.network(t).output_weights, end.output_weights, rtol=1e-12
            )

    def test_the_objective_is_convex_along_a_path_of_balanced_networks(self):
        random = np.random.RandomState(0)
        second = TwoLayerNetwork(
            random.uniform(0.5, 2, (2, 2)), [0.5, 0.1], [[2.0, 1.0]], [-0.4]
        ).balance()
        problem = self.problem(random.standard_normal(6))
        path = join_in_cell(self.first.balance(), second, problem)
        assert np.diff(path.objectives, 2).min() >= -1e-12
        assert not path.is_level()
        balanced = path.network(0.3)
        np.testing.assert_allclose(
            np.linalg.norm(balanced.augmented_weights(), axis=1),
            np.abs(balanced.output_weights[0]),
            rtol=1e-12,
        )

    def test_narrower_networks_get_zero_neurons(self):
        narrow = TwoLayerNetwork([[1.0, 1.0]], [0.0], [[1.0]], [0.0])
        path = join_in_cell(self.first, narrow, self.problem())
        assert path.second.width == 2 and path.network(1.0).prune().width == 1

    def test_other_cells_are_refused(self):
        negative = self.first._with(output_weights=[[1.5, -0.5]])
        with pytest.raises(ValueError, match="different cells: 1 neurons differ"):
            join_in_cell(self.first, negative, self.problem())
        mixed = self.first._with(hidden_bias=[0.1, -1.0])
        with pytest.raises(ValueError, match="neuron 1 of the first"):
            join_in_cell(self.first, mixed, self.problem())
        with pytest.raises(ValueError, match="second has negative_slope"):
            join_in_cell(
                self.first,
                TwoLayerNetwork([[1.0, 1.0]], [0.0], [[1.0]], [0.0], negative_slope=0.1),
                self.problem(),
            )
        path = join_in_cell(self.first, self.first, self.problem(), n_points=2)
        with pytest.raises(ValueError, match="t=2 is not"):
            path.network(2)

    def test_a_sample_on_a_kink_belongs_to_both_sides(self):
        """On the kink up to rounding: no conflict, whatever the side of the other network."""
        x = np.array([[1.0], [3.0]])
        on = TwoLayerNetwork([[0.1]], [-0.3 + 1e-17], [[1.0]], [0.0])
        problem = TrainingProblem(x, [0.0, 1.0], alpha=1e-3)
        off = TwoLayerNetwork([[-1.0]], [2.0], [[1.0]], [0.0])
        with pytest.raises(ValueError, match="different cells"):
            join_in_cell(on, off, problem)
        assert join_in_cell(on, TwoLayerNetwork([[-1.0]], [-1.0], [[1.0]], [0.0]), problem)
