"""
A proof on real data
====================

No network of any width fits these data better than this one, up to a gap in the third digit. Branch and bound
proves it; the proof goes into a file that anybody can check with a short program.
"""

# %%
# Three measurements of iris flowers
# ----------------------------------
# How well does a network predict the width of a petal from the other three measurements?
import os
import tempfile

import numpy as np
from sklearn.datasets import load_iris

from convexrelu import TrainingProblem, train

table = load_iris().data
table = (table - table.mean(axis=0)) / table.std(axis=0)
X, y = table[:, :3], table[:, 3]
problem = TrainingProblem(X, y, alpha=0.01)
result = train(problem, tol=1e-3, oracle="prove", random_state=0)
print(result.certificate)
print(f"{result.network.width} neurons, R² = {1 - np.var(y - result.network.predict(X)):.3f}")

# %%
# What is proved
# --------------
# The certificate is a statement about all networks with one hidden layer, of one neuron or of a million:
# none has a training objective below the bound. It does not say that other data are predicted well.
assert result.certificate.is_proof and result.certificate.scope == "global"
result.certificate

# %%
# The fit, for three kinds of iris:
import matplotlib.pyplot as plt

_, ax = plt.subplots(figsize=(5, 4.5), layout="constrained")
for kind, name in enumerate(load_iris().target_names):
    rows = load_iris().target == kind
    ax.scatter(result.network.predict(X[rows]), y[rows], s=12, label=name)
ax.plot([-2, 2], [-2, 2], color="black", linewidth=0.8)
ax.set(xlabel="predicted width of the petal", ylabel="measured (standard deviations)")
ax.legend()
plt.show()

# %%
# A file for those who do not trust this library
# ----------------------------------------------
# The file has network, dual point and all boxes. ``tools/check_proof.py`` of the repository checks it in exact
# fractions, with nothing but the standard library of Python: see :doc:`/proofs`.
folder = tempfile.mkdtemp()
gap = result.save_proof(os.path.join(folder, "iris.proof"))
np.save(os.path.join(folder, "X.npy"), X)
np.save(os.path.join(folder, "y.npy"), y)
size = os.path.getsize(os.path.join(folder, "iris.proof"))
print(f"gap proved in the file: {gap:.1e}; {size / 1e3:.0f} kB")
