"""
Pruning to the smallest network
===============================

Width is a result here, not a choice. Of networks that are equally good, one has only neurons that are needed; a
larger penalty gives a smaller one still.
"""

# %%
# As good, with fewer neurons
# ---------------------------
# Neurons of an optimal network can often be exchanged for others without any change in the objective.
# ``minimal=True`` does so until none can be dropped. The predictions at the samples stay what they are.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from convexrelu import ConvexReLURegressor

X, y = load_diabetes(return_X_y=True, as_frame=True)
X = StandardScaler().fit_transform(X[["bmi", "s5"]])
y = ((y - y.mean()) / y.std()).to_numpy()
X, X_new, y, y_new = train_test_split(X, y, random_state=0)

wide = ConvexReLURegressor(alpha=1e-3, minimal=False, random_state=0).fit(X, y)
small = ConvexReLURegressor(alpha=1e-3, minimal=True, random_state=0).fit(X, y)
for name, model in {"as it comes": wide, "minimal": small}.items():
    print(f"{name}: {model.network_.width} neurons, {model.certificate_}")
print(f"predictions differ by at most {np.abs(wide.predict(X) - small.predict(X)).max():.1e}")

# %%
# Smaller ones
# ------------
# Fewer neurons than that cost something in training. On other samples they need not: most of those neurons
# fit noise. A path of penalties shows both.
from convexrelu import TrainingProblem, regularization_path
from convexrelu.optimal_set import minimal

alphas = np.geomspace(0.3, 1e-3, 14)
path = regularization_path(TrainingProblem(X, y, alpha=1.0), alphas, random_state=0)
assert all(result.certificate.is_proof for result in path)
networks = [
    minimal(result.network, TrainingProblem(X, y, alpha=alpha))
    for result, alpha in zip(path, alphas, strict=True)
]
widths = [network.width for network in networks]
errors = [np.sqrt(np.mean((network.predict(X_new) - y_new) ** 2)) for network in networks]

_, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.plot(alphas, widths, "o-", label="neurons")
ax.set(xscale="log", xlabel="alpha", ylabel="neurons", ylim=(0, None))
twin = ax.twinx()
twin.plot(alphas, errors, "s--", color="C1", label="error on new samples")
twin.set(ylabel="error on new samples (standard deviations)")
ax.legend(handles=[ax.lines[0], twin.lines[0]], loc="upper center")
plt.show()

# %%
# The network with the least error is small enough to be written down:
best = networks[int(np.argmin(errors))]
for weights, bias, output in zip(
    best.hidden_weights, best.hidden_bias, best.output_weights[0], strict=True
):
    print(f"{output:+.2f} * max(0, {weights[0]:+.2f} bmi {weights[1]:+.2f} s5 {bias:+.2f})")
print(f"{best.output_bias[0]:+.2f}")
