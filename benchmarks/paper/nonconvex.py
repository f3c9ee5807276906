"""Ordinary training of a two-layer network of few neurons, as well as it can be done: L-BFGS on rounded kinks.

Neurons of good networks bend exactly at samples, where the objective has kinks that stop gradient methods. These are
rounded off, over a width that shrinks from stage to stage: ``relu(t) ≈ (t + s)²/4s`` where ``|t| ≤ s``. Wide first
roundings lead to few different minima, narrow ones to many.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

LAST_ROUNDING = 1e-5
OPTIONS = {"maxiter": 300, "maxcor": 20, "ftol": 1e-12, "gtol": 1e-12}


class Case(NamedTuple):
    """Data, the penalty of the sum of squares, and whether there are free biases and an intercept."""

    name: str
    X: np.ndarray
    y: np.ndarray
    beta: float
    has_bias: bool

    @property
    def alpha(self) -> float:
        return self.beta / len(self.y)


def descend(case: Case, m: int, rng: np.random.Generator, first_rounding: float) -> float:
    """The objective that `m` neurons reach from random weights, at the smallest penalty that rescaling gives."""
    training = Training(case, m)
    z = training.first_point(rng)
    n_stages = 1 + math.ceil(2 * math.log10(first_rounding / LAST_ROUNDING))
    for width in np.geomspace(first_rounding, LAST_ROUNDING, n_stages):
        z = minimize(training.rounded, z, (width,), "L-BFGS-B", jac=True, options=OPTIONS).x
    return training.objective(z)


class Training:
    """Neurons as one vector: inner weights with biases in the last row, outer weights, then the intercept."""

    def __init__(self, case: Case, m: int) -> None:
        self.X, self.y, self.alpha, self.m = case.X, case.y, case.alpha, m
        self.n_biases = int(case.has_bias)  # rows of biases, and intercepts
        self.design = np.column_stack([case.X, np.ones((len(case.y), self.n_biases))])
        d = case.X.shape[1]
        biases = np.zeros(self.n_biases * m)
        self.penalised = np.concatenate([np.ones(d * m), biases, np.ones(m), biases[:1]])

    def first_point(self, rng: np.random.Generator) -> np.ndarray:
        d = self.X.shape[1]
        inner = rng.standard_normal((self.design.shape[1], self.m))
        inner[:d] /= math.sqrt(d)
        outer = rng.standard_normal(self.m) / math.sqrt(self.m)
        return np.concatenate([inner.ravel(), outer, np.zeros(self.n_biases)])

    def rounded(self, z: np.ndarray, width: float) -> tuple[float, np.ndarray]:
        """Rounded objective and its gradient."""
        inner, outer, intercept = self._parts(z)
        t = self.design @ inner
        slope = np.clip((t + width) / (2 * width), 0.0, 1.0)
        hidden = np.where(t > width, t, width * slope**2)
        residual = hidden @ outer + intercept.sum() - self.y
        v = residual / len(residual)
        by_inner = self.design.T @ (np.outer(v, outer) * slope)
        by_intercept = np.full(self.n_biases, v.sum())
        gradient = np.concatenate([by_inner.ravel(), hidden.T @ v, by_intercept])
        decay = self.alpha * self.penalised * z
        return float(0.5 * residual @ v + 0.5 * decay @ z), gradient + decay

    def objective(self, z: np.ndarray) -> float:
        inner, outer, intercept = self._parts(z)
        outputs = np.maximum(self.design @ inner, 0.0) @ outer + intercept.sum()
        norms = np.linalg.norm(inner[: self.X.shape[1]], axis=0)
        loss = 0.5 * np.mean((outputs - self.y) ** 2)
        return float(loss + self.alpha * norms @ np.abs(outer))

    def _parts(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        inner, outer, intercept = np.split(z, np.cumsum([self.design.shape[1] * self.m, self.m]))
        return inner.reshape(-1, self.m), outer, intercept
