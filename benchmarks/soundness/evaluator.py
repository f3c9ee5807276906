"""Objectives in extended precision, by formulas of their own: what every claim is judged by.

Nothing here comes from the package. A network is a dictionary of its arrays, a task (see `cases.py`) a dictionary of
data and penalties.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

EPS = float(np.finfo(np.float64).eps)
LONG_EPS = float(np.finfo(np.longdouble).eps)
Arrays = dict[str, Any]
LABELS = ("logistic", "hinge", "squared_hinge")


class Evaluated(NamedTuple):
    """Outputs and objective of a network, how far float64 arithmetic may be off, and how far it may be rounded up."""

    outputs: Any
    outputs_rounding: Any
    objective: np.longdouble
    rounding: float
    rounding_up: float


def evaluate(network: Arrays, task: Arrays) -> Evaluated:
    """The objective of a network as it stands; samples of weight zero do not count."""
    outputs, sizes, lengths, is_clear = _outputs(network, task["X"])
    n_terms = task["X"].shape[1] + sum(np.shape(network["output_weights"])) + 8
    weights = normalised(task)
    counts = weights > 0
    f, y, s = outputs[counts], np.asarray(task["y"])[counts], weights[counts]
    fit, penalty = s @ loss_values(f, y, task), penalty_of(network, task)
    rest = 4 * (len(y) + n_terms) * EPS * float(abs(fit) + penalty)
    # The package may know only lengths: its bound on the sum of |x_i w_i| is then the product of two.
    errors = [np.asarray(2 * n_terms * EPS * size, dtype=float) for size in (sizes, lengths)]
    off = [float(s @ _loss_errors(f, error[counts], y, task)) + rest for error in errors]
    within = off if is_clear else [np.inf, np.inf]
    return Evaluated(outputs, errors[0], fit + penalty, *within)


def normalised(task: Arrays) -> Any:
    """Weights that sum to one."""
    given = task["sample_weight"]
    weights = np.ones(len(task["y"])) if given is None else np.asarray(given)
    weights = weights.astype(np.longdouble)
    return weights / weights.sum()


def penalty_of(network: Arrays, task: Arrays) -> Any:
    """``alpha`` times the weight decay, or the penalty of gates, and that of a skip connection."""
    alpha = np.longdouble(task["alpha"])
    if network["kind"] == "gated":
        units = np.column_stack([network["hidden_weights"], network["hidden_bias"]])
        return alpha * sum((np.sqrt(_square(row)) for row in units), np.longdouble(0))
    if network["kind"] == "threshold":
        return alpha * np.abs(network["output_weights"].astype(np.longdouble)).sum()
    total = _square(network["hidden_weights"]) + _square(network["output_weights"])
    if task["hidden_bias"] != "free":
        total = total + _square(network["hidden_bias"])
    skip = network["skip_weights"]
    extra = 0.0 if skip is None else np.longdouble(task["skip_alpha"]) * _square(skip)
    return (alpha * total + extra) / 2


def _square(array: Any) -> Any:
    return np.square(np.asarray(array, dtype=np.longdouble)).sum()


def _outputs(network: Arrays, X: Any) -> tuple[Any, Any, Any, bool]:
    """Outputs of shape (n, K), sums of absolute values, bounds on them by lengths, and whether all gates are clear."""
    X, arrays = (
        X.astype(np.longdouble),
        {
            name: np.asarray(value, dtype=np.longdouble)
            for name, value in network.items()
            if name != "kind" and value is not None
        },
    )
    W, b, A = arrays["hidden_weights"], arrays["hidden_bias"], arrays["output_weights"]
    c, is_clear = arrays["output_bias"], True
    seen, sizes = X @ W.T + b, abs(X) @ abs(W).T + abs(b)
    lengths = np.outer(_lengths(X), _lengths(W)) + abs(b)
    if network["kind"] == "two_layer":
        hidden = np.where(seen > 0, seen, arrays["slope"] * seen)
    else:
        gates, biases = arrays["gates"], arrays["gate_biases"]
        at = X @ gates.T + biases
        doubt = (X.shape[1] + 4) * EPS * (abs(X) @ abs(gates).T + abs(biases))
        is_clear = bool(((abs(at) > doubt) | (doubt == 0)).all())
        on = at >= 0
        hidden = on * seen if network["kind"] == "gated" else on.astype(np.longdouble)
        sizes = sizes if network["kind"] == "gated" else on.astype(np.longdouble)
        lengths = lengths if network["kind"] == "gated" else sizes
    outputs, total, longest = (
        hidden @ A.T + c,
        sizes @ abs(A).T + abs(c),
        lengths @ abs(A).T + abs(c),
    )
    if "skip_weights" in arrays:
        outputs = outputs + X @ arrays["skip_weights"].T
        total = total + abs(X) @ abs(arrays["skip_weights"]).T
        longest = longest + np.outer(_lengths(X), _lengths(arrays["skip_weights"]))
    return outputs, total, longest, is_clear


def _lengths(rows: Any) -> Any:
    return np.sqrt(np.square(rows).sum(axis=1))


def loss_values(f: Any, y: Any, task: Arrays) -> Any:
    """Loss of every sample, for outputs of shape (n, K); targets that are NaN have none."""
    if task["loss"] == "multinomial":
        top = f.max(axis=1)
        own = f[np.arange(len(f)), y.astype(int)]
        return np.log(np.exp(f - top[:, None]).sum(axis=1)) + (top - own)
    y = np.reshape(y, f.shape).astype(f.dtype)
    return np.where(np.isnan(y), 0, _terms(f, y, task)).sum(axis=1)


def _terms(f: Any, y: Any, task: Arrays) -> Any:
    r, parameter = f - y, task["loss_parameter"]
    match task["loss"]:
        case "squared_error":
            return r * r / 2
        case "absolute_error":
            return abs(r)
        case "huber":
            return np.where(abs(r) <= parameter, r * r / 2, parameter * (abs(r) - parameter / 2))
        case "quantile":
            return np.where(r < 0, -parameter * r, (1 - parameter) * r)
        case "poisson":
            positive = np.where(y > 0, y, 1)
            return np.exp(f) - y * f + np.where(y > 0, y * np.log(positive), 0) - y
        case "logistic":
            return np.maximum(-y * f, 0) + np.log1p(np.exp(-abs(f)))
        case "hinge":
            return np.maximum(1 - y * f, 0)
        case "squared_hinge":
            return np.maximum(1 - y * f, 0) ** 2 / 2
    raise AssertionError(task["loss"])


def loss_gradient(f: Any, y: Any, task: Arrays) -> Any:
    """Derivative of the sum of losses, of shape (n, K); a subgradient at kinks."""
    if task["loss"] == "multinomial":
        p = np.exp(f - f.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(len(f)), y.astype(int)] -= 1
        return p
    y = np.reshape(y, f.shape)
    r, parameter = np.where(np.isnan(y), 0, f - y), task["loss_parameter"]
    match task["loss"]:
        case "squared_error":
            return r
        case "absolute_error":
            return np.sign(r)
        case "huber":
            return np.clip(r, -parameter, parameter)
        case "quantile":
            return np.where(r < 0, -parameter, 1 - parameter)
        case "poisson":
            return np.exp(f) - y
        case "logistic":
            return -y / (1 + np.exp(np.minimum(y * f, 700)))
        case "hinge":
            return np.where(y * f < 1, -y, 0.0)
    return -y * np.maximum(1 - y * f, 0)


def _loss_errors(f: Any, rounding: Any, y: Any, task: Arrays) -> Any:
    """How far the loss of a sample may be off in float64: outputs move it, and its own terms are rounded."""
    value = loss_values(f, y, task)
    if task["loss"] == "multinomial":
        sizes = abs(f).max(axis=1) + 1
        return 2 * rounding.max(axis=1) + 16 * EPS * (sizes + abs(value))
    y = np.reshape(y, f.shape)
    targets = np.where(np.isnan(y), 0, y).astype(f.dtype)
    sizes = abs(value)
    if task["loss"] == "poisson":
        logs = np.log(np.maximum(targets, 1e-300))
        sizes = (np.exp(f) + abs(targets * f) + abs(targets * logs) + targets).sum(axis=1)
    if task["loss"] in LABELS:
        sizes = sizes + (abs(f).sum(axis=1) + 1) * (task["loss"] == "hinge")
    # Differences f − y are rounded relative to f and y, as outputs are.
    scale = EPS * (abs(f) + abs(targets)).sum(axis=1)
    slope = abs(loss_gradient(f, y, task)).max(axis=1)
    return _moved(f, rounding, y, task) + 16 * EPS * sizes + 4 * scale * slope


def _moved(f: Any, rounding: Any, y: Any, task: Arrays) -> Any:
    """How far the loss of a sample moves with its outputs: the errors of several outputs need not cancel."""
    y = np.reshape(y, f.shape).astype(f.dtype)
    terms = _terms(f, y, task)
    moved = [abs(_terms(f + sign * rounding, y, task) - terms) for sign in (1, -1)]
    return np.where(np.isnan(y), 0, np.maximum(*moved)).sum(axis=1)
