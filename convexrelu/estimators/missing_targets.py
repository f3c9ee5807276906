"""Targets of several outputs, some of which are missing: NaN in ``y``, which no loss is of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.arguments import float_array, has_masked_entries
from convexrelu._utils.typing import Array
from convexrelu.estimators.data import checked_inputs, checked_numbers, inputs_and_targets
from convexrelu.losses import LOSSES, Loss, WeightedOutputs

__all__ = [
    "Gaps",
    "inputs_and_observed",
    "numbers_or_nan",
    "observed_numbers",
    "observed_targets",
]


class Gaps(NamedTuple):
    """What is missing among targets; of parts of the samples, as several processes have them, too.

    Attributes
    ----------
    seen : array of bool of shape (K,)
        Which outputs have a target.
    in_some : bool
        Whether any target is missing.
    in_parts : bool
        Whether a sample has targets of some outputs, but not of all.
    """

    seen: NDArray[np.bool_]
    in_some: bool
    in_parts: bool

    @classmethod
    def of(cls, y: Array) -> Gaps:
        """Those of targets of shape (n,) or (n, K).

        Examples
        --------
        >>> Gaps.of(np.array([[1.0, np.nan], [2.0, np.nan]]))
        Gaps(seen=array([ True, False]), in_some=True, in_parts=True)
        """
        seen = ~np.isnan(y).reshape(len(y), -1)
        some, whole = seen.any(axis=1), seen.all(axis=1)
        outputs = np.asarray(seen.any(axis=0))
        return cls(outputs, not whole.all(), bool((some & ~whole).any()))

    @classmethod
    def together(cls, parts: list[Gaps]) -> Gaps:
        """Those of all samples, from those of parts of them."""
        seen, in_some, in_parts = zip(*parts, strict=True)
        return cls(np.any(seen, axis=0), any(in_some), any(in_parts))

    def check(self) -> None:
        """Raise an error if an output has no target."""
        if not self.seen.all():
            where = f" in column {int(np.argmin(self.seen))}" if len(self.seen) > 1 else ""
            raise ValueError(f"y has no target{where}: all are missing")


def inputs_and_observed(estimator: Any, X: ArrayLike, y: ArrayLike) -> tuple[Any, Array]:
    """Inputs, and targets of shape (n,) or (n, K) that may have NaN; every output needs a target."""
    if y is None or np.isscalar(y):
        return inputs_and_targets(estimator, X, y)  # says what is wrong
    inputs = checked_inputs(estimator, X, reset=True)
    targets = observed_numbers(estimator, y, inputs)
    Gaps.of(targets).check()
    return inputs, targets


def observed_numbers(estimator: Any, y: ArrayLike, inputs: Any) -> Array:
    """Targets of shape (n,) or (n, K) that may have NaN, one row for each row of the inputs."""
    if has_masked_entries(y) or y is None or np.isscalar(y):
        return checked_numbers(estimator, y, inputs)  # says what is wrong
    given = numbers_or_nan(y)
    missing = np.isnan(given)
    targets = checked_numbers(estimator, np.where(missing, 0.0, given), inputs)
    return np.where(missing.reshape(targets.shape), np.nan, targets)


def numbers_or_nan(y: Any) -> Array:
    """Targets as floats, with NaN for missing ones: also for those of pandas, which no float is."""
    if hasattr(y, "isna") and (missing := y.isna()).to_numpy().any():
        y = y.astype(object).where(~missing, np.nan)
    return float_array("y", y)


def observed_targets(
    loss: str | Loss, y: Array, sample_weight: Array | None, gaps: Gaps | None = None
) -> tuple[str | Loss, Array, Array | None]:
    """Loss, targets and weights of the samples that have a target; the loss is weighted if some have not all.

    Samples without any target keep their row, without weight. Where others have further samples, `gaps` are those of
    all.

    Examples
    --------
    >>> observed_targets("squared_error", np.array([1.0, np.nan]), None)
    ('squared_error', array([1., 0.]), array([1., 0.]))
    >>> loss, targets, weights = observed_targets("squared_error", np.array([[1.0, np.nan], [2.0, 3.0]]), None)
    >>> loss, targets
    (WeightedOutputs(loss=SquaredError()), array([[1., 0., 1., 0.],
           [2., 3., 1., 1.]]))
    """
    gaps = Gaps.of(y) if gaps is None else gaps
    if not gaps.in_some:
        return loss, y, sample_weight
    observed = ~np.isnan(y)
    weights = np.ones(len(y)) if sample_weight is None else sample_weight
    weights = np.where(observed.reshape(len(y), -1).any(axis=1), weights, 0.0)
    if not gaps.in_parts:
        return loss, np.where(observed, y, 0.0), weights
    weighted = WeightedOutputs(LOSSES[loss]() if isinstance(loss, str) else loss)  # type: ignore[arg-type]
    return weighted, weighted.observed(y), weights
