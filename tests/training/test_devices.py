"""Training on a device: everything that `train` does with few samples."""

import warnings

import numpy as np
import pytest

from convexrelu import ConvexReLURegressor, TrainingProblem, certify, train
from convexrelu.solvers.native.solver import NativeSolver

RANDOM = np.random.RandomState(5)
N = 50
X = RANDOM.standard_normal((N, 3))
SIGNAL = np.abs(X[:, 0]) - 0.5 * X[:, 1] + 0.1 * RANDOM.standard_normal(N)
TARGETS = {
    "squared_error": SIGNAL,
    "logistic": np.where(SIGNAL > 0.5, 1.0, -1.0),
    "multinomial": np.digitize(SIGNAL, [0.0, 1.0]) + 0.0,
    "absolute_error": SIGNAL,
}
# Interior points need every digit; "fista" is for gated programs.
METHODS = [
    ("newton", "float64"),
    ("newton", "float32"),
    ("interior_point", "float64"),
    ("fista", "float64"),
    ("fista", "float32"),
]


def trained(problem, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return train(problem, random_state=0, **options)


@pytest.mark.parametrize(
    ("loss", "oracle"),
    [
        ("multinomial", "search"),
        *((loss, "auto") for loss in list(TARGETS) if loss != "multinomial"),
    ],
)
def test_cutting_planes(loss, oracle, device):
    problem = TrainingProblem(X, TARGETS[loss], 0.1, loss=loss)
    result = trained(problem, oracle=oracle, device=device, tol=1e-2)
    certificate = result.certificate
    assert certificate.relative_gap <= 1e-2
    assert certificate.objective == pytest.approx(problem.objective(result.network), rel=1e-12)


@pytest.mark.parametrize(("method", "dtype"), METHODS)
def test_native_solvers(method, dtype, device):
    gated = method == "fista"
    problem = TrainingProblem(X, SIGNAL, 0.05, activation="gated_relu" if gated else "relu")
    gap = 1e-6 if dtype == "float64" else 1e-3
    there, here = (
        trained(problem, patterns="sampled", n_patterns=10, tol=1e-3, solver=solver)
        for solver in (
            NativeSolver(method, gap, device=device, dtype=dtype),
            NativeSolver(method, 1e-6),
        )
    )
    assert there.certificate.objective == pytest.approx(here.certificate.objective, rel=2 * gap)


def test_a_search_without_time_ends(device):
    problem = TrainingProblem(X, SIGNAL, 0.01)
    result = trained(problem, oracle="search", device=device, time_limit=0.0)
    assert result.certificate.proved_lower_bound <= result.certificate.objective


def test_certify_and_estimators(device):
    model = ConvexReLURegressor(alpha=0.05, device=device, random_state=0).fit(X, SIGNAL)
    options = {"alpha": 0.05, "tol": 0.1, "device": device, "random_state": 0}
    assert certify(model.network_, X, SIGNAL, **options).relative_gap <= 0.1
