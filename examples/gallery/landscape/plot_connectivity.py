"""
Are the optimal networks connected?
===================================

Some problems have many optimal networks. Can one be changed into another without any loss on the way? That
depends on the width: with as few neurons as possible they are separate points, and with enough of them they are
one piece (Kim, Mishkin & Pilanci 2025). Here the pieces are counted for every width.
"""

# %%
# Samples on a circle, all with the target one. The bound is proved, and all optimal networks are known.
import matplotlib.pyplot as plt
import numpy as np

from convexrelu import TrainingProblem, train
from convexrelu.landscape import (
    ConnectivityDisplay,
    ConstantPathDisplay,
    optimal_connectivity,
    optimal_path,
)
from convexrelu.optimal_set import optimal_polytope


def solved(n):
    angles = 2 * np.pi * np.arange(n) / n + 0.3
    X = np.column_stack([np.cos(angles), np.sin(angles)])
    problem = TrainingProblem(X, np.ones(n), alpha=0.02, hidden_bias=False, fit_intercept=False)
    result = train(problem, tol=1e-9, random_state=0)
    assert result.certificate.is_proof
    return result.certificate, optimal_connectivity(optimal_polytope(result.network, problem))


# %%
# The number of pieces for three samples, and for four. Different orders of the same neurons are different
# points. Between the widths that the theorem names, the answer depends on the problem.
figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for n, ax in zip((3, 4), axes, strict=True):
    certificate, found = solved(n)
    ConnectivityDisplay.from_connectivity(found, ax=ax)
    ax.set_title(f"{n} samples: {len(found.scales)} minimal networks")
plt.show()

# %%
# With four samples there are two minimal networks with two neurons each, which have none in common. At a width
# of four there is a path: the neurons of one network shrink while those of the other grow, and then move to
# their places. The objective stays on the bound.
first, last = found.vertex(0), found.vertex(1)
assert optimal_path(found, first, last, width=3) is None
path = optimal_path(found, first, last, width=4)
print(f"largest rise on the path, relative: {path.largest_rise():.1e}")
figure, axes = plt.subplots(2, 1, figsize=(8, 5.5), sharex=True, layout="constrained")
ConstantPathDisplay.from_path(
    path, lower_bound=certificate.lower_bound, is_proof=certificate.is_proof, ax=tuple(axes)
)
plt.show()
