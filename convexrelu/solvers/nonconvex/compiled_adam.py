"""Steps of Adam on mini-batches in compiled code, for the squared error.

They are those of :mod:`~convexrelu.solvers.nonconvex.minibatches`, in half of the time: with 256 rows of twenty
features, NumPy takes long between its calls.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.solvers.nonconvex.adam import corrected
from convexrelu.solvers.nonconvex.hidden_layer import adam_steps, is_compiled
from convexrelu.solvers.nonconvex.rounded_objective import RoundedObjective
from convexrelu.solvers.nonconvex.tile_sums import Samples

__all__ = ["CompiledAdam"]

_WIDTH = 1e-6  # of the kinks: none is smoothed noticeably
# With 129,000 weights, of images of 784 pixels, NumPy takes three quarters of the time.
_MOST_WEIGHTS = 2**14
_WORK = 5e7  # multiplications between two looks at the time, some milliseconds


class CompiledAdam:
    """Adam from a point of the objective.

    Parameters
    ----------
    objective : RoundedObjective
    samples : Samples
        Weights are such that those of a batch sum to about one.
    z : array
        The point.
    batch : int
        Number of samples of a batch.
    decays : tuple of float
        Of the means of gradients and of their squares.
    tiny : float
        Added to the root of the latter.
    """

    def __init__(
        self,
        objective: RoundedObjective,
        samples: Samples,
        z: Array,
        *,
        batch: int,
        decays: tuple[float, float],
        tiny: float,
    ) -> None:
        problem, rows = objective.problem, samples.rows
        inner, outer, intercept = objective.parts(z)
        penalty = [objective.penalised + 0 * inner, np.ones_like(outer), np.zeros_like(intercept)]
        self._penalty = objective.alpha * np.concatenate([each.ravel() for each in penalty])
        self._state = np.stack([z, np.zeros_like(z), np.zeros_like(z)])
        self._samples, self._decays = samples, decays
        self._slope = problem.slope
        self._sizes = (batch, rows.shape[1], len(outer), outer.shape[1])
        self._options = (_WIDTH, (*decays, tiny), problem.fit_intercept)
        self._n_steps = 0
        self.together = max(1, int(_WORK / (batch * z.size)))

    @staticmethod
    def is_for(objective: RoundedObjective, z: Array) -> bool:
        """Whether there is compiled code for this objective, and so few weights that it is faster."""
        return is_compiled() and objective.problem.loss.is_least_squares and len(z) <= _MOST_WEIGHTS

    @property
    def point(self) -> Array:
        """Where it is."""
        return self._state[0].copy()

    def steps(self, batches: Sequence[slice], sizes: Sequence[float]) -> None:
        """Steps of these sizes on some samples each."""
        counts = range(self._n_steps + 1, self._n_steps + len(batches) + 1)
        factors = [corrected(size, k, self._decays) for size, k in zip(sizes, counts, strict=True)]
        starts = np.array([batch.start for batch in batches], dtype=np.int64)
        arrays = starts, np.array(factors), self._penalty, self._state
        adam_steps(self._samples, self._slope, self._sizes, *self._options, arrays)
        self._n_steps += len(batches)
