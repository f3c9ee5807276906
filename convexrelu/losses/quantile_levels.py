"""Pinball losses at several levels, one for each output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from convexrelu._utils.arguments import as_float, is_number, shown
from convexrelu._utils.typing import Array
from convexrelu.losses.base import TwoLinesLoss, weights_like
from convexrelu.losses.quantiles import weighted_quantile

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["Quantiles"]


@dataclass(frozen=True)
class Quantiles(TwoLinesLoss):
    """Sum over outputs ``k`` of pinball losses at ``levels[k]``, see :class:`~convexrelu.losses.Quantile`.

    Targets have a column for each level; those of one quantity are repeated.

    Parameters
    ----------
    levels : tuple of float
        At least two, between 0 and 1, exclusive.

    Raises
    ------
    ValueError
        For other `levels`.

    Examples
    --------
    >>> import numpy as np
    >>> loss = Quantiles(levels=(0.25, 0.75))
    >>> loss.value(np.array([[1.0, 3.0]]), np.array([[2.0, 2.0]]))  # 0.25 · 1 + 0.25 · 1
    array([0.5])
    """

    levels: tuple[float, ...] = (0.25, 0.75)
    name: ClassVar[str] = "quantiles"

    def __post_init__(self) -> None:
        given = self.levels
        levels = tuple(given) if isinstance(given, tuple | list | np.ndarray) else ()
        inside = all(is_number(level) and 0 < as_float(level) < 1 for level in levels)
        if len(levels) < 2 or not inside:
            raise ValueError(
                f"levels={shown(given)} is not a tuple of at least two numbers between 0 and 1, exclusive"
            )
        object.__setattr__(self, "levels", tuple(float(level) for level in levels))

    def checked_targets(self, y: Array) -> Array:
        """Targets unchanged; a ValueError unless there is a column for each level."""
        if y.ndim != 2 or y.shape[1] != len(self.levels):
            raise ValueError(
                f"y has shape {y.shape}, expected (n, {len(self.levels)}): a column for each level"
            )
        return y

    def n_outputs(self, y: Array) -> int:
        """Number of levels."""
        return len(self.levels)

    def _like(self, y: Array) -> Array:
        """Levels of all entries; flat arrays, as solvers have them, have one sample after the other."""
        levels = np.array(self.levels)
        return np.tile(levels, len(y) // len(levels)) if np.ndim(y) == 1 else levels

    def domain(self, y: Array) -> tuple[Array, Array]:
        """``[−levels, 1 − levels]``, by columns."""
        levels = self._like(y)
        return np.broadcast_to(-levels, np.shape(y)), np.broadcast_to(1 - levels, np.shape(y))

    def terms(self, f: Array, y: Array) -> Array:
        """``ℓ``, entry by entry."""
        levels = self._like(y)
        return np.maximum(levels * (y - f), (1 - levels) * (f - y))

    def gradient(self, f: Array, y: Array) -> Array:
        """``−level`` below the target, ``1 − level`` above, zero on it."""
        levels = self._like(y)
        return np.where(f < y, -levels, np.where(f > y, 1 - levels, 0.0))

    def best_shift(self, f: Array, y: Array, weights: Array) -> float:
        """Not defined for an output by itself, whose level is not known: see `best_intercept`."""
        raise NotImplementedError("quantiles of one output need its level; use Quantile")

    def best_intercept(self, f: Array, y: Array, weights: Array) -> Any:
        """Weighted quantiles of the residuals, column by column."""
        columns = zip(f.T, y.T, self.levels, strict=True)
        return np.array([weighted_quantile(b - a, weights, level) for a, b, level in columns])

    def expression(self, f: cp.Expression, y: Array, weights: Array) -> cp.Expression:
        """The sum of the weighted terms in cvxpy."""
        from convexrelu._utils.cvxpy_import import cp

        scales = weights_like(weights, y)
        low, high = self.domain(y)
        return cp.sum(
            cp.maximum(cp.multiply(scales * low, f - y), cp.multiply(scales * high, f - y))
        )
