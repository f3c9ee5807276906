"""Ridge regression with the neural tangent kernel of two-layer ReLU networks of infinite width.

Of ``f(x) = √(2/m) Σ_j a_j relu(w_jᵀ x̃)`` with ``x̃ = (x, 1)``, standard normal weights and all of them trained
(Jacot, Gabriel & Hongler 2018), with the arc-cosine kernels of Cho & Saul (2009):

    K(x, z) = (‖x̃‖ ‖z̃‖ (sin θ + (π − θ) cos θ) + x̃ᵀz̃ (π − θ)) / π,    θ the angle of x̃ and z̃.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.kernel_ridge import KernelRidge
from sklearn.preprocessing import LabelBinarizer


def tangent_kernel(X: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """Kernel matrix of the rows of `X` and `Z`."""
    X, Z = (np.column_stack([A, np.ones(len(A))]) for A in (X, Z))
    norms = np.outer(np.linalg.norm(X, axis=1), np.linalg.norm(Z, axis=1))
    inner = X @ Z.T
    cosine = np.clip(inner / norms, -1.0, 1.0)
    beyond = np.pi - np.arccos(cosine)
    return (norms * (np.sqrt(1.0 - cosine**2) + beyond * cosine) + inner * beyond) / np.pi


class NTKRegressor(RegressorMixin, BaseEstimator):
    """``min ‖y − f‖² + alpha ‖f‖²_K``, after the mean of `y` is taken off."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.X_, self.mean_ = X, y.mean(axis=0)
        ridge = KernelRidge(alpha=self.alpha, kernel="precomputed")
        self.ridge_ = ridge.fit(tangent_kernel(X, X), y - self.mean_)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.mean_ + self.ridge_.predict(tangent_kernel(X, self.X_))


class NTKClassifier(ClassifierMixin, BaseEstimator):
    """The same on targets of ±1, one against the rest."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.labels_ = LabelBinarizer(neg_label=-1)
        targets = self.labels_.fit_transform(y).astype(float)
        self.classes_ = self.labels_.classes_
        self.regressor_ = NTKRegressor(self.alpha).fit(X, targets)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.labels_.inverse_transform(self.regressor_.predict(X), threshold=0.0)
