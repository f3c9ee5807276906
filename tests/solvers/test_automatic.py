"""Which solver takes a program."""

import numpy as np

from convexrelu import TrainingProblem
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers.automatic import AutomaticSolver
from convexrelu.solvers.nonconvex.network_solver import NetworkSolver


def test_softmax_of_thousands_of_samples_has_its_network_trained():
    """Each sample has a direction in which the softmax is constant: interior points would hold n² K numbers."""

    def refused():
        raise AssertionError("a system of thousands of rows was made")

    X = np.linspace(-1.0, 1.0, 4500)[:, None]
    problem = TrainingProblem(X, np.arange(4500.0) % 3, 1e-3, loss="multinomial")
    signs = np.eye(3)[:2]
    blocks = Blocks(np.array([X[:, 0] >= 0, X[:, 0] < 0]), signs)
    start = np.array([[0.1, 0.0], [-0.1, 0.0]])
    solver = AutomaticSolver(refused, refused, make_network=NetworkSolver)
    solution = solver.relu(problem, blocks, start=start)
    assert solution.usable and np.isfinite(solution.objective)
