"""Random and adversarial training problems, with what is asked of the package about each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks.soundness.evaluator import LABELS, loss_gradient, normalised

DATA = (
    "gaussian",
    "lattice",
    "duplicates",
    "near duplicates",
    "opposite",
    "collinear",
    "rank deficient",
    "zero rows",
    "large",
    "small",
    "columns of every size",
    "rows of every size",
    "offset",
    "heavy tails",
    "wide",
    "orthogonal",
    "line",
    "tiny",
)
LOSSES = (
    "squared_error",
    "absolute_error",
    "huber",
    "quantile",
    "poisson",
    "logistic",
    "hinge",
    "squared_hinge",
    "multinomial",
)
SMOOTH = ("squared_error", "huber", "poisson", "logistic", "squared_hinge", "multinomial")
HOMOGENEOUS = ("squared_error", "absolute_error", "quantile")
ACTIVATIONS = ("relu", "leaky_relu", "absolute_value")
ORACLES = (
    "auto",
    "sweep",
    "cells",
    "branch_and_bound",
    "affine",
    "semidefinite",
    "search",
    "quick",
    "spike_free",
    "prove",
)
SOLVERS = (
    "newton",
    "interior_point",
    "fista",
    "network",
    "cvxpy:CLARABEL",
    "cvxpy:ECOS",
    "cvxpy:SCS",
)
FOLLOW = ("certify", "merge", "minimal", "prune")
Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Case:
    """A problem, and a call of the package; ``"drawn"`` in `keywords` stands for a random network or gates.

    `options` are those of the problem that are not defaults, `loss_parameter` that of Huber's or the quantile loss.
    """

    seed: int
    X: Any
    y: Any
    alpha: float
    options: dict[str, Any]
    call: str
    keywords: dict[str, Any]
    loss_parameter: float | None = None
    is_sparse: bool = False
    follow: tuple[str, ...] = field(default=FOLLOW)

    def task(self, alpha: float | None = None) -> dict[str, Any]:
        """What the evaluator knows."""
        given = self.options
        slopes = {"leaky_relu": given.get("negative_slope", 0.01), "absolute_value": -1.0}
        return {
            "X": self.X,
            "y": self.y,
            "alpha": self.alpha if alpha is None else alpha,
            "loss": given.get("loss", "squared_error"),
            "loss_parameter": self.loss_parameter,
            "activation": given.get("activation", "relu"),
            "slope": slopes.get(given.get("activation", "relu"), 0.0),
            "hidden_bias": given.get("hidden_bias", True),
            "fit_intercept": given.get("fit_intercept", True),
            "skip": given.get("skip", False),
            "skip_alpha": given.get("skip_alpha", 0.0),
            "sample_weight": given.get("sample_weight"),
        }


def draw(seed: int) -> Case:
    """The case of a seed."""
    rng = np.random.default_rng(seed)
    kind = str(rng.choice(DATA))
    loss = "squared_error" if rng.random() < 0.35 else str(rng.choice(LOSSES))
    call = str(rng.choice(["train", "regularization_path", "certify"], p=[0.65, 0.1, 0.25]))
    options, parameter = _options(loss, rng)
    if loss == "squared_error" and call == "train" and rng.random() < 0.15:
        options = _of_gates(options, rng)
    X = inputs(kind, rng)
    y = targets(loss, X, rng, several=options.get("activation") not in ("gated_relu", "threshold"))
    if rng.random() < 0.3:
        options["sample_weight"] = _weights(len(y), rng)
    is_sparse = X.shape[1] > len(X) and "activation" not in options and rng.random() < 0.5
    case = Case(seed, X, y, 1.0, options, call, {}, parameter, is_sparse)
    case = replace(case, alpha=_penalty(case, rng))
    follow = tuple(name for name in FOLLOW if rng.random() < 0.3)
    return _in_chunks(replace(case, keywords=_keywords(case, rng), follow=follow))


def _in_chunks(case: Case) -> Case:
    """Every tenth training, by a call that reads rows in chunks, if it supports the problem."""
    kept = ("tol", "max_iter", "time_limit", "random_state")
    given = case.options
    is_supported = (
        given.get("loss", "squared_error") in SMOOTH
        and given.get("activation", "relu") in ACTIVATIONS
        and given["hidden_bias"] != "free"
        and "skip" not in given
    )
    if case.call != "train" or case.is_sparse or case.seed % 10 or not is_supported:
        return case
    keywords = {name: case.keywords[name] for name in kept if name in case.keywords}
    keywords.setdefault("tol", 1e-3)
    return replace(case, call="train_in_chunks", keywords=keywords)


def _options(loss: str, rng: Rng) -> tuple[dict[str, Any], float | None]:
    options: dict[str, Any] = {} if loss == "squared_error" else {"loss": loss}
    if rng.random() < 0.35:
        options["activation"] = str(rng.choice(ACTIVATIONS[1:]))
        if options["activation"] == "leaky_relu" and rng.random() < 0.5:
            options["negative_slope"] = float(rng.uniform(0.01, 0.99))
    options["hidden_bias"] = [True, False, "free"][rng.integers(3)]
    options["fit_intercept"] = options["hidden_bias"] == "free" or bool(rng.random() < 0.6)
    if rng.random() < 0.15:
        free = loss == "squared_error" and rng.random() < 0.3
        options |= {"skip": True, "skip_alpha": 0.0 if free else float(10 ** rng.uniform(-3, 0))}
    levels = {"huber": float(10 ** rng.uniform(-1, 1)), "quantile": float(rng.uniform(0.05, 0.95))}
    return options, levels.get(loss)


def _of_gates(options: dict[str, Any], rng: Rng) -> dict[str, Any]:
    return {
        "activation": str(rng.choice(["gated_relu", "threshold"])),
        "hidden_bias": bool(options["hidden_bias"]),
        "fit_intercept": options["fit_intercept"],
    }


def inputs(kind: str, rng: Rng) -> Any:
    """Inputs of a kind, with few samples mostly."""
    small = rng.random() < 0.7
    n = int(rng.integers(2, 9) if small else rng.integers(9, 41))
    d = int(rng.integers(1, 4) if small else rng.integers(1, 8))
    if kind == "wide":
        d = n + int(rng.integers(1, 6))
    if kind == "tiny":
        n = int(rng.integers(1, 4))
    X = rng.standard_normal((n, d))
    match kind:
        case "lattice":
            X = rng.integers(-2, 3, X.shape).astype(float)
        case "duplicates":
            X = X[rng.integers(0, max(n // 2, 1), n)]
        case "near duplicates" | "opposite":
            X[n // 2 :] = X[: n - n // 2] * (1.0 if kind == "near duplicates" else -1.0)
            X += 10 ** rng.uniform(-17, -5) * rng.standard_normal(X.shape)
        case "collinear":
            X = X[:, :1] * X[:1] + (rng.random() < 0.5) * 10 ** rng.uniform(-17, -5) * X
        case "rank deficient":
            X[:, -1] = X[:, 0] * rng.integers(-1, 3)
        case "zero rows":
            X[rng.random(n) < 0.4] = 0.0
        case "large" | "small":
            X = X * (1e8 if kind == "large" else 1e-8)
        case "columns of every size":
            X = X * 10 ** rng.uniform(-6, 6, d)
        case "rows of every size":
            X = X * 10 ** rng.uniform(-6, 6, (n, 1))
        case "offset":
            X = X + 10 ** rng.uniform(0, 7)
        case "heavy tails":
            X = rng.standard_cauchy(X.shape) ** 3
        case "orthogonal":
            X = np.linalg.qr(rng.standard_normal((n + 2, n)))[0].T
        case "line":
            X = np.outer(rng.integers(-3, 4, n) + 0.0, rng.standard_normal(d)) + X[0]
    return X


def targets(loss: str, X: Any, rng: Rng, *, several: bool = True) -> Any:
    """Targets that the loss takes."""
    n = len(X)
    if loss in LABELS:
        return np.where(rng.permutation(n) % 2, 1.0, -1.0)
    if loss == "multinomial":
        return (rng.permutation(n) % min(int(rng.integers(2, 5)), n)).astype(float)
    k = int(rng.integers(2, 4)) if several and rng.random() < 0.2 else 1
    shape = (n,) if k == 1 else (n, k)
    if loss == "poisson":
        counts = rng.poisson(10 ** rng.uniform(-0.5, 1.5), shape).astype(float)
        counts[rng.integers(n)] += 1.0
        return counts
    size = np.abs(X).max() or 1.0
    hidden = np.maximum(X @ rng.standard_normal((X.shape[1], 3)) / size, 0.0)
    y = hidden @ rng.standard_normal((3, k)) + 0.3 * rng.standard_normal((n, k))
    if rng.random() < 0.1:
        y = rng.integers(-1, 2, (n, k)).astype(float)
    y = y + rng.choice([0.0, 0.0, 0.0, 10.0, 1e6])
    if loss in HOMOGENEOUS and rng.random() < 0.3:
        y = y * 10 ** rng.uniform(-8, 8)
    return y.reshape(shape)


def _weights(n: int, rng: Rng) -> Any:
    weights = rng.exponential(size=n) * 10 ** rng.uniform(-3, 3)
    if n > 3 and rng.random() < 0.3:
        weights[rng.integers(n)] = 0.0
    if rng.random() < 0.2:
        weights *= 10 ** rng.uniform(-6, 0, n)
    return weights


def _penalty(case: Case, rng: Rng) -> float:
    """Between a ten-thousandth and twice of roughly the penalty at which the network is constant."""
    task = case.task()
    X, y, s = case.X, case.y, normalised(task).astype(float)
    k = int(y.max()) + 1 if task["loss"] == "multinomial" else 1 if y.ndim == 1 else y.shape[1]
    f = np.zeros((len(X), k))
    if task["fit_intercept"] and task["loss"] in (*HOMOGENEOUS, "huber"):
        f += s @ np.reshape(y, (len(X), k))
    v = s[:, None] * loss_gradient(f, y, task)
    rows = X - X.mean(axis=0) if task["hidden_bias"] == "free" else X
    if task["hidden_bias"] is True:
        rows = np.hstack([X, np.ones((len(X), 1))])
    units = rng.standard_normal((200, rows.shape[1]))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    largest = np.linalg.norm(np.maximum(units @ rows.T, 0.0) @ v, axis=1).max()
    return float((largest or 1.0) * 10 ** rng.uniform(-4, 0.3))


def _keywords(case: Case, rng: Rng) -> dict[str, Any]:
    """Options of the call: names that fit mostly; what is refused counts as refused."""
    few = len(case.X) <= 8 and min(case.X.shape) <= 3
    asked: dict[str, Any] = {"random_state": int(rng.integers(100))}
    if rng.random() < 0.6:
        asked["tol"] = float(rng.choice([0.1, 1e-2, 1e-5, 1e-7]))
    if rng.random() < 0.5:
        asked["oracle"] = str(rng.choice(ORACLES if few else ("search", "quick", "auto")))
    if rng.random() < 0.35:
        asked["solver"] = str(rng.choice(SOLVERS))
    if rng.random() < 0.2:
        asked["time_limit"] = float(rng.choice([0.0, 0.05, 0.2, 0.5]))
    elif not few or asked.get("oracle") in ("branch_and_bound", "prove", "semidefinite"):
        asked["time_limit"] = 3.0
    if case.call == "certify":
        asked |= {"network": str(rng.choice(["drawn", "constant", "drawn"]))}
        choice = rng.random()
        asked |= {"improve": True} if choice < 0.4 else {}
        asked |= {"bound": "residual"} if choice > 0.7 else {}
        asked |= {"arithmetic": "rational", "time_limit": 3.0} if rng.random() < 0.15 else {}
        return asked
    if rng.random() < 0.3:
        asked["max_iter"] = int(rng.choice([1, 2, 5]))
    if case.call == "regularization_path":
        asked["alphas"] = [1.0, float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.01, 2.0))]
    return asked | _patterns(case, rng, few)


def _patterns(case: Case, rng: Rng, few: bool) -> dict[str, Any]:
    activation = case.options.get("activation")
    share = 1.0 if activation == "gated_relu" else 0.2
    if rng.random() < share:
        names = ["sampled", "drawn", "enumerated"] if few else ["sampled", "drawn"]
        return {"patterns": str(rng.choice(names)), "n_patterns": int(rng.integers(1, 30))}
    asked: dict[str, Any] = {}
    if rng.random() < 0.3 and activation != "threshold":
        asked["start"] = [None, "drawn"][rng.integers(2)]
    if rng.random() < 0.3:
        asked["effort"] = str(rng.choice(["predict", "prove"]))
        if asked["effort"] == "prove":
            asked["time_limit"] = 3.0
    return asked
