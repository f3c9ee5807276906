"""
Spurious minima and cells
=========================

A network whose neurons are active on all samples is affine, and so are all networks near it. If it is the least squares
fit, it is a local minimum, however good other networks are. Here such a minimum is constructed, and trained networks
are compared with the optimum of their cell and with the proved bound for all networks.
"""

# %%
# A wave, and the local minimum that is a line. Its hidden inputs are inside of one linear piece of the activation,
# and the Hessian has no negative eigenvalue.

import matplotlib.pyplot as plt
import numpy as np

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.landscape import (
    cell_summary,
    initialisation,
    random_spline,
    spline_motion,
    spurious_minimum,
)

X = np.linspace(-1, 1, 40)[:, None]
y = np.sin(5 * X[:, 0]) + X[:, 0]
alpha = 1e-4

spurious = spurious_minimum(X, y, width=8, random_state=0)
print("local minimum:", spurious.is_local_minimum)
print(f"loss {spurious.loss:.6f}, least squares {spurious.least_squares_loss:.6f}")
print(f"smallest eigenvalue of the Hessian {spurious.eigenvalues[0]:.1e}")

best = train(TrainingProblem(X, y, alpha), tol=1e-4, random_state=0)
print(best.certificate)

# %%
# The loss on the straight line, in the space of weights, from the minimum to the optimum. The optimum has the
# smallest loss, but no small step from the minimum lowers the loss: the way there first leads upwards.


def padded(network, width):
    more = width - network.width
    return [
        np.pad(network.hidden_weights, ((0, more), (0, 0))),
        np.pad(network.hidden_bias, (0, more)),
        np.pad(network.output_weights, ((0, 0), (0, more))),
        network.output_bias,
    ]


width = max(best.network.width, spurious.network.width)
start, end = padded(spurious.network, width), padded(best.network, width)
parts = np.linspace(-0.1, 1.1, 241)
losses = []
for t in parts:
    between = [(1 - t) * one + t * other for one, other in zip(start, end, strict=True)]
    losses.append(0.5 * np.mean((TwoLayerNetwork(*between).predict(X) - y) ** 2))

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
left.plot(X[:, 0], y, "o", color="0.6", ms=4, label="data")
left.plot(X[:, 0], spurious.predict(X), color="C3", label="spurious minimum")
left.plot(X[:, 0], best.network.predict(X), color="C2", label="optimum with weight decay (proved)")
left.set(xlabel="x", ylabel="y", xticks=[-1, -0.5, 0, 0.5, 1])
left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, frameon=False)
right.semilogy(parts, losses, color="C0")
right.plot(0, spurious.loss, "o", color="C3", label="spurious minimum")
right.plot(
    1,
    losses[np.argmin(np.abs(parts - 1))],
    "*",
    ms=12,
    color="C2",
    label="optimum with weight decay (proved)",
)
right.set(xlabel="part of the way", ylabel="loss without penalty")
_ = right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), frameon=False)

# %%
# Networks with three neurons, trained by gradient flow with weight decay. Each ends within about a thousandth of the
# proved bound for its own cell, but the cells differ, and all of them are above what a wider network reaches.

alpha = 0.01
X, y = X[::2], y[::2]
summaries = []
for seed in range(5):
    first = random_spline(initialisation("he", 3), random_state=seed)
    motion = spline_motion(first, X, y, t_end=1200.0, alpha=alpha, n_times=10, rtol=1e-3)
    summaries.append(cell_summary(motion.network(-1), X, y, alpha=alpha, random_state=0))

figure, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
runs = np.arange(1, len(summaries) + 1)
ax.plot(
    runs,
    [s.certificate.objective for s in summaries],
    "o",
    color="C0",
    ms=9,
    label="trained network",
)
ax.plot(
    runs,
    [s.certificate.cell_lower_bound for s in summaries],
    "x",
    color="C3",
    ms=9,
    label="bound for its cell (proved)",
)
bound = max(s.certificate.lower_bound for s in summaries if s.certificate.is_proof)
ax.axhline(bound, color="C2", label="bound for all networks (proved)")
ax.set(xlabel="run", ylabel="objective", xticks=runs, ylim=(0, None))
_ = ax.legend(loc="lower right")
for summary in summaries:
    print(f"gap to the cell {summary.gap_to_cell:.1e}, of the cell {summary.gap_of_cell:.3f}")
