"""A training problem whose rows are read in slices, and never all at once."""

from __future__ import annotations

import math
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse

from convexrelu._utils.arguments import checked_flag, finite_array, float_array, shown
from convexrelu._utils.typing import Array
from convexrelu.losses import Loss
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.problem.validation import (
    checked_alpha,
    checked_loss,
    checked_slope,
    checked_sparse,
)

__all__ = ["ChunkedProblem", "rows_of", "sliceable"]


_NEURON = 150  # multiplications that take as long as the activation of a neuron, forward and back, in NumPy


class ChunkedProblem:
    """The problem of :class:`~convexrelu.TrainingProblem`, on inputs that are read some rows at a time.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Inputs: an array, a memory-mapped one (``np.load(file, mmap_mode="r")``), or any object with a `shape` whose
        slices of rows ``X[a:b]`` become arrays, such as a dataset of HDF5 or zarr. For arrays in several pieces,
        Parquet files and streams see :mod:`convexrelu.chunked.sources`. Sparse inputs stay sparse.
    y : array of shape (n,) or (n, K)
        Targets; these are held in memory.
    alpha : float
        Strength of the weight decay.
    loss : str or Loss
        A smooth loss, or its name.
    activation : {"relu", "leaky_relu", "absolute_value"}
    negative_slope : float
        Slope of ``"leaky_relu"`` for negative inputs.
    hidden_bias, fit_intercept : bool
        Whether hidden neurons have a bias, penalised with their weights, and the output an intercept.
    sample_weight : array of shape (n,), optional
        Non-negative weights; only their proportions matter.

    Raises
    ------
    ValueError
        For arguments that are not as described; the message names them. Values of `X` are checked when they are read.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 2000, dtype=np.float32)[:, None]
    >>> problem = ChunkedProblem(X, np.abs(X[:, 0]), alpha=1e-2)
    >>> problem.n_samples, problem.n_features
    (2000, 1)
    """

    def __init__(
        self,
        X: Any,
        y: ArrayLike,
        alpha: float,
        *,
        loss: str | Loss = "squared_error",
        activation: str = "relu",
        negative_slope: float = 0.01,
        hidden_bias: bool | str = True,
        fit_intercept: bool = True,
        sample_weight: ArrayLike | None = None,
    ) -> None:
        self.X = _with_rows(checked_sparse(X) if issparse(X) else X)
        self.y = finite_array("y", y)
        self.loss = checked_loss(loss)
        if self.y.ndim not in (1, 2) or len(self.y) != self.n_samples:
            raise ValueError(f"y has shape {self.y.shape}, X has {self.n_samples} rows")
        self.loss.checked_rows(self.y)  # other processes may have other classes
        if not self.loss.smooth:
            raise ValueError(
                f"loss={self.loss.name!r} has kinks, which training in chunks does not support; use convexrelu.train"
            )
        if activation in ("gated_relu", "threshold"):
            raise ValueError(
                f"activation={activation!r} is not supported in chunks; use 'relu', 'leaky_relu' or 'absolute_value'"
            )
        if isinstance(hidden_bias, str):
            raise ValueError(
                f"hidden_bias={shown(hidden_bias)} is not supported in chunks; use True or False"
            )
        self.slope = checked_slope(activation, negative_slope)
        self.sample_weight = _checked_weights(sample_weight, self.n_samples)
        self.options: dict[str, Any] = {
            "activation": activation,
            "negative_slope": negative_slope,
            "hidden_bias": checked_flag("hidden_bias", hidden_bias),
            "fit_intercept": checked_flag("fit_intercept", fit_intercept),
        }
        self.alpha = checked_alpha(alpha)

    @classmethod
    def of(cls, problem: TrainingProblem, sample_weight: Array | None = None) -> ChunkedProblem:
        """The same problem, with inputs that are in memory; other weights may be given."""
        if problem.skip:
            raise ValueError("skip=True is not supported in chunks; use convexrelu.train")
        return cls(
            problem.X,
            problem.y,
            problem.alpha,
            loss=problem.loss,
            activation=problem.activation,
            negative_slope=problem.slope,
            hidden_bias=problem.hidden_bias,
            fit_intercept=problem.fit_intercept,
            sample_weight=problem.weights if sample_weight is None else sample_weight,
        )

    def with_alpha(self, alpha: float) -> ChunkedProblem:
        """The same problem with another penalty."""
        problem = copy(self)
        problem.alpha = checked_alpha(alpha)
        return problem

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.X.shape[1])

    @property
    def entries_of_a_row(self) -> float:
        """Inputs of a row; of sparse ones those that are stored, in the mean."""
        return self.X.size / self.n_samples if issparse(self.X) else float(self.n_features)

    @property
    def work_of_a_row(self) -> float:
        """Multiplications that take as long as a row and a neuron: products, and where these are few, the neuron."""
        return self.entries_of_a_row + (_NEURON if issparse(self.X) else 0)

    @property
    def is_in_memory(self) -> bool:
        """Whether reading rows again costs nothing."""
        return issparse(self.X) or (
            isinstance(self.X, np.ndarray) and not isinstance(self.X, np.memmap)
        )

    def rows(self, start: int, stop: int) -> Any:
        """Some of the inputs in float64, if they are finite; sparse ones stay sparse."""
        return self.X[start:stop] if issparse(self.X) else rows_of(self.X, start, stop)


def rows_of(X: Any, start: int, stop: int) -> Array:
    """Rows ``start … stop − 1`` in float64; a ValueError where they are not finite numbers."""
    given = X[start:stop]
    rows = float_array("X", given)
    dtype = np.asarray(given[:1]).dtype
    if dtype.kind not in "fiub":
        raise ValueError(f"X has dtype {dtype}, expected numbers")
    if rows.shape != (stop - start, X.shape[1]):
        raise ValueError(
            f"X[{start}:{stop}] has shape {rows.shape}, expected {(stop - start, X.shape[1])}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        fits = math.isfinite(np.vdot(rows, rows))
    if not fits:
        finite = bool(np.isfinite(rows).all())
        found = "entries whose squares overflow float64" if finite else "NaN or infinity"
        raise ValueError(f"X contains {found} in rows {start} to {stop - 1}")
    return rows


def sliceable(X: Any) -> Any:
    """`X` itself if it has rows that can be sliced, an array of it otherwise."""
    if issparse(X):
        raise ValueError("X is sparse, which is not supported in shards; use convexrelu.train")
    return _with_rows(X)


def _with_rows(X: Any) -> Any:
    if not hasattr(X, "shape"):
        X = finite_array("X", X)
    if len(X.shape) != 2 or 0 in X.shape:
        raise ValueError(f"X has shape {tuple(X.shape)}, expected (n, d) with n and d at least 1")
    return X


def _checked_weights(sample_weight: ArrayLike | None, n_samples: int) -> Array:
    if sample_weight is None:
        return np.ones(n_samples)
    weights = finite_array("sample_weight", sample_weight)
    if weights.shape != (n_samples,):
        raise ValueError(f"sample_weight has shape {weights.shape}, expected ({n_samples},)")
    if (weights < 0).any():
        raise ValueError("sample_weight has negative entries")
    return weights
