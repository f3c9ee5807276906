"""Losses with a weight for each sample and output, such as zero where a target is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import finite_array, float_array
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.losses.base import EPS, Loss
from convexrelu.losses.dual_domain import separable_dual_point
from convexrelu.losses.regression import RealTargets

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["WeightedOutputs"]


@dataclass(frozen=True)
class WeightedOutputs(Loss):
    """``Σ_k w_k ℓ(f_k, y_k)`` with weights ``w`` in [0, 1] for each sample and each of ``K ≥ 2`` outputs.

    The weights are columns of the targets, behind those of ``y``: see :meth:`targets` and :meth:`observed`. The
    conjugate is ``Σ_k w_k ℓ*(z_k/w_k, y_k)``. Where ``w_k = 0`` the output is free, and ``z_k = 0``: dual points are
    zero there.

    Parameters
    ----------
    loss : RealTargets
        ``ℓ``, a loss for numbers that is a sum over outputs.

    Raises
    ------
    ValueError
        For another `loss`.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.losses import SquaredError
    >>> loss = WeightedOutputs(SquaredError())
    >>> targets = loss.observed([[1.0, np.nan], [3.0, 5.0]])
    >>> loss.value(np.zeros((2, 2)), targets)  # ½ · 1, ½ (9 + 25)
    array([ 0.5, 17. ])
    >>> loss.gradient(np.zeros((2, 2)), targets)
    array([[-1.,  0.],
           [-3., -5.]])
    """

    loss: RealTargets
    name: ClassVar[str] = "weighted_outputs"

    def __post_init__(self) -> None:
        if not isinstance(self.loss, RealTargets):
            raise ValueError(
                f"loss={self.loss!r} is not a loss for numbers, a RealTargets, which weights of outputs need"
            )
        for name in ("smooth", "degree", "predicts_logarithms"):
            object.__setattr__(self, name, getattr(self.loss, name))

    @staticmethod
    def targets(y: ArrayLike, weights: ArrayLike) -> Array:
        """Targets of this loss, of shape (n, 2K), from targets and weights of shape (n, K)."""
        values = finite_array("y", y, "n", "K")
        return np.hstack([values, finite_array("weights", weights, *values.shape)])

    @classmethod
    def observed(cls, y: ArrayLike) -> Array:
        """Targets of this loss from ``y`` of shape (n, K): NaN is a missing entry, and has the weight zero."""
        values = float_array("y", y)
        missing = np.isnan(values)
        return cls.targets(np.where(missing, 0.0, values), ~missing)

    def checked_targets(self, y: Array) -> Array:
        """Targets unchanged; a ValueError for other shapes or weights, or an output without weight."""
        weights = _parts(self.checked_rows(y))[1]
        if not weights.any(axis=0).all():
            raise ValueError(
                f"y has no target with weight in column {weights.any(axis=0).argmin()}"
            )
        return y

    def checked_rows(self, y: Array) -> Array:
        """Targets unchanged; a ValueError for other shapes or weights."""
        if y.ndim != 2 or y.shape[1] < 4 or y.shape[1] % 2:
            raise ValueError(
                f"y has shape {y.shape}, expected (n, 2K) with K ≥ 2 targets followed by K weights"
            )
        values, weights = _parts(y)
        if ((weights < 0) | (weights > 1)).any():
            raise ValueError("y has weights of outputs that are not between 0 and 1")
        self.loss.checked_targets(values)
        return y

    def n_outputs(self, y: Array) -> int:
        """Half the number of columns."""
        return y.shape[1] // 2

    def value(self, f: Array, y: Array) -> Array:
        """``Σ_k w_k ℓ(f_k, y_k)``."""
        return self._weighted(self.loss.terms(f, _parts(y)[0]), y).sum(axis=1)

    def gradient(self, f: Array, y: Array) -> Array:
        """``w ∘ ℓ'``."""
        return self._weighted(self.loss.gradient(f, _parts(y)[0]), y)

    def curvature(self, f: Array, y: Array) -> Array:
        """``w ∘ ℓ''``."""
        return self._weighted(self.loss.curvature(f, _parts(y)[0]), y)

    def conjugate(self, z: Array, y: Array) -> Array:
        """``Σ_k w_k ℓ*(z_k/w_k, y_k)``, ``inf`` outside its domain, and where ``z_k`` is not zero but ``w_k`` is."""
        values, weights = _parts(y)
        quotients = _quotients(z, weights)
        inside, outside = self.loss._clipped(quotients, values)
        terms = np.where(outside, np.inf, self.loss.conjugate_terms(inside, values))
        free = np.where(z == 0, 0.0, np.inf)
        return np.where(weights > 0, weights * np.where(weights > 0, terms, 0.0), free).sum(axis=1)

    def conjugate_error(self, z: Array, y: Array) -> Array:
        """Twice the weighted bounds: a quotient and a product are rounded in addition."""
        values, weights = _parts(y)
        inside, _ = self.loss._clipped(_quotients(z, weights), values)
        return 2 * self._weighted(self.loss.conjugate_error_terms(inside, values), y).sum(axis=1)

    def best_intercept(self, f: Array, y: Array, weights: Array) -> Any:
        """Best constants, output by output, among the samples that have weight there."""
        values, own = _parts(y)
        found = np.zeros(values.shape[1])
        for k, column in enumerate((weights[:, None] * own).T):
            seen = column > 0
            if not seen.any():
                raise ValueError(f"y has no target with weight in column {k}")
            found[k] = self.loss.best_shift(f[seen, k], values[seen, k], column[seen])
        return found

    def dual_point(self, v: Array, y: Array, weights: Array, balanced: bool) -> Array:
        """The nearest point, output by output, zero where there is no weight."""
        values, own = _parts(y)
        # Their products are rounded, the domain is not.
        own = weights[:, None] * own * np.where((own == 0) | (own == 1), 1.0, 1 - 4 * EPS)
        low, high = self.loss.domain(values)
        columns = zip(v.T, own.T, low.T, high.T, strict=True)
        return np.column_stack([separable_dual_point(*column, balanced) for column in columns])

    def spread(self, y: Array, center: Any, weights: Array) -> float:
        """Unit of targets, of those that have weight."""
        values, own = _parts(y)
        return float(norms((np.sqrt(weights[:, None] * own) * (values - center)).ravel()))

    def in_units(self, y: Array, center: Any, unit: float) -> Array:
        """Targets and weights for outputs in other units."""
        values, own = _parts(y)
        return np.hstack([(values - center) / unit, own])

    def expression(self, f: cp.Expression, y: Array, weights: Array) -> cp.Expression:
        """That of the loss, for all pairs of a sample and an output that have weight."""
        from convexrelu._utils.cvxpy_import import cp

        values, own = _parts(y)
        own = (weights[:, None] * own).ravel()
        seen = np.flatnonzero(own)
        outputs = cp.reshape(f, (own.size,), order="C")[seen]
        return self.loss.expression(outputs, values.ravel()[seen], own[seen])

    @property
    def has_expression(self) -> bool:
        """Whether that of the loss is defined."""
        return self.loss.has_expression

    def _weighted(self, terms: Array, y: Array) -> Array:
        """``w ∘ terms``, zero without weight whatever the term."""
        weights = _parts(y)[1]
        return weights * np.where(weights > 0, terms, 0.0)


def _parts(y: Array) -> tuple[Array, Array]:
    """Targets and weights."""
    return y[:, : y.shape[1] // 2], y[:, y.shape[1] // 2 :]


def _quotients(z: Array, weights: Array) -> Array:
    """``z/w``, zero without weight."""
    with np.errstate(over="ignore"):
        return np.where(weights > 0, z / np.where(weights > 0, weights, 1.0), 0.0)
