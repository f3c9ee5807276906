"""Neurons that are the same function, up to a factor: compared by their kinks, in units of the data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array

__all__ = ["Ball", "same_neurons"]

# Roundings of a kink, in units of its distance from the origin: closer kinks are equal.
_ROUNDING = 4 * float(np.finfo(np.float64).eps)


class Ball(NamedTuple):
    """A ball around samples: its centre, (d,), and its radius."""

    centre: Array
    radius: float

    @classmethod
    def around(cls, X: Any) -> Ball:
        """The mean of the rows, and the largest distance from it."""
        centre = np.asarray(X.mean(axis=0)).ravel()
        if not issparse(X):
            return cls(centre, float(norms(X - centre).max(initial=0.0)))
        squares = np.asarray(X.multiply(X).sum(axis=1)).ravel() - X @ (2 * centre)
        return cls(centre, float(np.sqrt(max(squares.max(initial=0.0) + centre @ centre, 0.0))))


def same_neurons(
    weights: Array, bias: Array, tol: float, *, even: bool = False, ball: Ball | None = None
) -> tuple[NDArray[np.intp], Array]:
    """Group neurons that agree on a ball but for a factor.

    With ``‖w‖ = 1``, two inputs ``w·x + b`` of neurons differ by at most ``ρ‖w − w'‖ + |b_c − b_c'|`` at distance
    ``ρ`` from the centre ``c``, where ``b_c = b + w·c`` is the distance of the kink. The ratio of ``b`` to ``w`` alone
    says nothing: with data far from the origin, all biases are nearly proportional to the weights.

    Parameters
    ----------
    weights, bias : arrays of shape (m, d) and (m,)
        No neuron is zero in both.
    tol : float
        Neurons are equal if their inputs differ by less than `tol` times the radius of the ball, or by rounding.
    even : bool
        Whether a neuron and its opposite are equal.
    ball : Ball, optional
        Where the samples are. Without it, the origin takes the place of the centre, and the distance of a kink from
        it, up to one, that of the radius.

    Returns
    -------
    leader : array of shape (m,)
        Index of the first neuron of every neuron's group.
    factors : array of shape (m,)
        Neurons over their factors are equal in each group.
    """
    scale = norms(weights)
    scale = np.where(scale > 0, scale, np.abs(bias))
    with np.errstate(over="ignore"):  # a kink that far away has no equal
        units, kinks = weights / scale[:, None], bias / scale
        offset = 0.0
        if ball is not None:
            kinks = kinks + units @ ball.centre
            offset = float(norms(ball.centre))
    if ball is None:
        reach = np.where(kinks != 0, np.abs(kinks), 1.0)
        shift = tol * np.minimum(reach, 1.0)
    else:
        reach = np.full(len(kinks), ball.radius)
        shift = tol * reach
    shift = np.maximum(shift, _ROUNDING * (offset + np.abs(kinks)))
    # Neurons that are equal have close keys: only those are compared.
    keys = kinks if ball is None else kinks + ball.radius * (units @ _axis(units.shape[1]))
    keys = np.abs(keys) if even else keys
    with np.errstate(invalid="ignore"):
        slack = 2 * shift + _ROUNDING * (len(units.T) + 1) * (np.abs(keys) + reach)
    order = np.argsort(keys, kind="stable")
    first = np.searchsorted(keys[order], keys - slack, side="left")
    end = np.searchsorted(keys[order], keys + slack, side="right")
    leader, sides = np.arange(len(kinks)), np.ones(len(kinks))
    for j in np.flatnonzero(end - first > 1):
        others = np.sort(order[first[j] : end[j]])
        others = others[(others < j) & (leader[others] == others)]
        for side in (1.0, -1.0) if even else (1.0,):
            with np.errstate(invalid="ignore"):  # infinite kinks are not near each other
                apart = norms(units[others] - side * units[j]) * reach[j]
                near = apart + np.abs(kinks[others] - side * kinks[j]) <= shift[j]
            if near.any():
                leader[j], sides[j] = others[int(near.argmax())], side
                break
    return leader, sides * scale


def _axis(d: int) -> Array:
    axis = np.random.default_rng(0).standard_normal(d)
    return axis / norms(axis)
