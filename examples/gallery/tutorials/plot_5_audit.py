"""
An audit of a network trained by Adam
=====================================

How much better could this network have been? ``certify`` answers for networks trained elsewhere, in torch, skorch
or scikit-learn.
"""

# %%
# Somebody's network
# ------------------
# Two columns of the diabetes data, fifty neurons, weight decay, and Adam.
import torch
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

X, y = load_diabetes(return_X_y=True, as_frame=True)
X = StandardScaler().fit_transform(X[["bmi", "s5"]])
y = ((y - y.mean()) / y.std()).to_numpy()
ALPHA = 1e-3

torch.manual_seed(0)
module = torch.nn.Sequential(torch.nn.Linear(2, 50), torch.nn.ReLU(), torch.nn.Linear(50, 1))
module = module.double()
inputs, targets = torch.tensor(X), torch.tensor(y)
decayed = [module[0].weight, module[0].bias, module[2].weight]
optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
for _ in range(1000):
    optimiser.zero_grad()
    loss = 0.5 * (module(inputs)[:, 0] - targets).square().mean()
    loss = loss + 0.5 * ALPHA * sum(part.square().sum() for part in decayed)
    loss.backward()
    optimiser.step()
print(f"objective after 1000 steps: {loss.item():.4f}")

# %%
# The audit
# ---------
# The certificate needs the data and the penalty, and nothing of the training. The second line is about the
# activation cell of the network, that is, all networks whose neurons are active on the same samples: what
# is lost inside the cell, more steps of descent may win; the rest takes other neurons.
from convexrelu import certify

audit = certify(module, X, y, alpha=ALPHA, random_state=0)
print(audit)

# %%
# Mending it
# ----------
# ``improve=True`` continues from this network, and keeps what it finds.
mended = certify(module, X, y, alpha=ALPHA, improve=True, random_state=0)
result = mended.improved
print(result.certificate)
print(f"{result.network.width} neurons")

# %%
# The same in pictures: the objective of the given network, of the mended one, and the bound below both.
import matplotlib.pyplot as plt

bound = result.certificate.lower_bound
names = ["Adam", "mended"]
above = [100 * (value / bound - 1) for value in (audit.objective, result.certificate.objective)]
_, ax = plt.subplots(figsize=(6, 2.2), layout="constrained")
bars = ax.barh(names, above, color=["C1", "C0"])
ax.bar_label(bars, fmt="%.3f %%", padding=4)
kind = "proved" if result.certificate.is_proof else "estimated"
ax.set(xlabel=f"objective above the {kind} bound, in percent", xlim=(0, 1.25 * max(above)))
ax.invert_yaxis()
plt.show()

# %%
# Networks of scikit-learn
# ------------------------
# ``MLPRegressor`` divides its penalty by the number of samples: its ``alpha`` is ours times n.
from sklearn.neural_network import MLPRegressor

mlp = MLPRegressor(
    hidden_layer_sizes=50, alpha=ALPHA * len(X), solver="lbfgs", max_iter=5000, random_state=0
)
print(certify(mlp.fit(X, y), X, y, alpha=ALPHA, random_state=0))
