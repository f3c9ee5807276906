"""
Walks over a loss landscape
===========================

A walk samples a loss where training goes: at random, straight on, or against the gradient. The cloud of losses and
lengths of gradients shows at which losses a landscape is flat, and the Hessian shows how it bends there. Here the task
is XOR with weight decay. The line is the certified global optimum: no network of any width has a lower loss.
"""

# %%
# One task for everything below: the four points of XOR, logistic loss, weight decay. For ReLU units its optimum over
# networks of every width is found and proved by convex optimisation.

import matplotlib.pyplot as plt
import numpy as np

from convexrelu import TrainingProblem, train
from convexrelu.landscape import (
    Curvature,
    LossGradientDisplay,
    LossLandscape,
    curvature,
    saturation,
    walk,
)

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([-1.0, 1.0, 1.0, -1.0])
problem = TrainingProblem(X, y, alpha=0.01, loss="logistic")
certificate = train(problem, tol=1e-6, random_state=0).certificate
print(certificate)

# %%
# Random and progressive walks stay where losses are high. Gradient walks, whose steps have random lengths but go
# against the sign of the gradient, reach low losses. Steps are up to 1 % of the range of a weight, from −5 to 5.

landscape = LossLandscape.from_problem(problem, width=3)
options = {"n_walks": 20, "bounds": (-5, 5), "keep_every": 10, "random_state": 0}
figure, axes = plt.subplots(1, 3, figsize=(10, 4.2), layout="constrained", sharex=True, sharey=True)
for kind, ax in zip(("random", "progressive", "gradient"), axes, strict=True):
    walks = walk(landscape, kind, **options)
    LossGradientDisplay.from_walks(walks, ax=ax, certificate=certificate)
    ax.set_title(f"{kind} walks: mean loss {walks.losses.mean():.2f}", fontsize=10)
    ax.get_legend().remove()
    ax.label_outer()
handles, labels = axes[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=2, markerscale=4)

# %%
# The same for five activations, with the classes of curvature. An eigenvalue of a Hessian counts as zero up to a
# millionth of the largest one, and a point with such an eigenvalue is singular. ReLU and leaky ReLU have certified
# optima of their own.
#
# A unit is saturated on a sample where it has no slope, but for 1 % of the largest.
#
# The last picture has the same points without weight decay. There, the Hessian of m rectifiers on n samples has a rank
# of n + 2m at most, here 10 of 13, so that all points are singular. How many are with smooth activations depends on the
# tolerance. These shares do not say which activation is the most convex.

figure, axes = plt.subplots(2, 3, figsize=(10, 7.4), layout="constrained")
handles, without_decay = {}, {}
for ax, name in zip(axes.flat, ("tanh", "sigmoid", "elu", "relu", "leaky_relu"), strict=False):
    bound, arguments = None, {"width": 3, "activation": name, "loss": "logistic"}
    if name in ("relu", "leaky_relu"):
        task = TrainingProblem(X, y, alpha=0.01, loss="logistic", activation=name)
        bound = train(task, tol=1e-6, random_state=0).certificate
    landscape = LossLandscape(X, y, alpha=0.01, **arguments)
    walks = walk(landscape, "gradient", **options)
    seen = curvature(landscape, walks.points, rtol=1e-6)
    LossGradientDisplay.from_walks(walks, curvature=seen, certificate=bound, ax=ax)
    flat = saturation(landscape, walks.points).mean()
    ax.set_title(f"{name}: {flat:.0%} saturated", fontsize=10)
    ax.set(xlim=(0.09, 20), ylim=(1e-3, 40))
    for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
        handles[label.split(" (")[0]] = handle
    ax.get_legend().remove()
    without_decay[name] = curvature(LossLandscape(X, y, **arguments), walks.points, rtol=1e-6)

for rtol in (1e-2, 1e-4, 1e-6, 1e-10):
    singular = [
        f"{name} {Curvature(seen.eigenvalues, rtol, 1e-14).shares()['singular']:.0%}"
        for name, seen in without_decay.items()
    ]
    print(f"singular with a tolerance of {rtol:g}: {', '.join(singular)}")

ax, left = axes.flat[5], np.zeros(5)
for kind in ("convex", "saddle", "singular"):
    shares = np.array([seen.shares()[kind] for seen in without_decay.values()])
    ax.barh(list(without_decay), shares, left=left, color=handles[kind].get_facecolor(), alpha=1)
    left += shares
ax.set(title="without weight decay: shares", xlabel="share of the points", xlim=(0, 1))
ax.title.set_fontsize(10)
ax.invert_yaxis()
legend = figure.legend(
    handles.values(), handles.keys(), loc="outside lower center", ncols=5, markerscale=4
)
for handle in legend.legend_handles:
    handle.set_alpha(1.0)
plt.show()
