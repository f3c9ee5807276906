"""Fits and other calls that are interrupted, and how to judge what is there afterwards."""

from __future__ import annotations

import contextlib
import io
import pickle
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLUFeatures,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    Status,
    TrainingProblem,
    TwoLayerNetwork,
    certify,
    regularization_path,
    train,
)
from convexrelu.estimators.tangent_kernel import NTKSVC, NTKRidge
from convexrelu.interpolation import minimum_norm

__all__ = ["MAKERS", "Case", "estimator_case", "quietly"]

KEPT, NONE, IN_TIME = "network kept", "no network", "in time"


class Case(NamedTuple):
    """Something to interrupt, and what has to hold of it then."""

    name: str
    call: Callable[[], Any]
    # Given what the call returned and raised (or None) and what it printed: complaints, and an outcome.
    judge: Callable[[Any, KeyboardInterrupt | None, str], tuple[list[str], str]]


@contextlib.contextmanager
def quietly() -> Iterator[io.StringIO]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()) as printed:
        warnings.simplefilter("ignore")
        yield printed


# Judgements


def _objective(network: Any, problem: TrainingProblem) -> float:
    """The training objective of a two-layer network, from its arrays."""
    design, slope = np.asarray(problem.X), network.negative_slope
    seen = design @ network.hidden_weights.T + network.hidden_bias
    outputs = (
        np.where(seen > 0, seen, slope * seen) @ network.output_weights.T + network.output_bias
    )
    if network.output_weights.shape[0] == 1:
        outputs = outputs[:, 0]
    squares = sum(
        np.square(part).sum() for part in (network.hidden_weights, network.output_weights)
    )
    if not problem.free_bias:
        squares += np.square(network.hidden_bias).sum()
    fit = problem.weights @ problem.loss.value(outputs, problem.y)
    return float(fit + 0.5 * problem.alpha * squares)


def _complaints_about(
    network: Any, certificate: Any, history: list[Any], problem: TrainingProblem, best: float
) -> list[str]:
    """What is wrong with a network and its certificate; `best` is the objective of some other network."""
    complaints = []
    if isinstance(network, TwoLayerNetwork):
        own = _objective(network, problem)
        if not np.isclose(own, certificate.objective, rtol=1e-9):
            complaints.append(f"objective {certificate.objective}, evaluated {own}")
    bound = certificate.proved_lower_bound
    if certificate.is_proof and certificate.scope == "global":
        bound = max(bound, certificate.lower_bound)
    if bound > min(best, certificate.objective) * (1 + 1e-10):
        complaints.append(f"bound {bound} above {min(best, certificate.objective)}")
    last = history[-1] if history else None
    if last is None or (last.objective, last.lower_bound, last.width) != (
        certificate.objective,
        certificate.lower_bound,
        network.width,
    ):
        complaints.append("history does not end with the certificate")
    return complaints


def _judge_fit(
    model: Any, before: dict[str, Any], X: Any, problem: TrainingProblem | None, best: float
) -> Callable[[Any, KeyboardInterrupt | None, str], tuple[list[str], str]]:
    """Judge an estimator that was in a known state before."""

    def judge(value: Any, raised: KeyboardInterrupt | None, printed: str) -> tuple[list[str], str]:
        now, message = vars(model), str(raised or "")
        complaints = []
        if now.keys() == before.keys() and all(now[name] is before[name] for name in now):
            if raised is None:
                return ["fit ended without a change"], IN_TIME
            if "keeps the best network so far" in message:
                complaints.append("nothing is kept, despite the message")
            if "no network" in message and "network_" in now:
                complaints.append("there is a network, despite the message")
            if printed:
                complaints.append("work is lost: there was a round already")
            return complaints, NONE
        if raised is not None and "no network" in message:
            complaints.append("the state has changed, despite the message")
        if model.n_features_in_ != X.shape[1]:
            complaints.append("n_features_in_ is of other data")
        try:
            predicted = model.predict(X)
            same = pickle.loads(pickle.dumps(model)).predict(X)
            if len(predicted) != len(X) or not np.array_equal(predicted, same):
                complaints.append("predictions differ after pickling")
            clone(model)
        except Exception as error:  # whatever it is, it is a finding
            complaints.append(f"the estimator does not work: {error!r}")
            return complaints, NONE
        if not hasattr(model, "network_"):
            return complaints, IN_TIME
        fitted = getattr(model, "alpha_", getattr(model, "alpha", 1.0))
        assert problem is not None
        at_alpha = problem.with_alpha(fitted * getattr(model, "alpha_max_", 1.0))
        complaints += _complaints_about(
            model.network_, model.certificate_, model.history_, at_alpha, best
        )
        says_so = "keeps the best network so far" in message
        if says_so != (model.status_ is Status.INTERRUPTED):
            complaints.append(f"status_ is {model.status_.name}, but the message is {message!r}")
        return complaints, KEPT if raised is not None else IN_TIME

    return judge


