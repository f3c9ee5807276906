"""Ten small problems whose optima are proved, with data to test on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import make_moons

from convexrelu import TrainingProblem

Rows = tuple[np.ndarray, np.ndarray]
N_TEST = 1000


@dataclass(frozen=True)
class Problem:
    """A training problem and test data."""

    name: str
    training: TrainingProblem
    X_test: np.ndarray
    y_test: np.ndarray

    @property
    def is_classification(self) -> bool:
        return self.training.loss.name == "logistic"

    def error(self, outputs: np.ndarray) -> float:
        """Share of wrong classes, or mean squared error, on the test data."""
        if self.is_classification:
            return float(np.mean(np.sign(outputs) != self.y_test))
        return float(np.mean((outputs - self.y_test) ** 2))


def problems() -> list[Problem]:
    """Seven of regression and three of classification, with one or two features."""
    line, plane = _on_a_line, _on_a_plane
    return [
        _made("absolute value", line(lambda x: np.abs(x), 0.1), 40, 0.01),
        _made("sine", line(lambda x: np.sin(6 * x), 0.2), 50, 0.003),
        _made("step", line(lambda x: np.sign(x), 0.1), 40, 0.01),
        _made("sawtooth", line(lambda x: 2 * np.abs(3 * x % 1 - 0.5), 0.05), 60, 0.001),
        _made("saddle", plane(lambda X: 2 * X[:, 0] * X[:, 1], 0.1), 40, 0.02),
        _made("ring", plane(lambda X: np.cos(4 * np.hypot(*X.T)), 0.1), 40, 0.02),
        _made("teacher", plane(_teacher, 0.1), 50, 0.01),
        _made("interval", line(lambda x: np.where(np.abs(x) < 0.5, 1.0, -1.0), 0.0), 40, 0.005),
        _made("XOR", plane(lambda X: np.where(X[:, 0] * X[:, 1] > 0, 1.0, -1.0), 0.0), 40, 0.01),
        _made("moons", _moons, 40, 0.01),
    ]


def _made(
    name: str, sample: Callable[[int, np.random.RandomState], Rows], n: int, alpha: float
) -> Problem:
    X, y = sample(n, np.random.RandomState(0))
    X_test, y_test = sample(N_TEST, np.random.RandomState(1))
    loss = "logistic" if np.isin(y, (-1.0, 1.0)).all() else "squared_error"
    return Problem(name, TrainingProblem(X, y, alpha, loss=loss), X_test, y_test)


def _on_a_line(
    function: Callable[[np.ndarray], np.ndarray], noise: float
) -> Callable[[int, np.random.RandomState], Rows]:
    def sample(n: int, random: np.random.RandomState) -> Rows:
        X = random.uniform(-1, 1, (n, 1))
        return X, function(X[:, 0]) + noise * random.standard_normal(n)

    return sample


def _on_a_plane(
    function: Callable[[np.ndarray], np.ndarray], noise: float
) -> Callable[[int, np.random.RandomState], Rows]:
    def sample(n: int, random: np.random.RandomState) -> Rows:
        X = random.uniform(-1, 1, (n, 2))
        return X, function(X) + noise * random.standard_normal(n)

    return sample


def _teacher(X: np.ndarray) -> np.ndarray:
    """Three neurons."""
    inner = np.array([[1.0, 0.5], [-1.0, 1.0], [0.2, -1.0]])
    return np.maximum(X @ inner.T + np.array([0.0, 0.3, -0.2]), 0.0) @ np.array([1.0, -1.0, 1.5])


def _moons(n: int, random: np.random.RandomState) -> Rows:
    X, labels = make_moons(n, noise=0.2, random_state=random)
    return X, 2.0 * labels - 1.0
