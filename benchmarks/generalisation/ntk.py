"""Ridge regression with the neural tangent kernel of two-layer ReLU networks of infinite width.

Of ``f(x) = √(2/m) Σ_j a_j relu(w_jᵀ x̃)``, whose kernel is twice that of the library: hence half of the penalty there.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.preprocessing import LabelBinarizer

from convexrelu.estimators.tangent_kernel import NTKRidge


class NTKRegressor(RegressorMixin, BaseEstimator):
    """``min ‖y − f‖² + alpha ‖f‖²_K``, after the mean of `y` is taken off."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.mean_ = y.mean(axis=0)
        self.ridge_ = NTKRidge(self.alpha / 2, fit_intercept=False).fit(X, y - self.mean_)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.mean_ + self.ridge_.predict(X)


class NTKClassifier(ClassifierMixin, BaseEstimator):
    """The same on targets of ±1, one against the rest."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.labels_ = LabelBinarizer(neg_label=-1)
        targets = self.labels_.fit_transform(y).astype(float).squeeze()  # of two classes one column
        self.classes_ = self.labels_.classes_
        self.regressor_ = NTKRegressor(self.alpha).fit(X, targets)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.labels_.inverse_transform(self.regressor_.predict(X), threshold=0.0)
