"""Steps of Adam on several arrays, with lengths that fall from the first to the last."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from convexrelu._utils.typing import Array

__all__ = ["Adam"]

_FIRST, _LAST = 0.05, 0.003  # lengths of the steps
_DECAY_1, _DECAY_2 = 0.9, 0.999  # of the averages


class Adam:
    """Descent that changes `parts` in place.

    Parameters
    ----------
    parts : sequence of arrays
        What descends.
    lengths : sequence of float
        Of the steps of each part, relative to others.
    n_steps : int
        Number of steps over which lengths fall.

    References
    ----------
    Kingma & Ba 2015, "Adam: A Method for Stochastic Optimization".

    Examples
    --------
    >>> x = np.array([0.3, -0.2])
    >>> descent = Adam([x], [1.0], n_steps=100)
    >>> for _ in range(100):
    ...     descent.step([2 * x])
    >>> bool(np.abs(x).max() < 0.01)
    True
    """

    def __init__(self, parts: Sequence[Array], lengths: Sequence[float], n_steps: int) -> None:
        self._parts, self._lengths, self._n_steps = parts, lengths, n_steps
        self._means = [np.zeros_like(part) for part in parts]
        self._squares = [np.zeros_like(part) for part in parts]
        self._k = 0

    def step(self, gradients: Sequence[Array]) -> None:
        """Take one step."""
        self._k += 1
        k = self._k
        step = _FIRST * (_LAST / _FIRST) ** (k / self._n_steps)
        step *= math.sqrt(1 - _DECAY_2**k) / (1 - _DECAY_1**k)
        for part, of_part, mean, square, length in zip(
            self._parts, gradients, self._means, self._squares, self._lengths, strict=True
        ):
            mean += (1 - _DECAY_1) * (of_part - mean)
            square += (1 - _DECAY_2) * (of_part**2 - square)
            part -= step * length * mean / (np.sqrt(square) + 1e-12)
