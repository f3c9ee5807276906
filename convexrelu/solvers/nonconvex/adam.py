"""Steps of Adam (Kingma & Ba 2015, algorithm 1), of which arrays in NumPy and on a device make the rest."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

__all__ = ["AdamByStep", "corrected"]


def corrected(size: float, count: int, decays: tuple[float, float]) -> tuple[float, float]:
    """Size of a step, and factor of the root of mean squares, without the bias of means that began at zero.

    Parameters
    ----------
    size : float
        Of the step, before that.
    count : int
        Number of the step, the first one being 1.
    decays : tuple of float
        Of the means of gradients and of their squares.

    Examples
    --------
    >>> corrected(0.1, 1, (0.5, 0.75))
    (0.2, 2.0)
    """
    first, second = decays
    return size / (1 - first**count), 1 / math.sqrt(1 - second**count)


class AdamByStep(ABC):
    """Adam that makes its steps one by one; a subclass keeps the means, and where it is.

    Parameters
    ----------
    decays : tuple of float
        As for :func:`corrected`.
    """

    together: ClassVar[int] = 1  # steps between two looks at the time
    point: Any  # where it is

    def __init__(self, decays: tuple[float, float]) -> None:
        self._decays, self._n_steps = decays, 0

    def steps(self, batches: Sequence[slice], sizes: Sequence[float]) -> None:
        """Steps of these sizes on some samples each."""
        for batch, size in zip(batches, sizes, strict=True):
            self._n_steps += 1
            self._step(batch, *corrected(size, self._n_steps, self._decays))

    @abstractmethod
    def _step(self, batch: slice, size: float, scale: float) -> None:
        """One step, of a size and with a factor of the root that are corrected."""
