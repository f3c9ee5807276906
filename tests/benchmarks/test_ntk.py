"""The closed form of the tangent kernel, against gradients of a wide random network."""

import numpy as np

from benchmarks.generalisation.ntk import NTKClassifier, NTKRegressor, tangent_kernel


def test_kernel_is_that_of_a_wide_network():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5, 3))
    width = 200_000
    extended = np.column_stack([X, np.ones(5)])
    W, a = rng.standard_normal((4, width)), rng.standard_normal(width)
    hidden = extended @ W
    # The gradient is √(2/m) relu(w_jᵀx̃) by a_j, and √(2/m) a_j 1{w_jᵀx̃ > 0} x̃ by w_j.
    active = (hidden > 0) * a
    by_output = np.maximum(hidden, 0) @ np.maximum(hidden, 0).T
    by_hidden = (active @ active.T) * (extended @ extended.T)
    np.testing.assert_allclose(
        tangent_kernel(X, X[:2]), 2 / width * (by_output + by_hidden)[:, :2], rtol=0.03, atol=0.05
    )


def test_small_penalty_interpolates():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 2)), rng.standard_normal(20)
    np.testing.assert_allclose(NTKRegressor(1e-10).fit(X, y).predict(X), y, atol=1e-5)
    for labels in (np.where(y > 0, "a", "b"), np.digitize(y, [-0.5, 0.5])):
        assert (NTKClassifier(1e-10).fit(X, labels).predict(X) == labels).all()
