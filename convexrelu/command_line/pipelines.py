"""The pipeline for a table: gaps are filled, numbers standardised, texts become indicators."""

from __future__ import annotations

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from convexrelu.estimators.classifier import ConvexReLUClassifier
from convexrelu.estimators.classifier_cv import ConvexReLUClassifierCV
from convexrelu.estimators.regressor import ConvexReLURegressor
from convexrelu.estimators.regressor_cv import ConvexReLURegressorCV

__all__ = ["absolute_alpha", "make_model"]


def make_model(
    table: Any,
    numbers: list[str],
    texts: list[str],
    task: str,
    *,
    cv: bool,
    alpha: float,
    time_limit: float | None,
    verbose: int,
) -> Pipeline:
    """A pipeline to fit; columns have names at all steps."""
    parts: list[tuple[str, Any, list[str]]] = []
    if numbers:
        filled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
        parts.append(("numbers", filled, numbers))
    if texts:
        indicators = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        parts.append(("texts", indicators, texts))
    indicated = {f"{name}_{text}" for name in texts for text in table[name].unique()}
    clash = not indicated.isdisjoint(numbers) or len(indicated) < table[texts].nunique().sum()
    columns = ColumnTransformer(parts, verbose_feature_names_out=clash)
    options: dict[str, Any] = {"time_limit": time_limit, "verbose": verbose, "random_state": 0}
    if task == "counts":
        options["loss"] = "poisson"
    if not cv:
        options |= {"alpha": alpha, "alpha_scale": "relative"}
    if task == "classification":
        kind: Any = ConvexReLUClassifierCV if cv else ConvexReLUClassifier
    else:
        kind = ConvexReLURegressorCV if cv else ConvexReLURegressor
    return Pipeline([("columns", columns), ("network", kind(**options))]).set_output(
        transform="pandas"
    )


def absolute_alpha(estimator: Any) -> float:
    """The penalty that a fitted estimator was trained with."""
    if hasattr(estimator, "alpha_"):
        return float(estimator.alpha_)
    return float(estimator.alpha * estimator.alpha_max_)
