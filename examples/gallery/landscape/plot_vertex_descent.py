"""
Vertex descent on the mean absolute error
=========================================

With a fixed outer layer, the mean absolute error of a ReLU network is piecewise affine in the hidden weights. A simplex
method goes from vertex to vertex, and a test at the last vertex says whether it is a local minimum. How good that
minimum is, only a bound for all networks can say.
"""

# %%
# Ten runs with four neurons. The loss falls at every vertex, and most runs end in a vertex none of whose edges
# descends.

import matplotlib.pyplot as plt
import numpy as np

from convexrelu import TrainingProblem, train
from convexrelu.landscape import VertexDescentDisplay, loss_decay, vertex_density, vertex_descents

random = np.random.RandomState(0)
X = random.uniform(-1, 1, (200, 2))
y = np.sin(3 * X[:, 0]) + 2 * np.abs(X[:, 1]) + 0.2 * random.laplace(size=200)
runs = list(vertex_descents(X, y, width=4, n_runs=10, random_state=0))
for run in runs[:3]:
    print(run)

alphas = np.geomspace(0.1, 0.003, 4)
results = [
    train(TrainingProblem(X, y, alpha, loss="absolute_error"), tol=1e-3, random_state=0)
    for alpha in alphas
]
print(results[-1].certificate)

# %%
# The dashed line is the mean absolute error of the certified optimum with the smallest weight decay, of any width.
# Vertices are dense at the end of a run. An exponential decay, fitted to the last quarter of the run, estimates the
# level that it leads to; that is rough, and no bound.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
VertexDescentDisplay.from_runs(runs, ax=left)
certified = np.abs(results[-1].network.predict(X) - y).mean()
left.axhline(certified, color="C2", ls="--", label=f"certified optimum, alpha={alphas[-1]:.2g}")
left.legend(fontsize="small")

best = min(runs, key=lambda run: run.loss)
density = vertex_density(best.losses, 25)
right.bar(
    density.levels[1:],
    density.counts,
    width=-np.diff(density.levels),
    align="edge",
    color="C0",
    alpha=0.6,
)
right.set(
    xlabel="level of the loss",
    ylabel="vertices between two levels",
    title="the run with the smallest loss",
)
decay = loss_decay(best.losses[-best.n_vertices // 4 :])
right.axvline(best.loss, color="k", label="end of the run")
right.axvline(decay.limit, color="k", ls=":", label="its estimate from the decay")
_ = right.legend(fontsize="small")

# %%
# Vertex descent minimises the mean absolute error at four neurons, without a penalty. The convex program minimises
# it plus ``alpha`` times the penalty, over networks of any width. Both appear in the plane of these two numbers: a
# proved bound ``B`` says that every network has an error of at least ``B − alpha · penalty``. No network is in the
# grey region.

penalties = [run.network.balance().penalty() for run in runs]
grid = np.geomspace(0.5, 1.3 * max(penalties), 300)
proved = [
    (r.certificate.lower_bound, a)
    for r, a in zip(results, alphas, strict=True)
    if r.certificate.is_proof
]
frontier = np.max([bound - alpha * grid for bound, alpha in proved], axis=0)

figure, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
ax.fill_between(grid, 0, frontier, color="0.85", label="proved: no network is here")
for k, run in enumerate(runs):
    color = "C0" if run.is_local_minimum else "C1"
    ax.plot(penalties[k], run.loss, "o", color=color, ms=6)
ax.plot([], [], "o", color="C0", label="vertex descent, tested local minimum")
if not all(run.is_local_minimum for run in runs):
    ax.plot([], [], "o", color="C1", label="vertex descent, no certificate")
for k, result in enumerate(results):
    error = np.abs(result.network.predict(X) - y).mean()
    label = "certified optima, of any width" if k == 0 else None
    ax.plot(result.network.penalty(), error, "*", color="C2", ms=11, label=label)
ax.set(xscale="log", xlabel="penalty", ylabel="mean absolute error", ylim=(0, None))
ax.set_xlim(grid[0], grid[-1])
_ = ax.legend(fontsize="small")
