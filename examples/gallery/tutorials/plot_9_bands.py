"""
Bands that cannot cross
=======================

Five quantiles of one quantity as five outputs of one network. Separate networks cross; constraints on the outputs
exclude that, at the samples or, with a proof, wherever data are.
"""

# %%
# Separate networks
# -----------------
# Noise is small in the middle. Levels are close to each other there, and networks that do not know each other cross.
import matplotlib.pyplot as plt
import numpy as np

from convexrelu import ConvexReLUQuantileRegressor, ConvexReLURegressor
from convexrelu.losses import Quantile

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (80, 1))
y = np.abs(X[:, 0]) + 0.4 * np.abs(X[:, 0]) * rng.standard_normal(80)
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
t = np.linspace(-1.2, 1.2, 1000)[:, None]


def separate(level):
    model = ConvexReLURegressor(3e-4, loss=Quantile(level), effort="predict", random_state=0)
    return model.fit(X, y).predict(t)


apart = np.column_stack([separate(level) for level in LEVELS])
print(f"separate networks cross at {np.mean(np.diff(apart, axis=1).min(axis=1) < 0):.0%} of inputs")

# %%
# One network
# -----------
# ``no_crossing="box"`` demands ascending outputs between the least and the greatest input. Branch and bound finds where
# the network violates that most, training goes on with these points, and in the end there is a proof. The penalty is
# larger than above, as the five losses share neurons.
bands = ConvexReLUQuantileRegressor(LEVELS, 3e-3, no_crossing="box", random_state=0).fit(X, y)
print(bands.certificate_)
print("proved that no quantiles cross:", bands.crossing_.is_safe)
together = bands.predict(t)

# %%
# The constraint is a part of training: the certificate compares with all networks that do not cross.
_, axes = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True, layout="constrained")
for axis, outputs, title in zip(axes, (apart, together), ("separate", "one network"), strict=True):
    axis.scatter(X[:, 0], y, s=8, color="grey")
    for k, level in enumerate(LEVELS):
        axis.plot(t[:, 0], outputs[:, k], label=f"{level:.0%}", color=plt.cm.viridis(0.9 * k / 4))
    axis.set(title=title, xlabel="x")
for end in bands.box_[:, 0]:
    axes[1].axvline(end, color="grey", linestyle=":", linewidth=1)
axes[0].set_ylabel("y")
axes[1].legend(title="quantile", loc="upper center")
plt.show()

# %%
# Outside of the box
# ------------------
# Dotted lines are the ends of the box. Outside, nothing was demanded. The same bounds say what happens there.
far = bands.crossing(-100.0, 100.0)
print("proved that no quantiles cross from -100 to 100:", far.is_safe)
print("largest differences of neighbours:", far.value.round(3))
