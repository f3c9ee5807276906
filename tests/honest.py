"""What every certificate must be, checked against plain NumPy."""

import numpy as np
import pytest

from tests import reference

EPS = np.finfo(np.float64).eps


def assert_certifies(certificate, network, X, y, alpha, sample_weight=None, *, free_bias=False):
    """The certificate is of this network on these data: its objective is recomputed, its bounds are in order."""
    X = np.asarray(X, dtype=float)
    y = np.reshape(np.asarray(y, dtype=float), (len(X), -1))
    expected = reference.network_objective(network, X, y, alpha, sample_weight, free_bias=free_bias)
    rounding = _rounding_of_outputs(network, X, y)
    rounding = rounding * np.sqrt(2 * expected) + rounding**2
    assert certificate.objective == pytest.approx(expected, rel=1e-12, abs=rounding)
    assert certificate.lower_bound <= certificate.objective * (1 + 1e-12)
    assert certificate.proved_lower_bound <= certificate.objective * (1 + 1e-12)
    assert np.isfinite([certificate.lower_bound, certificate.proved_lower_bound]).all()


def _rounding_of_outputs(network, X, y):
    """How far residuals may be off in float64, whatever the order of summation: large where neurons cancel."""
    hidden = np.abs(X) @ np.abs(network.hidden_weights.T) + np.abs(network.hidden_bias)
    size = hidden @ np.abs(network.output_weights.T) + np.abs(network.output_bias) + np.abs(y)
    n_terms = network.width + X.shape[1]
    return (8 + np.sqrt(n_terms)) * EPS * size.max()


def assert_honest(model, X, y, sample_weight=None):
    """The estimator's certificate is of its network, and its history ends with it."""
    assert_certifies(model.certificate_, model.network_, X, y, model.alpha, sample_weight)
    last = model.history_[-1]
    assert last.objective == model.certificate_.objective
    assert last.lower_bound == model.certificate_.lower_bound
    assert (last.width, last.is_proof) == (model.network_.width, model.certificate_.is_proof)


def assert_same_outputs(one, other, certificates, sample_weight=None, slack=1e-12):
    """Outputs of two solutions of one problem, as near as two proved gaps force them to be.

    The squared error is strongly convex: ``½ ‖f − f*‖² ≤ gap``, in the norm of the sample weights.
    """
    assert all(c.is_proof and c.scope == "global" for c in certificates)
    weights = reference.normalised(sample_weight, len(one))
    distance = np.sqrt(weights @ np.square(one - other))
    assert distance <= sum(np.sqrt(2 * c.gap) for c in certificates) + slack


def assert_same_network(left, right):
    """Bit for bit."""
    for name in ("hidden_weights", "hidden_bias", "output_weights", "output_bias"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
