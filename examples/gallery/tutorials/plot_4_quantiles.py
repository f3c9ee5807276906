"""
Bands of quantiles
==================

A prediction with its spread: one network for each quantile, by the quantile loss. On new samples the band holds
about as many as it should; conformal correction makes up for what it misses.
"""

# %%
# Three networks
# --------------
# Noise grows from left to right. The level of the loss says which quantile a network learns.
import matplotlib.pyplot as plt
import numpy as np

from convexrelu import ConvexReLURegressor
from convexrelu.losses import Quantile

rng = np.random.default_rng(0)


def draw(n):
    X = rng.uniform(0, 3, (n, 1))
    return X, np.sin(2 * X[:, 0]) + 0.2 * (0.3 + X[:, 0]) * rng.standard_normal(n)


X, y = draw(300)
LEVELS = (0.05, 0.5, 0.95)
models = {
    level: ConvexReLURegressor(0.003, loss=Quantile(level), random_state=0).fit(X, y)
    for level in LEVELS
}
for level, model in models.items():
    print(f"{level}: {model.certificate_}")

# %%
# Does the band hold?
# -------------------
# Nine in ten samples should be between the outer two. Quantile networks can cross, so the limits are sorted.
X_new, y_new = draw(2000)


def band(X):
    return np.sort([models[level].predict(X) for level in (0.05, 0.95)], axis=0)


low, high = band(X_new)
print(f"inside: {np.mean((low <= y_new) & (y_new <= high)):.1%} of new samples")

# %%
# Conformal correction
# --------------------
# How far must both limits move so that nine in ten of some other samples are inside? Then as many new ones are,
# on average over such samples, whatever their distribution. `MAPIE <https://mapie.readthedocs.io>`_ does this
# for any scikit-learn estimator.
X_other, y_other = draw(200)
low_other, high_other = band(X_other)
misses = np.maximum(low_other - y_other, y_other - high_other)
move = np.sort(misses)[int(np.ceil(0.9 * (len(misses) + 1))) - 1]
inside = (low - move <= y_new) & (y_new <= high + move)
print(f"limits move by {move:.3f}; inside: {inside.mean():.1%}")

# %%
t = np.linspace(0, 3, 300)[:, None]
low, high = band(t)
_, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.scatter(X[:, 0], y, s=8, color="grey", label="samples")
ax.plot(t[:, 0], low - move, "--", t[:, 0], high + move, "--", color="C1", linewidth=1)
ax.lines[0].set_label("corrected")
ax.fill_between(t[:, 0], low, high, alpha=0.25, color="C0", label="5 % to 95 %")
ax.plot(t[:, 0], models[0.5].predict(t), color="C0", label="median")
ax.set(xlabel="x", ylabel="y")
ax.legend(loc="upper right")
plt.show()
