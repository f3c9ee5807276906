"""
A transport equation from one moment in time
============================================

A profile moves at constant speed, and nine samples are all from the start. An equation of first order at other
points, :math:`f_t + c f_x = 0`, is linear in the variables of the convex program: it is fitted together with the
samples, and the certificate covers both.
"""

# %%
# Samples at time zero, and points at which the equation is to hold.

import matplotlib.pyplot as plt
import numpy as np

from convexrelu import TrainingProblem, train
from convexrelu.derivatives import DerivativeRows, train_with_derivatives

speed, alpha = 0.5, 3e-4


def profile(x):
    return np.maximum(1 - 2 * np.abs(x), 0.0)


x = np.linspace(-1, 1, 9)
X, y = np.column_stack([np.zeros(9), x]), profile(x)  # columns: time, place
random = np.random.RandomState(0)
points = np.column_stack([random.uniform(0, 1, 60), random.uniform(-1, 2, 60)])
transport = DerivativeRows.from_operator(points, {(1, 0): 1.0, (0, 1): speed})

# %%
# The same penalty with and without the equation. Both optima are proved.

plain = train(TrainingProblem(X, y, alpha=alpha), random_state=0)
physics = train_with_derivatives(X, y, alpha, transport, random_state=0)
print("without:", plain.certificate)
print("with:   ", physics.certificate)

# %%
# Without the equation, nothing in the samples depends on time, and the profile stays where it is.
# With it, the profile moves. An equation holds at its points only: with fewer of them, such as 45
# here, the optimum departs from the solution between them.

times, places = np.meshgrid(np.linspace(0, 1, 80), np.linspace(-1, 2, 120), indexing="ij")
grid = np.column_stack([times.ravel(), places.ravel()])
panels = {
    "the solution": profile(places - speed * times),
    "nine samples": plain.network.predict(grid).reshape(times.shape),
    "nine samples and the equation": physics.network.predict(grid).reshape(times.shape),
}

figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
axes = axes.ravel()
for ax, (title, values) in zip(axes, panels.items(), strict=False):
    image = ax.pcolormesh(places, times, values, vmin=-0.1, vmax=1, shading="auto", rasterized=True)
    ax.scatter(X[:, 1], X[:, 0], color="C3", s=25, clip_on=False, zorder=3)
    ax.set(title=title, xlabel="place", ylabel="time")
axes[2].scatter(points[:, 1], points[:, 0], color="white", s=6)
figure.colorbar(image, ax=axes[:2], label="f")
for style, (title, values) in zip(("k:", "C0-", "C1-"), panels.items(), strict=True):
    axes[3].plot(places[-1], values[-1], style, label=title)
axes[3].set(title="at time 1", xlabel="place", ylabel="f", ylim=(-0.2, 1.6))
axes[3].legend(loc="upper left")
plt.show()
