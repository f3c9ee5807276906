"""The regularised loss of a network and a bound below it, in NumPy alone: nothing of the library is asked.

A network is judged at the smallest penalty that rescaling its neurons gives, ``Σ_j ‖(w_j, b_j)‖ ‖a_j‖``, in float64.
The bound is the dual value at the network's own residual ``v``, scaled by the largest ``‖Vᵀ relu(X̃u)‖`` that ascents
from random starts find. It is an estimate: a larger one may have been missed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax, xlogy

Array = NDArray[np.float64]

# Of ascents on the sphere, and by how much a step is shorter than the one before: maxima are at kinks.
N_STARTS, N_STEPS, SHORTER = 1024, 150, 0.95


@dataclass(frozen=True)
class Network:
    """Arrays of shapes (m, d), (m,), (K, m) and (K,)."""

    hidden_weights: Array
    hidden_bias: Array
    output_weights: Array
    output_bias: Array

    @classmethod
    def constant(cls, n_features: int, value: Array) -> Network:
        value = np.atleast_1d(value)
        return cls(np.zeros((0, n_features)), np.zeros(0), np.zeros((len(value), 0)), value)

    def predict(self, X: Array) -> Array:
        """Outputs of shape (n, K)."""
        hidden = np.maximum(X @ self.hidden_weights.T + self.hidden_bias, 0.0)
        return hidden @ self.output_weights.T + self.output_bias

    def directions(self) -> Array:
        return np.column_stack([self.hidden_weights, self.hidden_bias])

    def penalty(self) -> float:
        inner = np.linalg.norm(self.directions(), axis=1)
        return float(inner @ np.linalg.norm(self.output_weights, axis=0))


def objective(network: Network, X: Array, y: Array, alpha: float, loss: str) -> float:
    """Mean loss plus penalty; infinite where a network has diverged."""
    with np.errstate(all="ignore"):
        value = _data_fit(network.predict(X), y, loss) + alpha * network.penalty()
    return value if np.isfinite(value) else np.inf


def searched_bound(network: Network, X: Array, y: Array, alpha: float, loss: str) -> float:
    """Dual value at the residual, scaled by what a search finds; not above the objective of the network."""
    f = network.predict(X)
    targets = y[:, None] if loss == "squared_error" else np.eye(f.shape[1])[y.astype(int)]
    fitted = f if loss == "squared_error" else softmax(f, axis=1)
    v = (targets - fitted) / len(y)
    v -= v.mean(axis=0)  # the intercept is free
    largest = alpha / max(_largest(np.column_stack([X, np.ones(len(X))]), v, network), 1e-300)
    # With several classes t v is in the domain of the conjugate up to t = 1.
    largest = min(largest, 1.0 if loss == "multinomial" else 1e9)
    values = [_dual(v, largest, targets, loss), 0.0]
    values.append(
        -minimize_scalar(
            lambda t: -_dual(v, t, targets, loss), bounds=(0, largest), method="bounded"
        ).fun
    )
    return float(max(values))


def _data_fit(f: Array, y: Array, loss: str) -> float:
    if loss == "squared_error":
        return 0.5 * float(np.mean(np.square(f[:, 0] - y)))
    return float(np.mean(logsumexp(f, axis=1) - f[np.arange(len(y)), y.astype(int)]))


def _dual(v: Array, t: float, targets: Array, loss: str) -> float:
    """``−F*(−tv)``: half a quadratic, or the mean entropy of the distributions ``targets − n t v``."""
    n = len(v)
    if loss == "squared_error":
        return float(t * np.vdot(v, targets) - 0.5 * n * t * t * np.vdot(v, v))
    p = np.maximum(targets - n * t * v, 0.0)  # centring may leave it by a rounding
    return -float(xlogy(p, p).sum()) / n


def _largest(design: Array, v: Array, network: Network) -> float:
    """The largest ``‖Vᵀ relu(X̃u)‖`` over unit vectors that a search finds, from random ones and the network's own."""
    rng = np.random.default_rng(0)
    starts = np.vstack([rng.standard_normal((N_STARTS, design.shape[1])), network.directions()])
    lengths = np.linalg.norm(starts, axis=1, keepdims=True)
    u, best = (starts / np.where(lengths > 0, lengths, 1.0)).T, 0.0
    for step in range(N_STEPS):
        inner = design @ u
        outer = v.T @ np.maximum(inner, 0.0)
        sizes = np.linalg.norm(outer, axis=0)
        best = max(best, float(sizes.max()))
        slopes = design.T @ ((inner > 0) * (v @ (outer / np.maximum(sizes, 1e-300))))
        u = u + SHORTER**step * slopes / np.maximum(np.linalg.norm(slopes, axis=0), 1e-300)
        u /= np.maximum(np.linalg.norm(u, axis=0), 1e-300)
    return best