# Cases


def _data(rng: np.random.Generator, n: int, d: int) -> tuple[Any, Any]:
    X = rng.standard_normal((n, d))
    y = np.maximum(X @ rng.standard_normal((d, 3)), 0) @ rng.standard_normal(3)
    return X, y / (y.std() or 1.0) + 0.1 * rng.standard_normal(n)


OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"minimal": True},
    {"minimal": True, "time_limit": 30.0},
    {"warm_start": True},
    {"effort": "predict"},
    {"oracle": "search", "tol": 1e-6},
    {"activation": "leaky_relu"},
    {"activation": "threshold"},
    {"activation": "gated_relu", "patterns": "sampled", "n_patterns": 30},
    {"patterns": "sampled", "n_patterns": 30, "minimal": True},
    {"alpha_scale": "relative"},
    {"loss": "absolute_error"},
    {"solver": "cvxpy:CLARABEL", "max_iter": 3},
)


def estimator_case(name: str, model: Any, X: Any, y: Any) -> Case:
    """The fit of an estimator."""
    inner = getattr(model, "estimator", model)
    problem = inner._problem(X, y, None, 1.0) if hasattr(inner, "_problem") else None
    judge = _judge_fit(model, vars(model).copy(), X, problem, np.inf)
    return Case(name, lambda: model.fit(X, y), judge)


def _new_or_fitted(
    name: str, model: Any, X: Any, y: Any, rng: np.random.Generator, first: Any = None
) -> Case:
    """The fit of an estimator that half the time has been fitted to data with another number of features."""
    if rng.random() < 0.5:
        with quietly():
            model.fit(*(first or _data(rng, 20, 2 if X.shape[1] != 2 else 3)))
        name += ", again"
    return estimator_case(name, model, X, y)


def _regressor(options: dict[str, Any], rng: np.random.Generator) -> Case:
    X, y = _data(np.random.default_rng(0), 60, 3)
    model = ConvexReLURegressor(
        **{"alpha": 0.01, "random_state": 0, "verbose": 1, "max_iter": 8, **options}
    )
    return _new_or_fitted(f"regressor {options}", model, X, y, rng)


def _line(rng: np.random.Generator) -> Case:
    X, y = _data(np.random.default_rng(1), 50, 1)
    model = ConvexReLURegressor(1e-3, hidden_bias="free", random_state=0, verbose=1)
    return _new_or_fitted("regressor on a line", model, X, y, rng)


def _many(rng: np.random.Generator) -> Case:
    X, y = _data(np.random.default_rng(2), 6000, 5)
    options: dict[str, Any] = {"random_state": 0, "verbose": 1, "effort": "predict"}
    return _new_or_fitted("many samples", ConvexReLURegressor(0.01, **options), X, y, rng)


def _classifier(cuts: list[float], rng: np.random.Generator) -> Case:
    X, y = _data(np.random.default_rng(3), 50, 3)
    model = ConvexReLUClassifier(0.02, random_state=0, verbose=1, max_iter=5)
    name = f"classifier, {len(cuts) + 1} classes"
    return _new_or_fitted(name, model, X, np.digitize(y, cuts), rng, _labelled(rng))


def _labelled(rng: np.random.Generator) -> tuple[Any, Any]:
    X, y = _data(rng, 20, 2)
    return X, y > np.median(y)


_CV: dict[str, Any] = {"alphas": [0.1, 0.03, 0.01], "cv": 3, "random_state": 0, "verbose": 1}


def _regressor_cv(rng: np.random.Generator) -> Case:
    X, y = _data(np.random.default_rng(4), 40, 3)
    return _new_or_fitted("regressor, CV", ConvexReLURegressorCV(**_CV), X, y, rng)


def _classifier_cv(rng: np.random.Generator) -> Case:
    X, y = _data(np.random.default_rng(4), 40, 3)
    model = ConvexReLUClassifierCV(**_CV)
    return _new_or_fitted("classifier, CV", model, X, y > 0, rng, _labelled(rng))


def _kernel(rng: np.random.Generator) -> Case:
    X, y = _data(np.random.default_rng(5), 200, 3)
    if rng.random() < 0.5:
        return _new_or_fitted("NTKRidge", NTKRidge(), X, y, rng)
    return _new_or_fitted("NTKSVC", NTKSVC(), X, y > 0, rng, _labelled(rng))


