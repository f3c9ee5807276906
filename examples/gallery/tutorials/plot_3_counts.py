"""
Counts with exposure
====================

How often something happens, where samples were watched for different times: the Poisson loss with ``exposure``.
"""

# %%
# Claims of drivers
# -----------------
# Made data: each driver has an age, a mileage and an exposure, the years that the contract ran. The rate of
# claims per year is high for the young, rises again with old age, and grows with mileage.
import matplotlib.pyplot as plt
import numpy as np

rng = np.random.default_rng(0)
n = 1200
age, mileage = rng.uniform(18, 85, n), rng.uniform(0, 30, n)
exposure = rng.uniform(0.1, 1.0, n)


def true_rate(age, mileage):
    return 0.15 * np.exp(np.abs(age - 50) / 22 + mileage / 40)


claims = rng.poisson(exposure * true_rate(age, mileage))
X = np.column_stack([age, mileage])
print(f"{claims.sum()} claims in {exposure.sum():.0f} years")

# %%
# What exposure does
# ------------------
# The number of claims of a driver with exposure :math:`e` is Poisson with mean :math:`e\,\lambda(x)`. Up to
# constants its negative log-likelihood is
#
# .. math::
#
#    e\,\lambda(x) - k \log \lambda(x) = e \Bigl(\lambda(x) - \frac{k}{e} \log \lambda(x)\Bigr),
#
# that is, :math:`e` times the Poisson loss of the rate :math:`k / e`. So counts with ``exposure`` are the same as rates
# with the exposures as ``sample_weight``, which the linear model of scikit-learn takes. No row has to be left out, not
# even the many without a claim.
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import mean_poisson_deviance
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from convexrelu import ConvexReLURegressor

rate = claims / exposure
train, test = train_test_split(np.arange(n), random_state=0)
scaler = StandardScaler().fit(X[train])
Z = scaler.transform(X)
network = ConvexReLURegressor(alpha=0.005, loss="poisson", random_state=0)
network.fit(Z[train], claims[train], exposure=exposure[train])
print(network.certificate_)

linear = PoissonRegressor(alpha=1e-4).fit(Z[train], rate[train], sample_weight=exposure[train])
for name, model in {"network": network, "linear": linear}.items():
    deviance = mean_poisson_deviance(
        rate[test], model.predict(Z[test]), sample_weight=exposure[test]
    )
    print(f"{name}: deviance {deviance:.3f}")

# %%
# ``predict`` returns rates per year, and with ``exposure`` expected counts. Their sum over all drivers is the number
# of claims: the intercept is not penalised.
expected = network.predict(Z[train], exposure=exposure[train])
print(f"expected {expected.sum():.1f}, counted {claims[train].sum()}")

# %%
# The rates over age, at a mileage of 15:
ages = np.linspace(18, 85, 200)
grid = scaler.transform(np.column_stack([ages, np.full(200, 15.0)]))
_, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.plot(ages, true_rate(ages, 15.0), color="black", label="truth")
ax.plot(ages, network.predict(grid), label="network")
ax.plot(ages, linear.predict(grid), label="linear")
ax.set(xlabel="age", ylabel="claims per year", ylim=(0, None))
ax.legend()
plt.show()
