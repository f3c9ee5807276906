"""Losses in fractions: those whose values and conjugates are rational at rational numbers."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from convexrelu.losses import (
    AbsoluteError,
    Hinge,
    Huber,
    Loss,
    Quantile,
    SquaredError,
    SquaredHinge,
)

__all__ = ["ExactLoss", "exact_loss"]

_Interval = tuple[Fraction | None, Fraction | None]
_ZERO = Fraction(0)


class ExactLoss(NamedTuple):
    """A loss ``ℓ(f, y)`` whose conjugate is ``zy``, plus ``½z²`` where it is `square`, on an interval.

    Attributes
    ----------
    parameter : float or None
        The parameter of the loss, if it has one.
    value : callable
        ``ℓ(f, y)``.
    square : bool
        Whether the loss has a quadratic part.
    domain : callable
        Ends of the domain of the conjugate for a target, None for no end.
    """

    parameter: float | None
    value: Callable[[Fraction, Fraction], Fraction]
    square: bool
    domain: Callable[[Fraction], _Interval]

    def conjugate(self, z: Fraction, y: Fraction) -> Fraction:
        """``ℓ*(z, y)`` for ``z`` in the domain."""
        return z * y + (z * z / 2 if self.square else 0)


def exact_loss(loss: Loss) -> ExactLoss | None:
    """The loss in fractions, or None where it is not covered.

    Examples
    --------
    >>> from convexrelu.losses import Huber, Logistic
    >>> exact_loss(Huber(delta=0.5)).value(Fraction(2), Fraction(1))
    Fraction(3, 8)
    >>> exact_loss(Logistic()) is None
    True
    """
    if type(loss) is SquaredError:
        return ExactLoss(None, lambda f, y: (f - y) ** 2 / 2, True, lambda y: (None, None))
    if type(loss) is AbsoluteError:
        one = Fraction(1)
        return ExactLoss(None, lambda f, y: abs(f - y), False, lambda y: (-one, one))
    if type(loss) is Quantile:
        level = Fraction(float(loss.level))
        return ExactLoss(
            float(loss.level),
            lambda f, y: max(level * (y - f), (1 - level) * (f - y)),
            False,
            lambda y: (-level, 1 - level),
        )
    if type(loss) is Huber:
        delta = Fraction(float(loss.delta))
        return ExactLoss(
            float(loss.delta), lambda f, y: _huber(f - y, delta), True, lambda y: (-delta, delta)
        )
    if type(loss) is Hinge:
        return ExactLoss(
            None,
            lambda f, y: max(_ZERO, 1 - y * f),
            False,
            lambda y: (min(-y, _ZERO), max(-y, _ZERO)),
        )
    if type(loss) is SquaredHinge:
        return ExactLoss(
            None,
            lambda f, y: max(_ZERO, 1 - y * f) ** 2 / 2,
            True,
            lambda y: (None, _ZERO) if y > 0 else (_ZERO, None),
        )
    return None


def _huber(r: Fraction, delta: Fraction) -> Fraction:
    near = min(abs(r), delta)
    return near * (abs(r) - near / 2)
