"""
Ways down, above a proved optimum
=================================

Six ways of training a network with fifty neurons by gradients, on fifty samples of a noisy sine. The vertical
axis is how far the objective is above a bound that no network of any width can be below: with one feature,
convex training proves it. The dashed line is convex training itself.

The second picture is about classes instead. Normalised gradient flow has no penalty; its margin, relative to
the norm of the network, grows with the steps and stays below the largest margin that any network has.
"""

# %%
# One problem, and its optimum with a proof.
import matplotlib.pyplot as plt
import numpy as np

from convexrelu import TrainingProblem, train
from convexrelu.baselines import (
    LabelNoise,
    WaysDownDisplay,
    descend,
    follow_normalised_flow,
    maximum_margin,
)

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (50, 1))
y = np.sin(6 * X[:, 0]) + 0.2 * rng.standard_normal(50)
problem = TrainingProblem(X, y, alpha=0.003)
certificate = train(problem, tol=1e-4, random_state=0).certificate
assert certificate.is_proof
print(certificate)

# %%
# A gradient-only line search takes about ten gradients a step. The others take one.
WAYS = {
    "SGD": ("sgd", 0.2),
    "momentum": ("momentum", 0.1),
    "Adam": ("adam", 0.02),
    "path-SGD": ("path_sgd", 0.1),
    "gradient-only line search": ("gradient_only", None),
}
common = {"steps": 400, "every": 10, "random_state": 0}
runs = [
    descend(problem, 50, optimiser, rate=rate, name=name, **common)
    for name, (optimiser, rate) in WAYS.items()
]
noise = LabelNoise(0.3, random_state=0)
runs.append(
    descend(problem, 50, "adam", rate=0.02, schedule=noise, name="Adam, label noise", **common)
)
_, ax = plt.subplots(figsize=(8.5, 4.5), layout="constrained")
display = WaysDownDisplay.from_runs(runs, certificate, ax=ax)
display.ax_.set_title("a noisy sine, 50 neurons")
plt.show()

# %%
# Two classes on a line, and the margin ``min y f / Σ |a| ‖w‖`` of a network with fifty neurons.
X = np.linspace(-1, 1, 16)[:, None]
classes = np.where(np.abs(X[:, 0]) < 0.5, 1, -1)
best = maximum_margin(X, classes, random_state=0)
flow = follow_normalised_flow(X, classes, 50, steps=1500, rate=0.02, random_state=0)
_, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.plot(flow.steps, flow.margins, label="normalised gradient flow")
kind = "proved" if best.is_proof else "estimated"
ax.axhline(best.upper_bound, linestyle="--", color="black", label=f"no network is above ({kind})")
ax.axhline(0, color="grey", linewidth=0.8)
low = -0.5 * best.upper_bound
ax.set(xlabel="steps", ylabel="normalised margin", ylim=(low, 1.2 * best.upper_bound))
ax.set_title("an interval against the rest, 16 samples")
ax.legend()
plt.show()
