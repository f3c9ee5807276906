"""The library's network and objective, trained by full-batch Adam in plain torch.

    mean loss + (alpha/2) Σ_j (‖w_j‖² + b_j² + ‖a_j‖²)

with half the squared error, the logistic loss for two classes, or cross-entropy. Weights start as torch's own layers
do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from torch.nn import functional


class AdamNetwork(BaseEstimator):
    """What regression and classification have in common."""

    def __init__(
        self,
        alpha: float = 1e-3,
        rate: float = 0.01,
        width: int = 100,
        steps: int = 1000,
        random_state: int = 0,
    ) -> None:
        self.alpha = alpha
        self.rate = rate
        self.width = width
        self.steps = steps
        self.random_state = random_state

    def _train(
        self, X: np.ndarray, n_outputs: int, loss: Callable[[torch.Tensor], torch.Tensor]
    ) -> Self:
        torch.manual_seed(self.random_state)
        inputs = torch.as_tensor(X, dtype=torch.float32)
        hidden = torch.nn.Linear(X.shape[1], self.width)
        output = torch.nn.Linear(self.width, n_outputs)
        self.module_ = torch.nn.Sequential(hidden, torch.nn.ReLU(), output)
        decayed = {"params": [hidden.weight, hidden.bias, output.weight]}
        # Adam adds weight_decay · p to the gradient, which is that of the penalty.
        groups = [decayed | {"weight_decay": self.alpha}, {"params": [output.bias]}]
        optimiser = torch.optim.Adam(groups, lr=self.rate, fused=True)
        for _ in range(self.steps):
            optimiser.zero_grad()
            loss(self.module_(inputs)).backward()
            optimiser.step()
        return self

    @torch.no_grad()
    def _outputs(self, X: np.ndarray) -> np.ndarray:
        return self.module_(torch.as_tensor(X, dtype=torch.float32)).numpy().astype(np.float64)


class AdamRegressor(RegressorMixin, AdamNetwork):
    """Half the squared error."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        y = torch.as_tensor(y, dtype=torch.float32)
        return self._train(X, 1, lambda outputs: 0.5 * (outputs[:, 0] - y).square().mean())

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self._outputs(X)[:, 0]


class AdamClassifier(ClassifierMixin, AdamNetwork):
    """One output for two classes, else one for each."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.classes_, labels = np.unique(y, return_inverse=True)
        labels = torch.as_tensor(labels)
        if len(self.classes_) > 2:
            return self._train(X, len(self.classes_), lambda f: functional.cross_entropy(f, labels))
        logistic = functional.binary_cross_entropy_with_logits
        return self._train(X, 1, lambda f: logistic(f[:, 0], labels.float()))

    def predict(self, X: np.ndarray) -> np.ndarray:
        outputs = self._outputs(X)
        if len(self.classes_) > 2:
            return self.classes_[outputs.argmax(axis=1)]
        return self.classes_[(outputs[:, 0] > 0).astype(int)]
