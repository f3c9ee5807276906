"""
Networks with one feature are splines
=====================================

The function of a network with one feature is piecewise linear. Its knots, slopes and neurons can be drawn.
"""

# %%
# A network with one feature is a spline
# --------------------------------------
# The network is linear between its knots. At each knot, a triangle shows whether the slope increases or
# decreases, its size shows by how much, and a tick on the axis marks the position. With one feature a sweep
# prices every activation pattern, which proves that no network, of any width, has an objective that is
# smaller by more than a thousandth.
import numpy as np

from convexrelu import ConvexReLURegressor
from convexrelu.displays import SplineDisplay

rng = np.random.default_rng(0)
X = np.sort(rng.uniform(-3, 3, 60))[:, None]
y = np.sin(2 * X[:, 0]) + 0.15 * rng.standard_normal(60)
model = ConvexReLURegressor(alpha=1e-3, minimal=True, random_state=0).fit(X, y)
assert model.certificate_.is_proof and model.certificate_.relative_gap <= 1e-3
SplineDisplay.from_estimator(model, X, y)

# %%
# The neurons behind it
# ---------------------
# With ``neurons=True`` there is a dashed line for each neuron, with its kink at a knot; these and the
# intercept add up to the network. A small gap is proved here as well. It does not prove that the network is
# unique.
rng = np.random.default_rng(0)
X = np.sort(rng.uniform(-2, 2, 40))[:, None]
y = np.maximum(np.abs(X[:, 0]) - 1, 0) + 0.05 * rng.standard_normal(40)
model = ConvexReLURegressor(alpha=1e-3, minimal=True, random_state=0).fit(X, y)
SplineDisplay.from_estimator(model, X, y, neurons=True)
