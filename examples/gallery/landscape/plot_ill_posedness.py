"""
Why training is ill-posed
=========================

At the end of training, the loss is flat in many directions: the Hessian has a null space. Some of these directions are
symmetries of the network, some belong to units that are dead, and some are flat since the activation has no slope, or
since there are too few samples. ``ill_posedness`` divides the null space among these causes.
"""

# %%
# Twelve samples of two features, and networks of six hidden units without weight decay, 25 parameters. The bars are
# means over the ends of eight descents. If there is no residual, the flat directions are those in which no output
# changes, here 13 at least.

import matplotlib.pyplot as plt
import numpy as np

from convexrelu import TrainingProblem, train
from convexrelu.landscape import LossLandscape, draw_optimum, find_minima, ill_posedness

rng = np.random.RandomState(0)
X = rng.normal(size=(12, 2))
y = np.sin(2 * X[:, 0]) * X[:, 1]

names = ("tanh", "sigmoid", "elu", "leaky_relu", "relu")
means = {}
for name in names:
    landscape = LossLandscape(X, y, width=6, activation=name)
    minima = find_minima(landscape, 8, max_iter=300, random_state=0)
    found = [ill_posedness(landscape, point).dimensions for point in minima.points]
    means[name] = {cause: np.mean([counts[cause] for counts in found]) for cause in found[0]}

colors = dict(zip(found[0], plt.get_cmap("tab10").colors, strict=False))
figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
left = np.zeros(len(names))
for cause, color in colors.items():
    values = np.array([means[name][cause] for name in names])
    if values.max() > 0.05:
        ax.barh(names, values, left=left, color=color, label=cause)
    left += values
ax.axvline(25 - 12, color="k", lw=1, ls=":", label="parameters less samples")
ax.invert_yaxis()
ax.set(xlabel="flat directions, of 25", xlim=(0, 25))
ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, title="cause")

# %%
# Weight decay removes most of this. Its objective with ReLU units has a certified optimum, which no point is below.
# Each mark is the end of a descent. Most have no flat direction. Where there are some, several units are parts of one,
# or nearly so: weight can pass from one part to another.

problem = TrainingProblem(X, y, alpha=0.01)
certificate = train(problem, tol=1e-3, effort="prove", time_limit=20, random_state=0).certificate
print(certificate)

landscape = LossLandscape.from_problem(problem, width=6)
minima = find_minima(landscape, 30, max_iter=300, random_state=0)
found = [ill_posedness(landscape, point) for point in minima.points]
print(found[0])

figure, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
flat = np.array([entry.nullity for entry in found])
main = np.array([max(entry.dimensions, key=entry.dimensions.get) for entry in found])
for cause, color in colors.items():
    chosen = (flat > 0) & (main == cause)
    if chosen.any():
        ax.scatter(minima.losses[chosen], flat[chosen], color=color, s=50, label=f"most: {cause}")
ax.scatter(minima.losses[flat == 0], flat[flat == 0], marker="x", color="0.4", label="none")
draw_optimum(ax, certificate)
ax.set(
    xlabel="loss with weight decay", ylabel="flat directions, of 25", yticks=range(flat.max() + 2)
)
ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
plt.show()
