"""What may watch a training: callables that see every round, bars and lines of text, and early stopping.

A callback is a callable that takes a :class:`~convexrelu.results.Round`. Training ends when it returns True. One that
needs to know the estimator, or that counts, has a method ``for_fit(estimator)`` instead, which returns such a callable
for one fit: so that an object can serve several fits, also at the same time.
"""

from convexrelu.callbacks.validation_stop import ValidationStop
from convexrelu.results.progress import ProgressPrinter

__all__ = ["ProgressPrinter", "ValidationStop"]
