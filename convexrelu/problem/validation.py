"""Checks of the arguments of a training problem; messages name the argument, its value and what is accepted.

scikit-learn's checks are for estimators. A training problem promises more, on which certificates rest: copies that
nobody changes, and numbers whose squares neither overflow nor underflow.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, issparse

from convexrelu._utils.arguments import (
    LARGEST_PENALTY,
    as_float,
    check_kind,
    check_positive,
    checked_flag,
    finite_array,
    is_number,
    shown,
)
from convexrelu._utils.typing import Array
from convexrelu.losses import LOSSES, Loss
from convexrelu.problem.unread import Unread

__all__ = [
    "ACTIVATIONS",
    "checked_alpha",
    "checked_data",
    "checked_hidden_bias",
    "checked_loss",
    "checked_skip",
    "checked_skip_alpha",
    "checked_slope",
    "checked_sparse",
    "checked_targets",
    "checked_weights",
    "freeze",
    "inputs_for",
]


# Of these, gaps of a millionth still have all their digits.
_SMALLEST_LOSS = 1e6 * float(np.finfo(np.float64).tiny)

# Entries of sparse inputs with fewer features than samples above which they stay sparse: half a gigabyte.
_MOST_DENSE = 2**26

ACTIVATIONS = ("relu", "leaky_relu", "absolute_value", "gated_relu", "threshold")


def checked_alpha(alpha: float) -> float:
    """`alpha` as a float, or a ValueError."""
    check_positive("alpha", alpha)
    return _no_larger("alpha", as_float(alpha))


def checked_hidden_bias(value: bool | str, fit_intercept: bool, activation: str) -> bool | str:
    """True, False or ``"free"``, if supported for this problem."""
    if isinstance(value, str) and value == "free":
        if activation in ("gated_relu", "threshold"):
            raise ValueError(
                f"hidden_bias='free' is not supported for activation={activation!r}, whose gates have no penalty; "
                "use hidden_bias=True"
            )
        if not fit_intercept:
            raise ValueError(
                "hidden_bias='free' without an intercept has no optimum: a neuron with zero weights is a "
                "constant of arbitrarily small penalty; use fit_intercept=True"
            )
        return value
    if isinstance(value, str):
        raise ValueError(f"hidden_bias={shown(value)} is not True, False or 'free'")
    return checked_flag("hidden_bias", value)


def checked_skip(skip: bool, activation: str) -> bool:
    """Whether there is a skip connection, which networks of gates cannot have."""
    if checked_flag("skip", skip) and activation in ("gated_relu", "threshold"):
        raise ValueError(f"skip=True is not supported for activation={activation!r}")
    return bool(skip)


def checked_skip_alpha(skip_alpha: float, skip: bool, loss: Loss) -> float:
    """Penalty of the skip connection; zero only if a bound is known without it."""
    if not is_number(skip_alpha) or not 0 <= as_float(skip_alpha) < math.inf:
        raise ValueError(f"skip_alpha={shown(skip_alpha)} is not a finite number of at least 0")
    if skip and as_float(skip_alpha) == 0 and not loss.is_least_squares:
        raise ValueError(
            f"skip_alpha=0 is not supported for loss={loss.name!r}, which has no known bound then; "
            "use skip_alpha > 0"
        )
    return _no_larger("skip_alpha", as_float(skip_alpha))


def _no_larger(name: str, penalty: float) -> float:
    if penalty > LARGEST_PENALTY:
        raise ValueError(
            f"{name}={shown(penalty)} is above {LARGEST_PENALTY:g}: objectives would overflow float64; rescale X or y"
        )
    return penalty


def checked_slope(activation: str, negative_slope: float) -> float:
    """Slope of the activation for negative arguments."""
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ValueError(
            f"activation={activation!r} is not known; available: {', '.join(map(repr, ACTIVATIONS))}"
        )
    if activation == "absolute_value":
        return -1.0
    if activation != "leaky_relu":
        return 0.0
    if not is_number(negative_slope) or not 0 < as_float(negative_slope) < 1:
        raise ValueError(f"negative_slope={shown(negative_slope)} is not a number between 0 and 1")
    return as_float(negative_slope)


def checked_data(X: Any, y: ArrayLike) -> tuple[Any, Array]:
    """Copies of inputs and targets, with equal numbers of rows.

    Sparse inputs become canonical CSR with more features than samples, and where dense ones would take gigabytes.
    """
    X, y = _checked_inputs(X), finite_array("y", y)
    if X.ndim != 2 or X.shape[0] == 0 or X.shape[1] == 0:
        raise ValueError(f"X has shape {X.shape}, expected (n, d) with n and d at least 1")
    n = X.shape[0]
    if y.ndim not in (1, 2) or len(y) != n or (y.ndim == 2 and y.shape[1] < 2):
        raise ValueError(
            f"y has shape {y.shape}, expected ({n},), one target for each row of X, "
            f"or ({n}, K) for K ≥ 2 outputs"
        )
    return X, y


def _checked_inputs(X: Any) -> Any:
    if isinstance(X, Unread):
        X.check()
        return X
    if not issparse(X):
        return finite_array("X", X)
    if X.ndim != 2:
        return finite_array("X", X.toarray())
    rows = checked_sparse(X)
    n, d = rows.shape
    return rows if d > n or n * d > _MOST_DENSE else rows.toarray()


def inputs_for(activation: str, inputs: Any) -> Any:
    """Checked inputs as the problem of an activation has them: gates are for dense features."""
    if not (issparse(inputs) and activation in ("gated_relu", "threshold")):
        return inputs
    if inputs.shape[1] > inputs.shape[0]:
        raise ValueError(
            f"X is sparse with more features than samples, which activation={activation!r} does not support; "
            "use X.toarray()"
        )
    return inputs.toarray()


def checked_sparse(X: Any) -> csr_array:
    """A copy of sparse inputs in canonical CSR and float64, or a ValueError where they are not finite."""
    check_kind("X", X)
    rows = csr_array(X, copy=True)
    rows.data = finite_array("X", rows.data)
    if not rows.has_canonical_format:
        rows.sum_duplicates()
        rows.data = finite_array("X", rows.data)
    rows.eliminate_zeros()
    return rows


def checked_loss(loss: str | Loss) -> Loss:
    """A loss, given itself or its name."""
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]()
    if not isinstance(loss, Loss):
        raise ValueError(
            f"loss={loss!r} is not known; available: {', '.join(map(repr, LOSSES))}, or a convexrelu.losses.Loss"
        )
    return loss


def checked_targets(loss: Loss, y: Array) -> Array:
    """Targets that the loss takes, if losses of their size are floats with all digits."""
    y = loss.checked_targets(y)
    if loss.of_residuals and y.any():
        largest = float(np.max(loss.value(np.zeros_like(y), y)))
        if largest < _SMALLEST_LOSS:
            raise ValueError(
                f"y has entries of at most {np.abs(y).max():.3g}, whose losses (loss={loss.name!r}) underflow float64; "
                "rescale it"
            )
    return y


def checked_weights(sample_weight: ArrayLike | None, n_samples: int) -> Array:
    """Weights of the samples that sum to one."""
    if sample_weight is None:
        return np.full(n_samples, 1.0 / n_samples)
    weights = finite_array("sample_weight", sample_weight)
    if weights.shape != (n_samples,):
        raise ValueError(f"sample_weight has shape {weights.shape}, expected ({n_samples},)")
    if (weights < 0).any() or not weights.any():
        raise ValueError("sample_weight must be non-negative with at least one positive entry")
    return weights / weights.sum()


def freeze(value: Any) -> None:
    """Make an array read-only, or the arrays of a sparse matrix."""
    parts = (value.data, value.indices, value.indptr) if issparse(value) else (value,)
    for part in parts:
        if isinstance(part, np.ndarray):
            part.flags.writeable = False
