"""Loss functions: one class a loss.

Every method works sample by sample on arrays of one shape and knows nothing of weights, of the
network or of the penalty; :class:`~convexrelu.problem.TrainingProblem` averages and adds. A loss
is written here once and serves the primal, the dual, the certificate and the cvxpy programmes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["LOSSES", "Loss", "SquaredError"]

Array = NDArray[np.float64]


class Loss(Protocol):
    """What a loss must offer; all arrays are of one shape, one entry a sample."""

    name: str
    smooth: bool
    degree: float | None

    def checked_targets(self, y: Array) -> Array:
        """The targets, or a ValueError that says what is wrong with ``y``."""
        ...

    def n_outputs(self, y: Array) -> int:
        """Outputs that a network for these targets has."""
        ...

    def conjugate_error(self, z: Array, y: Array) -> Array:
        """Bound on the rounding error of `conjugate`."""
        ...

    def dual_point(self, v: Array, y: Array, weights: Array, balanced: bool) -> Array:
        """A point near ``v`` in the domain of the dual, whose sum is zero if it is to be balanced."""
        ...

    def value(self, f: Array, y: Array) -> Array:
        """``ℓ(f, y)``."""
        ...

    def gradient(self, f: Array, y: Array) -> Array:
        """Derivative of ``ℓ`` with respect to ``f``."""
        ...

    def conjugate(self, z: Array, y: Array) -> Array:
        """``ℓ*(z, y) = sup_f  z f − ℓ(f, y)``; ``inf`` outside its domain."""
        ...

    def curvature(self, f: Array, y: Array) -> Array:
        """Second derivative of ``ℓ`` with respect to ``f``."""
        ...

    def best_intercept(self, f: Array, y: Array, weights: Array) -> Any:
        """The ``c`` that minimises ``Σ weights_i ℓ(f_i + c, y_i)``."""
        ...

    def expression(self, f: cp.Expression, y: Array, weights: Array) -> cp.Expression:
        """``Σ weights_i ℓ(f_i, y_i)`` in cvxpy."""
        ...


class SquaredError:
    """Squared error, ``ℓ(f, y) = ½ (f − y)²``, the scaling of :class:`sklearn.linear_model.Lasso`.

    `value` and `conjugate` take arrays of Fractions as well, and are exact on them.

    Examples
    --------
    >>> import numpy as np
    >>> loss = SquaredError()
    >>> f, y = np.array([1.0, 2.0]), np.array([1.0, 4.0])
    >>> loss.value(f, y)
    array([0., 2.])
    >>> loss.gradient(f, y)
    array([ 0., -2.])

    Fenchel and Young: ``ℓ(f) + ℓ*(z) ≥ z f``, with equality at ``z = ℓ'(f)``.

    >>> z = loss.gradient(f, y)
    >>> loss.value(f, y) + loss.conjugate(z, y) - z * f
    array([0., 0.])
    """

    name = "squared_error"

    def value(self, f: Array, y: Array) -> Array:
        """``½ (f − y)²``."""
        return np.square(f - y) / 2

    def gradient(self, f: Array, y: Array) -> Array:
        """``f − y``."""
        return f - y

    def conjugate(self, z: Array, y: Array) -> Array:
        """``z y + ½ z²``."""
        return z * y + np.square(z) / 2

    def curvature(self, f: Array, y: Array) -> Array:
        """One everywhere."""
        return np.ones_like(f)

    smooth = True
    degree: float | None = 2

    def checked_targets(self, y: Array) -> Array:
        """Any numbers."""
        return y

    def n_outputs(self, y: Array) -> int:
        """Columns of the targets."""
        return 1 if y.ndim == 1 else y.shape[1]

    def conjugate_error(self, z: Array, y: Array) -> Array:
        """Bound on the rounding error of `conjugate`."""
        return 4 * np.finfo(np.float64).eps * (np.abs(z * y) + np.square(z))

    def dual_point(self, v: Array, y: Array, weights: Array, balanced: bool) -> Array:
        """``v`` with a sum of zero."""
        return v - weights * v.sum() if balanced else v

    def best_intercept(self, f: Array, y: Array, weights: Array) -> Any:
        """Weighted mean, taken about the first target so that a constant ``y`` is met to the last bit."""
        y = y - f
        return float(y[0] + weights @ (y - y[0]) / weights.sum())

    def expression(self, f: cp.Expression, y: Array, weights: Array) -> cp.Expression:
        """``½ ‖√weights ∘ (f − y)‖²`` in cvxpy."""
        import cvxpy as cp

        return 0.5 * cp.sum_squares(cp.multiply(np.sqrt(weights), f - y))


LOSSES: dict[str, type[Loss]] = {SquaredError.name: SquaredError}
