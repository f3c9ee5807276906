"""
What stays linear in a network
==============================

A hidden unit that is active on all samples is a linear function of them, and one that is active on none is not
there. Only the others make a network nonlinear. How many of each are there, how far do they separate two
classes, and how much does a fit depend on single samples?
"""

# %%
# Two half moons, and three networks: untrained, trained by Adam, and trained by convex optimisation, the last
# two with the same penalty.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from convexrelu import TrainingProblem, train
from convexrelu.baselines import descend
from convexrelu.landscape import (
    interpolating_fit,
    layer_separability,
    leave_one_out,
    linear_units,
    penalised_fit,
)
from convexrelu.optimal_set import minimal

X, labels = make_moons(60, noise=0.15, random_state=0)
problem = TrainingProblem(X, 2.0 * labels - 1.0, 0.003, loss="logistic")
networks = {
    name: descend(problem, 60, steps=steps, random_state=0).network
    for name, steps in (("untrained", 0), ("Adam", 1500))
}
networks["convex"] = minimal(train(problem, random_state=0).network, problem)
KINDS = {
    "always": "active on all samples",
    "mixed": "active on some",
    "never": "active on none",
}
_, ax = plt.subplots(figsize=(5.5, 4.5), layout="constrained")
names = [f"{name}\n({network.width} units)" for name, network in networks.items()]
bottom = np.zeros(len(names))
for kind, label in KINDS.items():
    shares = [linear_units(network, X).shares[kind] for network in networks.values()]
    ax.bar(names, shares, bottom=bottom, label=label)
    bottom += shares
ax.set(ylabel="share of the units", ylim=(0, 1.35), title="kinds of units")
ax.set_yticks([0, 0.25, 0.5, 0.75, 1.0])
ax.legend(loc="upper center", ncols=2, fontsize="small")
plt.show()

# %%
# A linear classifier on the inputs, on the outputs of the hidden layer, and on those of its linear and its mixed
# units alone, scored on samples that were left out. A cross marks features on which linear functions separate all
# samples. A network without linear units has the share of the larger class there.
width = 0.27
_, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for k, (name, network) in enumerate(networks.items()):
    found = layer_separability(network, X, labels)
    at = np.arange(len(found)) + (k - 1) * width
    heights = [one.cross_validated for one in found.values()]
    ax.bar(at, heights, width, label=name, color=f"C{k + 4}")
    for x, height, one in zip(at, heights, found.values(), strict=True):
        if one.is_separable:
            ax.annotate("×", (x, height), ha="center", va="bottom")
ax.set_xticks(range(len(found)), list(found))
ax.set(ylabel="accuracy, cross-validated", ylim=(0, 1.3), title="linear classifiers")
ax.set_yticks([0, 0.25, 0.5, 0.75, 1.0])
ax.legend(loc="upper center", ncols=3, fontsize="small")
plt.show()

# %%
# Leaving out one sample of a noisy sine after the other: a penalty makes the fit stable, and without one the
# interpolant of smallest norm is the limit.
rng = np.random.default_rng(0)
X = np.sort(rng.uniform(-1, 1, 12))[:, None]
y = np.sin(3 * X[:, 0]) + 0.3 * rng.standard_normal(12)
grid = [0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 1e-4, 1e-5]
fits = [
    leave_one_out(penalised_fit(alpha, tol=1e-3, random_state=0, hidden_bias="free"), X, y)
    for alpha in grid
]
limit = leave_one_out(interpolating_fit(random_state=0, hidden_bias="free"), X, y)
_, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for measure, color in (("stability", "tab:blue"), ("error", "tab:orange")):
    name = {
        "stability": "change of the loss at a sample that is left out",
        "error": "squared error there",
    }[measure]
    ax.loglog(grid, [getattr(fit, measure) for fit in fits], marker="o", color=color, label=name)
    ax.axhline(
        getattr(limit, measure),
        linestyle="--",
        color=color,
        label="the same, interpolant of smallest norm",
    )
ax.set(xlabel="alpha", ylabel="mean over the samples", title="12 samples, each left out once")
ax.legend(fontsize="small")
plt.show()
