"""Fits as people make them: raw targets, wide tables, rare classes, images; with defaults, and for predictions only."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from benchmarks.common import mnist, quick_asked, real_data, real_names, report
from convexrelu import ConvexReLUClassifier, ConvexReLURegressor

Data = tuple[Any, np.ndarray]
Case = Callable[[], tuple[Data, Data, Any]]  # to train and to score on, and a model
EFFORTS = ("certify", "predict")


def main() -> None:
    """Seconds, gap, width and score, with effort="certify" and "predict"; single runs."""
    quick = quick_asked(main.__doc__)
    warnings.simplefilter("ignore")  # scales are far off on purpose
    names = ["diabetes, raw y, relative alpha"] if quick else list(CASES)
    _fit(names[0], "predict")  # imports are not timed
    rows = [_fit(name, effort) for name in names for effort in EFFORTS]
    if IMAGES in names:
        rows.append(_fit_perceptron())
    report("everyday", rows, write=not quick)


def _fit(name: str, effort: str) -> dict[str, Any]:
    train, test, model = CASES[name]()
    model.set_params(effort=effort, random_state=0)
    began = time.perf_counter()
    model.fit(*train)
    return {
        "case": name,
        "effort": effort,
        "seconds": time.perf_counter() - began,
        "status": model.status_.name,
        "gap": f"{model.certificate_.relative_gap:.1e}",
        "proved": model.certificate_.is_proof,
        "width": model.network_.width,
        "score": model.score(*test),
    }


def _fit_perceptron() -> dict[str, Any]:
    """The same images by scikit-learn, which knows no gap."""
    train, test, _ = CASES[IMAGES]()
    model = MLPClassifier(max_iter=30, random_state=0)
    began = time.perf_counter()
    model.fit(*train)
    return {
        "case": IMAGES,
        "effort": "MLPClassifier, 30 epochs",
        "seconds": time.perf_counter() - began,
        "status": "",
        "gap": "",
        "proved": "",
        "width": model.hidden_layer_sizes[0],
        "score": model.score(*test),
    }


def _scored_where_trained(X: Any, y: np.ndarray, model: Any) -> tuple[Data, Data, Any]:
    return (X, y), (X, y), model


def _diabetes(scale: str, *, raw: bool = True) -> tuple[Data, Data, Any]:
    X, y = load_diabetes(return_X_y=True)
    X, _, y, _ = train_test_split(StandardScaler().fit_transform(X), y, random_state=0)
    return _scored_where_trained(X, y if raw else (y - y.mean()) / y.std(), _at_scale(scale))


def _prices(factor: float, scale: str = "relative") -> tuple[Data, Data, Any]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 3))
    y = factor * (np.abs(X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(80)) + 2.5 * factor
    return _scored_where_trained(X, y, _at_scale(scale))


def _at_scale(scale: str) -> ConvexReLURegressor:
    """A penalty that follows the units of the targets, or one that does not."""
    return ConvexReLURegressor(alpha=0.02 if scale == "relative" else 0.01, alpha_scale=scale)


def _wide(sparse: bool) -> tuple[Data, Data, Any]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 500))
    y = rng.standard_normal(20)
    return _scored_where_trained(csr_array(X) if sparse else X, y, ConvexReLURegressor())


def _one_positive() -> tuple[Data, Data, Any]:
    X = np.random.default_rng(0).standard_normal((3000, 4))
    y = np.zeros(3000, dtype=int)
    y[0] = 1
    return _scored_where_trained(X, y, ConvexReLUClassifier(class_weight="balanced"))


def _real() -> tuple[Data, Data, Any]:
    name = "concrete" if "concrete" in real_names() else real_names()[0]
    return _scored_where_trained(*real_data(name), ConvexReLURegressor(alpha=0.003))


def _images() -> tuple[Data, Data, Any]:
    images, digits = mnist()
    model = ConvexReLUClassifier(alpha=1e-3, time_limit=60)
    return (images[:8000], digits[:8000]), (images[8000:], digits[8000:]), model


CASES: dict[str, Case] = {
    "concrete, alpha = 0.003": _real,
    "diabetes, standardised X, raw y": lambda: _diabetes("absolute"),
    "diabetes, raw y, relative alpha": lambda: _diabetes("relative"),
    "diabetes, standardised X and y": lambda: _diabetes("absolute", raw=False),
    "80 x 3, y about one": lambda: _prices(1.0),
    "80 x 3, y about one, absolute alpha": lambda: _prices(1.0, "absolute"),
    "80 x 3, y about 1e5": lambda: _prices(8e4),
    "80 x 3, y about 1e5, absolute alpha": lambda: _prices(8e4, "absolute"),
    "80 x 3, y about 1e-4": lambda: _prices(1e-4),
    "20 x 500, dense": lambda: _wide(sparse=False),
    "20 x 500, sparse": lambda: _wide(sparse=True),
    "3000 x 4, one positive, balanced": _one_positive,
}
IMAGES = "MNIST, 8000 x 784"
if "CONVEXRELU_MNIST" in os.environ:
    CASES[IMAGES] = _images


if __name__ == "__main__":
    main()
