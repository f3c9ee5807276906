"""
Convergence, and a path of penalties
====================================

How a fit comes closer to its bound, and how the choice of the penalty by cross-validation looks.
"""

# %%
# Objective and lower bound against time
# --------------------------------------
# Each round solves a convex program, whose network gives the upper curve, and prices its dual point, which
# gives the lower one. The legend says whether the lower bound is proved; if it is and the curves meet, the
# network is optimal.
import numpy as np

from convexrelu import ConvexReLURegressor
from convexrelu.displays import ConvergenceDisplay

rng = np.random.default_rng(0)
X = rng.standard_normal((100, 2))
y = np.sin(2 * X[:, 0]) * X[:, 1] + 0.1 * rng.standard_normal(100)
model = ConvexReLURegressor(alpha=1e-3, tol=1e-4, random_state=0).fit(X, y)
ConvergenceDisplay.from_estimator(model)

# %%
# A regularisation path
# ---------------------
# Scores are estimated from three folds, with their standard error. The lower plot has the mean number of
# neurons, which is a result and not a parameter.
from convexrelu import ConvexReLURegressorCV
from convexrelu.displays import RegularizationPathDisplay

rng = np.random.default_rng(0)
X = rng.uniform(-3, 3, (50, 1))
y = np.sin(2 * X[:, 0]) + 0.3 * rng.standard_normal(50)
model = ConvexReLURegressorCV(alphas=np.logspace(-0.5, -3.5, 7), cv=3, random_state=0).fit(X, y)
RegularizationPathDisplay.from_estimator(model)
