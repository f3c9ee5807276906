"""Names of scores for people: "accuracy", "R²", "mean squared error"."""

from __future__ import annotations

from typing import Any, NamedTuple

from sklearn.base import is_classifier

__all__ = ["Score", "name_of_score", "score_of"]

_NAMES = {"r2": "R²", "roc_auc": "area under the ROC curve", "d2_pinball_score": "D² (pinball)"}


class Score(NamedTuple):
    """What a score is called, and the factor 1 or −1 that makes it that."""

    name: str
    sign: float


def score_of(estimator: Any) -> Score:
    """The score of an estimator with `scoring` and `loss`.

    Scores are larger where they are better, so scikit-learn has the negative of an error, ``"neg_…"``. Here it is the
    error itself that has the name, with the factor −1.

    Examples
    --------
    >>> from convexrelu import ConvexReLUClassifierCV, ConvexReLURegressorCV
    >>> score_of(ConvexReLURegressorCV())
    Score(name='mean squared error / 2', sign=-1.0)
    >>> score_of(ConvexReLURegressorCV(scoring="neg_mean_absolute_error"))
    Score(name='mean absolute error', sign=-1.0)
    >>> score_of(ConvexReLUClassifierCV())
    Score(name='accuracy', sign=1.0)
    """
    scoring = estimator.scoring
    if scoring is None:
        return Score("accuracy", 1.0) if is_classifier(estimator) else _of_loss(estimator.loss)
    if not isinstance(scoring, str):
        function = getattr(scoring, "_score_func", scoring)  # of scikit-learn's make_scorer
        name = getattr(function, "__name__", "score").strip("<>").replace("_", " ")
        return Score(name, float(getattr(scoring, "_sign", 1)))
    if scoring.startswith("neg_"):
        return Score(scoring.removeprefix("neg_").replace("_", " "), -1.0)
    return Score(_NAMES.get(scoring, scoring.replace("_", " ")), 1.0)


def name_of_score(estimator: Any) -> str:
    """What the method ``score`` of an estimator computes.

    Examples
    --------
    >>> from convexrelu import ConvexReLUClassifier, ConvexReLURegressor
    >>> [name_of_score(one) for one in (ConvexReLUClassifier(), ConvexReLURegressor(loss="poisson"))]
    ['accuracy', 'D²']
    """
    if is_classifier(estimator):
        return "accuracy"
    if hasattr(estimator, "quantiles"):
        return "negative mean pinball loss"
    return "D²" if getattr(estimator, "_predicts_logarithms", False) else "R²"


def _of_loss(loss: Any) -> Score:
    """The mean loss, which regressors are scored by."""
    name = loss if isinstance(loss, str) else loss.name
    if name == "squared_error":
        return Score("mean squared error / 2", -1.0)
    return Score(f"mean {name.replace('_', ' ')} loss", -1.0)