def _features(rng: np.random.Generator) -> Case:
    X, y = _data(np.random.default_rng(5), 60, 3)
    model = ConvexReLUFeatures(ConvexReLURegressor(0.01, random_state=0, max_iter=5))
    if rng.random() < 0.5:
        model.fit(*_data(rng, 20, 2))
    before = vars(model).copy()

    def judge(value: Any, raised: KeyboardInterrupt | None, printed: str) -> tuple[list[str], str]:
        now = vars(model)
        if now.keys() == before.keys() and all(now[name] is before[name] for name in now):
            return [], NONE
        try:
            wide = model.transform(X).shape
        except Exception as error:  # whatever it is, it is a finding
            return [f"the transformer does not work: {error!r}"], NONE
        right = wide == (len(X), len(model.get_feature_names_out()))
        return [] if right else [f"features of shape {wide}"], KEPT if raised else IN_TIME

    return Case("features", lambda: model.fit(X, y), judge)


def _judge_results(
    alphas: list[float], problem: TrainingProblem, seen: list[Any]
) -> Callable[[Any, KeyboardInterrupt | None, str], tuple[list[str], str]]:
    """Judge the results of `train`, or of a path."""

    def judge(value: Any, raised: KeyboardInterrupt | None, _: str) -> tuple[list[str], str]:
        if raised is not None:
            return ["work is lost: there was a round already"] if seen else [], NONE
        results = value if isinstance(value, list) else [value]
        complaints = []
        for alpha, result in zip(alphas, results, strict=False):
            at_alpha = problem.with_alpha(alpha)
            complaints += _complaints_about(
                result.network, result.certificate, result.history, at_alpha, np.inf
            )
        whole = len(results) == len(alphas) and results[-1].status is not Status.INTERRUPTED
        return complaints, IN_TIME if whole else KEPT

    return judge


def _training(start: str | None, rng: np.random.Generator) -> Case:
    problem, options, seen = _training_options()
    judge = _judge_results([0.01], problem, seen)
    return Case(f"train from {start}", lambda: train(problem, start=start, **options), judge)


def _path(rng: np.random.Generator) -> Case:
    problem, options, seen = _training_options()
    alphas = [0.1, 0.03, 0.01]
    judge = _judge_results(alphas, problem, seen)
    return Case("path", lambda: regularization_path(problem, alphas, **options), judge)


def _training_options() -> tuple[TrainingProblem, dict[str, Any], list[Any]]:
    X, y = _data(np.random.default_rng(6), 50, 3)
    seen: list[Any] = []
    options = {"random_state": 0, "progress": seen.append, "max_iter": 6}
    return TrainingProblem(X, y, 0.01), options, seen


def _certified(rng: np.random.Generator) -> Case:
    X, y = _data(np.random.default_rng(7), 40, 3)
    problem = TrainingProblem(X, y, 0.01)
    network = train(problem, max_iter=1, random_state=0).network

    def judge(value: Any, raised: KeyboardInterrupt | None, _: str) -> tuple[list[str], str]:
        if raised is not None:
            return [], NONE
        result = value.improved
        complaints = []
        own = _objective(result.network, problem)
        if not np.isclose(own, result.certificate.objective, rtol=1e-9):
            complaints.append(f"objective {result.certificate.objective}, evaluated {own}")
        if max(value.proved_lower_bound, result.certificate.proved_lower_bound) > own * (1 + 1e-10):
            complaints.append(f"bound above the objective {own}")
        if result.certificate.objective > value.objective * (1 + 1e-12):
            complaints.append("improved for the worse")
        if value.cell_lower_bound > value.objective * (1 + 1e-10):
            complaints.append("bound of the cell above the objective")
        return complaints, KEPT if result.status is Status.INTERRUPTED else IN_TIME

    call: Callable[[], Any] = lambda: certify(  # noqa: E731
        network, X, y, alpha=0.01, improve=True, random_state=0
    )
    return Case("certify, improve", call, judge)


def _interpolation(rng: np.random.Generator) -> Case:
    X, y = _data(np.random.default_rng(8), 12, 2)

    def judge(value: Any, raised: KeyboardInterrupt | None, _: str) -> tuple[list[str], str]:
        if raised is not None:
            return [], NONE
        missed = float(np.abs(value.network.predict(X) - y).max())
        complaints = [] if missed <= 1e-5 else [f"misses targets by {missed}"]
        bound = value.certificate.proved_lower_bound
        if bound > value.certificate.objective * (1 + 1e-5):  # targets are met within 1e-6
            complaints.append(f"bound {bound} above the norm {value.certificate.objective}")
        return complaints, KEPT if value.status is Status.INTERRUPTED else IN_TIME

    return Case("interpolation", lambda: minimum_norm(X, y, random_state=0), judge)


MAKERS: tuple[Callable[[np.random.Generator], Case], ...] = (
    *[partial(_regressor, options) for options in OPTIONS],
    _line,
    _many,
    partial(_classifier, [0.0]),
    partial(_classifier, [-0.5, 0.5]),
    _regressor_cv,
    _classifier_cv,
    _kernel,
    _features,
    partial(_training, "descent"),
    partial(_training, None),
    _path,
    _certified,
    _interpolation,
)
