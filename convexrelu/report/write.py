"""Put a report together and write it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

import convexrelu
from convexrelu._utils.score_names import name_of_score
from convexrelu._utils.typing import Array
from convexrelu.displays.fitted import innermost, with_its_data
from convexrelu.networks.gated import GatedNetwork
from convexrelu.report import contents
from convexrelu.report.influence import Importances, dependence, permuted, rows_of
from convexrelu.results.result import Result

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["write_report"]

# Features whose partial dependence is drawn: the most important ones.
_MOST_DEPENDENCES = 6
# Parameters of estimators that a report names.
_PARAMETERS = ("alpha", "alpha_", "loss", "activation", "effort", "tol")


def write_report(
    result_or_estimator: Any,
    path: str | os.PathLike[str],
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
) -> None:
    """Write a report of a fit to one HTML file, which opens in any browser, also offline.

    It has the certificate in words and as a bar, the rounds of training, the scores of a cross-validation, a table of
    the neurons, importances of the features, and mean predictions against the most important ones.

    Parameters
    ----------
    result_or_estimator : Result or fitted estimator
        Pipelines, searches and other estimators may be around the network's; features are those of the outermost one.
    path : str or path
        File to write.
    X, y : array-like, optional
        Data on which importances and partial dependence are computed: those of training, or others. A result knows its
        own data. Without them importances are the shares of features in the weights. From large data rows are drawn.

    Raises
    ------
    ValueError
        For another object, or `y` without `X`.
    NotFittedError
        For an estimator that is not fitted.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from pathlib import Path
    >>> from convexrelu import ConvexReLURegressor
    >>> from convexrelu.report import write_report
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> model = ConvexReLURegressor(random_state=0).fit(X, np.abs(X[:, 0]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "report.html"
    ...     write_report(model, path, X, np.abs(X[:, 0]))
    ...     page = path.read_text(encoding="utf-8")
    >>> "of the global optimum" in page
    True
    """
    if y is not None and X is None:
        raise ValueError("y is given without X; give both or none")
    fit = _fit_of(result_or_estimator)
    if fit.X is not None and X is None:
        X, y = fit.X, fit.y
    page = (
        _environment()
        .get_template("report.html")
        .render(**_page(fit, X, y), version=convexrelu.__version__)
    )
    Path(path).write_text(page, encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """A fit as reports see it."""

    title: str
    model: Any  # what predicts
    inner: Any  # what has the fitted attributes of a network estimator
    network: Any
    certificate: Any
    history: list[Any]
    status: Any
    X: Any = None  # data that it knows itself
    y: Any = None
    scoring: Any = None
    score_name: str


def _fit_of(given: Any) -> _Fit:
    if isinstance(given, Result):
        return _fit_of_result(given)
    if not isinstance(given, BaseEstimator):
        raise ValueError(
            f"result_or_estimator is a {type(given).__name__}, expected a Result or a fitted estimator"
        )
    inner = _network_estimator(given)
    return _Fit(
        title=type(inner).__name__,
        model=given,
        inner=inner,
        network=inner.network_,
        certificate=inner.certificate_,
        history=inner.history_,
        status=inner.status_,
        score_name="accuracy" if hasattr(given, "classes_") else name_of_score(inner),
    )


def _network_estimator(given: BaseEstimator) -> Any:
    try:
        return innermost(given, "certificate_")
    except NotFittedError as error:
        check_is_fitted(given)  # raises if that is the reason
        raise ValueError(
            f"result_or_estimator is a fitted {type(given).__name__} without one estimator of convexrelu inside"
        ) from error


def _fit_of_result(result: Result) -> _Fit:
    problem, model = result.problem, _OfResult(result.network)
    return _Fit(
        title="Result",
        model=model,
        inner=model,
        network=result.network,
        certificate=result.certificate,
        history=result.history,
        status=result.status,
        X=None if problem is None else problem.X,
        y=None if problem is None else problem.y,
        scoring=None if problem is None else _negative_loss(problem.loss),
        score_name="mean loss" if problem is not None else "R²",
    )


class _OfResult(RegressorMixin, BaseEstimator):
    """The network of a result as a fitted regressor."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.n_features_in_ = network.n_features

    def fit(self, X: ArrayLike, y: ArrayLike) -> _OfResult:
        """Nothing: it is fitted."""
        return self

    def predict(self, X: ArrayLike) -> Array:
        """Outputs of the network."""
        return self.network.predict(X)


def _negative_loss(loss: Any) -> Any:
    def score(model: Any, X: Any, y: Any) -> float:
        return -float(np.mean(loss.value(model.predict(X), y)))

    return score


def _page(fit: _Fit, X: Any, y: Any) -> dict[str, Any]:
    """Everything that the template shows."""
    parameters = {
        name.rstrip("_"): getattr(fit.inner, name)
        for name in _PARAMETERS
        if hasattr(fit.inner, name)
    }
    outer = _names(fit.model, X)
    drawn = X if X is None else rows_of(_checked(X), y)
    bars, title, dependences = [], "", []
    if drawn is not None:
        rows, targets, _ = drawn
        found = _importances(fit, rows, targets)
        outer = outer or [f"x{k}" for k in range(rows.shape[1])]
        if found is not None:
            bars, title = contents.importance_bars(found[0], outer), found[1]
        order = np.argsort(-found[0].means, kind="stable") if found else range(len(outer))
        chosen = [int(k) for k in order[:_MOST_DEPENDENCES]]
        means = dependence(fit.model, rows, chosen)
        dependences = contents.dependence_charts(means, outer, _outputs(fit.model, fit.inner))
    inner = _inner_names(fit)
    if not bars and (shares := _shares(fit.inner)) is not None:
        bars = contents.importance_bars(Importances(shares, np.zeros(len(shares))), inner)
        title = "Share of the features in the weights of the network."
    return {
        "title": fit.title,
        "bar": Markup(fit.certificate._repr_html_()),  # which escapes its texts
        "meaning": contents.meaning(fit.certificate),
        "facts": contents.fit_facts(fit, parameters),
        "convergence": contents.convergence_charts(fit.history),
        "paths": contents.path_charts(fit.inner),
        "neurons": contents.neuron_rows(fit.network, inner, _inputs(fit, drawn)),
        "width": fit.network.width,
        "has_skip": getattr(fit.network, "skip_weights", None) is not None,
        "importances": bars,
        "importance_title": title,
        "dependences": dependences,
        "n_rows": None if drawn is None else drawn[0].shape[0],
        "n_all": None if drawn is None else drawn[2],
    }


def _checked(X: Any) -> Any:
    """Inputs that have columns: arrays, sparse matrices and pandas frames as they are, polars frames as pandas ones."""
    if hasattr(X, "iloc") or issparse(X):
        return X
    if hasattr(X, "to_dict"):
        import pandas as pd

        return pd.DataFrame(X.to_dict(as_series=False))
    return np.asarray(X)


def _importances(fit: _Fit, X: Any, y: Any) -> tuple[Importances, str] | None:
    """By shuffling, with what the number means; None without targets or rows to exchange."""
    if y is None or issparse(X) or X.shape[0] < 2:
        return None
    change = "rises" if fit.scoring else "falls"
    title = f"How much the {fit.score_name} {change} when a feature is shuffled."
    return permuted(fit.model, X, y, fit.scoring), title


def _shares(inner: Any) -> Array | None:
    """Importances by weights, where networks have them."""
    try:
        return getattr(inner, "feature_importances_", None)
    except AttributeError:  # of threshold networks
        return None


def _names(model: Any, X: Any) -> list[str]:
    """Names of the columns of the outermost estimator, if there are any."""
    columns = getattr(X, "columns", getattr(model, "feature_names_in_", None))
    return [] if columns is None else [str(name) for name in columns]


def _inner_names(fit: _Fit) -> list[str]:
    """Names of the features as the network sees them."""
    numbered = [f"x{k}" for k in range(fit.network.n_features)]
    names = getattr(fit.inner, "feature_names_in_", None)
    if names is None and isinstance(fit.model, Pipeline):
        try:
            names = fit.model[:-1].get_feature_names_out()
        except (AttributeError, ValueError):  # of a step that does not name what it makes
            names = None
    return numbered if names is None or len(names) != len(numbered) else [str(n) for n in names]


def _inputs(fit: _Fit, drawn: Any) -> Any:
    """Inputs as the network sees them; none for gated networks, whose neurons have gates of their own."""
    if drawn is None or isinstance(fit.network, GatedNetwork):
        return None
    X, y, _ = drawn
    if isinstance(fit.model, _OfResult):
        return X
    _, inputs, _ = with_its_data(
        fit.model, "certificate_", X, np.ones(X.shape[0]) if y is None else y
    )
    return inputs if issparse(inputs) else np.asarray(inputs, dtype=np.float64)


def _outputs(model: Any, inner: Any) -> list[str]:
    """Names of what partial dependence is of."""
    classes = getattr(model, "classes_", None)
    if classes is None:
        levels = getattr(inner, "quantiles", None)
        return ["prediction"] if levels is None else [f"quantile {level:g}" for level in levels]
    scale = "probability of" if hasattr(model, "predict_proba") else "score of"
    named = [f"{scale} {label}" for label in classes]
    return named[1:] if len(classes) == 2 else named


def _environment() -> Environment:
    """Templates, with everything escaped that is not written in them."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("convexrelu.report", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
