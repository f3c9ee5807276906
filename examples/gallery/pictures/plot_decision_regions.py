"""
Decision regions and level sets
===============================

With two features, the regions of a classifier or the level sets of a regression can be drawn, together with
the lines at which neurons switch on.
"""

# %%
# Two classes and the hinge loss
# ------------------------------
# Each line is the activation boundary of a neuron, with ticks on its active side; a thicker line means
# larger weights, :math:`\|w_j\||a_j|`. The decision boundary bends only at these lines. Rings mark the
# samples on or inside the margin, the only ones that can have a nonzero dual variable. The gap is proved by
# a sweep; the network need not be the only optimal one.
from sklearn.datasets import make_moons
from sklearn.preprocessing import StandardScaler

from convexrelu import ConvexReLUClassifier
from convexrelu.displays import DecisionRegionsDisplay

X, y = make_moons(60, noise=0.15, random_state=0)
X = StandardScaler().fit_transform(X)
model = ConvexReLUClassifier(0.01, loss="hinge", tol=1e-4, minimal=True, random_state=0).fit(X, y)
assert model.certificate_.is_proof
DecisionRegionsDisplay.from_estimator(model, X, y)

# %%
# Three classes
# -------------
# With three classes there is one output for each class, and the prediction is the class of the largest
# output; the outputs share their neurons. The gradient of the cross-entropy is nowhere zero, so every
# sample is a support sample, and none is marked.
from sklearn.datasets import make_blobs

centers = [(0.0, 1.2), (-1.0, -0.6), (1.0, -0.6)]
X, y = make_blobs(45, centers=centers, cluster_std=0.5, random_state=0)
model = ConvexReLUClassifier(0.01, minimal=True, random_state=0).fit(X, y)
DecisionRegionsDisplay.from_estimator(model, X, y)

# %%
# Level sets of a regression
# --------------------------
# Points have the colours of their targets: a point that differs from its surroundings is badly fitted.
# Between the lines of neurons the prediction is linear, so level sets are straight there.
import numpy as np

from convexrelu import ConvexReLURegressor

X = np.random.default_rng(0).uniform(-1, 1, (80, 2))
y = np.abs(X[:, 0]) - np.maximum(X[:, 0] + X[:, 1], 0)
model = ConvexReLURegressor(0.01, tol=1e-5, minimal=True, random_state=0).fit(X, y)
assert model.certificate_.is_proof
DecisionRegionsDisplay.from_estimator(model, X, y)
