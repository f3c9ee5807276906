"""
Recovering a planted network
============================

Targets come from a small network with Gaussian inputs. Decomposing tensors of moments recovers its neurons without
training, exactly from exact moments and slowly from samples (Awasthi, Tang & Vijayaraghavan 2021). The convex fit
does not know that there is a teacher, and becomes it once there are enough samples.
"""

# %%
# From moments: exact tensors give the neurons to rounding, samples give them with an error that
# falls as one over the root of their number.

import matplotlib.pyplot as plt
import numpy as np

from convexrelu import TrainingProblem, train
from convexrelu.baselines.planted import (
    neuron_error,
    planted_network,
    population_moments,
    recover_network,
    sample_moments,
)

teachers = [planted_network(6, 4, random_state=seed) for seed in range(8)]
exact = [
    neuron_error(recover_network(population_moments(t), 4, random_state=0), t) for t in teachers
]
sizes = np.array([1_000, 3_000, 10_000, 30_000, 100_000, 300_000])


def error_from_samples(teacher, n, seed):
    X = np.random.default_rng(seed).standard_normal((n, 6))
    moments = sample_moments(X, teacher.predict(X), width=4)
    return neuron_error(recover_network(moments, 4, random_state=0), teacher)


errors = np.array([[error_from_samples(t, n, s) for n in sizes] for s, t in enumerate(teachers)])
print(f"from exact moments: largest error of a weight, bias or outer weight {max(exact):.1e}")

# %%
# By the convex fit: its test error, and how far the teacher's objective is above the proved lower
# bound. Where that is a few thousandths, no network has an objective that is lower than the
# teacher's by more. It ends near a thousandth, the gap at which training stops.

small = planted_network(4, 2, random_state=3)
Z = np.random.default_rng(9).standard_normal((4_000, 4))
ratios = np.array([2, 3, 4, 6, 8, 12, 16])
test_errors, above = [], []
for ratio in ratios:
    X = np.random.default_rng(0).standard_normal((4 * ratio, 4))
    problem = TrainingProblem(X, small.predict(X), alpha=1e-4)
    result = train(problem, random_state=0)
    wanted = small.predict(Z)
    test_errors.append(np.mean((result.network.predict(Z) - wanted) ** 2) / wanted.var())
    above.append(problem.objective(small.balance()) / result.certificate.proved_lower_bound - 1)

# %%
# Both ways, side by side.

_, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.loglog(sizes, errors.T, color="C0", alpha=0.25, linewidth=1)
left.loglog(sizes, np.median(errors, axis=0), "o-", color="C0", label="median of eight teachers")
left.loglog(sizes, 30 / np.sqrt(sizes), "k:", label="slope of one over the root of n")
left.set(
    xlabel="samples n",
    ylabel="largest error of a neuron",
    title="From moments: 6 features, 4 neurons",
)
left.legend()
right.semilogy(ratios, test_errors, "o-", color="C0", label="test error of the convex fit")
right.semilogy(ratios, above, "s-", color="C1", label="teacher above the proved bound")
right.set(
    xlabel="samples a feature, n/d",
    ylabel="relative",
    title="By the convex fit: 4 features, 2 neurons",
)
right.legend()
plt.show()
