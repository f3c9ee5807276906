"""Linear equations of first order at collocation points."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_number, check_type, finite_array, float_array
from convexrelu._utils.typing import Array

__all__ = ["DerivativeRows"]

_TOO_HIGH = (
    "of order two or more, but the second derivative of a ReLU network is zero wherever it exists, so that no weights "
    "can change the residual of such an equation; use equations of first order"
)


@dataclass(frozen=True, eq=False)
class DerivativeRows:
    """Equations ``p(z)·∇f(z) + q(z) f(z) = g(z)`` at points ``z``, fitted by least squares.

    Parameters
    ----------
    points : array of shape (m, d)
        Collocation points.
    gradient : array of shape (d,) or (m, d)
        ``p``, the same at all points or one for each.
    value : float or array of shape (m,)
        ``q``.
    target : float or array of shape (m,)
        ``g``.
    weight : float
        The objective has ``weight`` times the mean of half the squared residuals.

    Examples
    --------
    >>> decay = DerivativeRows([[0.0], [0.5], [1.0]], gradient=[1.0], value=2.0)  # f' + 2 f = 0
    >>> len(decay)
    3
    """

    points: Array
    gradient: Array
    value: Array
    target: Array
    weight: float = 1.0

    def __init__(
        self,
        points: ArrayLike,
        gradient: ArrayLike,
        value: ArrayLike = 0.0,
        target: ArrayLike = 0.0,
        weight: float = 1.0,
    ) -> None:
        points = finite_array("points", points, "m", "d")
        check_number("weight", weight, numbers.Real, 0.0)
        gradient = float_array("gradient", gradient)
        if gradient.ndim > 2:
            raise ValueError(f"gradient has shape {gradient.shape}: an equation {_TOO_HIGH}")
        m = len(points)
        fields = {
            "points": points,
            "gradient": _for_each("gradient", gradient, points.shape),
            "value": _for_each("value", value, (m,)),
            "target": _for_each("target", target, (m,)),
        }
        for name, array in fields.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "weight", float(weight))

    def __len__(self) -> int:
        return len(self.points)

    @classmethod
    def from_operator(
        cls,
        points: ArrayLike,
        coefficients: Mapping[tuple[int, ...], ArrayLike],
        target: ArrayLike = 0.0,
        weight: float = 1.0,
    ) -> DerivativeRows:
        """Equations ``Σ_k coefficients[k] ∂^k f = target`` with a coefficient for each multi-index ``k``.

        Parameters
        ----------
        points : array of shape (m, d)
        coefficients : dict
            From tuples of `d` orders of differentiation to numbers, or to arrays of shape (m,).
        target, weight
            As for the class.

        Raises
        ------
        ValueError
            For derivatives of order two or more: they are zero almost everywhere for a ReLU network.

        Examples
        --------
        >>> transport = DerivativeRows.from_operator([[0.0, 0.0]], {(1, 0): 1.0, (0, 1): 0.5})
        >>> transport.gradient
        array([[1. , 0.5]])
        >>> DerivativeRows.from_operator([[0.0, 0.0]], {(2, 0): 1.0})
        Traceback (most recent call last):
            ...
        ValueError: coefficients has (2, 0), a derivative of order two or more, ...
        """
        check_type("coefficients", coefficients, Mapping)
        points = finite_array("points", points, "m", "d")
        gradient, value = np.zeros_like(points), np.zeros(len(points))
        for index, coefficient in coefficients.items():
            _check_index(index, points.shape[1])
            entries = _for_each(f"coefficients[{index}]", coefficient, (len(points),))
            if sum(index) == 0:
                value = entries
            else:
                gradient[:, index.index(1)] = entries
        return cls(points, gradient, value, target, weight)

    @classmethod
    def gradients(
        cls, points: ArrayLike, gradients: ArrayLike, weight: float = 1.0
    ) -> DerivativeRows:
        """Gradient matching (Sobolev training): ``weight`` times the mean of ``½ ‖∇f(z) − gradients‖²``.

        Examples
        --------
        >>> len(DerivativeRows.gradients([[0.0, 1.0]], [[2.0, 3.0]]))  # an equation for each partial derivative
        2
        """
        points = finite_array("points", points, "m", "d")
        m, d = points.shape
        wanted = finite_array("gradients", gradients, m, d)
        check_number("weight", weight, numbers.Real, 0.0)
        axes = np.tile(np.eye(d), (m, 1))
        return cls(np.repeat(points, d, axis=0), axes, 0.0, wanted.ravel(), d * float(weight))


def _check_index(index: object, d: int) -> None:
    if not (
        isinstance(index, tuple)
        and len(index) == d
        and all(isinstance(order, int) and order >= 0 for order in index)
    ):
        raise ValueError(f"coefficients has {index!r}, not a tuple of {d} orders of at least 0")
    if sum(index) > 1:
        raise ValueError(f"coefficients has {index}, a derivative {_TOO_HIGH}")


def _for_each(name: str, given: ArrayLike, shape: tuple[int, ...]) -> Array:
    """A copy for every point; a single one may have been given."""
    array = finite_array(name, given)
    if array.shape not in (shape, shape[1:]):
        raise ValueError(f"{name} has shape {array.shape}, expected {shape[1:]} or {shape}")
    return np.array(np.broadcast_to(array, shape))
