"""
All optimal networks
====================

The best network need not be unique. All optimal networks form a polytope, and the band of their predictions can
be drawn.
"""

# %%
# For the exclusive-or problem on the four corners of a square, the optimal network is not unique. The
# picture shows predictions along a diagonal of the square. At the two corners, which are samples, all
# optimal networks agree; elsewhere predictions can be anything in the band. Here all cells are listed, so
# the band is that of *all* optimal networks, up to tolerances.
import numpy as np

from convexrelu import TrainingProblem, train
from convexrelu.displays import OptimalSetDisplay
from convexrelu.optimal_set import optimal_polytope

X = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
problem = TrainingProblem(X, X[:, 0] * X[:, 1], alpha=0.01)
polytope = optimal_polytope(train(problem, tol=1e-9, random_state=0).network, problem)
assert polytope.is_complete
t = np.linspace(-2, 2, 101)
diagonal = np.column_stack([t, t])
display = OptimalSetDisplay.from_polytope(
    polytope, diagonal, prediction=polytope.network.predict(diagonal), feature=0
)
corners = problem.X[[0, 3]]
display.ax_.scatter(
    corners[:, 0], polytope.network.predict(corners), color="C1", zorder=3, label="fit at samples"
)
display.ax_.legend()
display.ax_.set_xlabel("x₁ = x₂")

# %%
# Without a feature for the horizontal axis, samples are drawn side by side: here the same four corners and
# forty points between and around them. Where a bar is long, optimal networks differ widely in their
# predictions.
points = np.vstack([X, np.random.default_rng(0).uniform(-1.5, 1.5, (40, 2))])
targets = np.sign(points[:, 0] * points[:, 1])
OptimalSetDisplay.from_polytope(
    polytope, points, targets, prediction=polytope.network.predict(points)
)
