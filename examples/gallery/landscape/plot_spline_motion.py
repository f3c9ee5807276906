"""
Splines in motion
=================

A network with one feature is a linear spline. Under gradient flow its knots move along the axis, or stay where they
began, depending on the size of the first weights. With weight decay the objective can be compared with a proved lower
bound.
"""

# %%
# Common initialisations differ in how rough the first function is. Knots are spread as a Cauchy distribution, and
# the variance of the slope is ``(H/2) σ_w² σ_a²``.

import matplotlib.pyplot as plt
import numpy as np

from convexrelu import TrainingProblem, train
from convexrelu.landscape import SplineMotionDisplay, initialisation, random_spline, spline_motion

grid = np.linspace(-3, 3, 600)[:, None]
figure, axes = plt.subplots(1, 3, figsize=(9, 3), sharey=True, layout="constrained")
for ax, name in zip(axes, ("he", "glorot", "torch"), strict=True):
    initial = initialisation(name, 512)
    for seed in range(8):
        ax.plot(grid, random_spline(initial, random_state=seed).predict(grid), lw=1)
    ax.set(title=f"{name}: slope variance {initial.slope_variance:.2g}", xlabel="x")
_ = axes[0].set_ylabel("random networks")

# %%
# Small weights: the adaptive regime. Knots move to where the data bend, and end near those of the optimum, whose
# objective is proved.

X = np.linspace(-1, 1, 16)[:, None]
y = np.where(np.abs(X[:, 0]) < 0.5, 1 - 2 * np.abs(X[:, 0]), 0.0)
alpha = 1e-3
best = train(TrainingProblem(X, y, alpha), tol=1e-4, random_state=0)
print(best.certificate)


def motion_from(scale, t_end):
    start = random_spline(
        initialisation("he", 40).scaled(scale), without_output=True, random_state=0
    )
    return spline_motion(start, X, y, t_end=t_end, alpha=alpha, n_times=160, rtol=1e-3)


adaptive = motion_from(0.1, 3000.0)
small = SplineMotionDisplay.from_motion(adaptive, optimum=best)

# %%
# Large weights: the kernel regime. The data are fitted while knots hardly move, and the tangent kernel stays. The
# objective is nearly all penalty then, which would take much longer to decay.

lazy = motion_from(2.0, 30.0)
large = SplineMotionDisplay.from_motion(lazy, optimum=best)
for name, motion in (("small weights", adaptive), ("large weights", lazy)):
    print(
        f"{name}: data fit {motion.data_fits[-1]:.4f}, kernel changed by {motion.kernel_change:.2f} of its size, "
        f"knots moved by {motion.knot_movement:.3f} of the range"
    )

# %%
# The adaptive run as an animation.

animation = small.animation(n_frames=50)
