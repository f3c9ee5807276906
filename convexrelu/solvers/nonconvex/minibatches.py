"""Training on mini-batches, for many samples: a step costs the same however many there are.

Adam, see :mod:`~convexrelu.solvers.nonconvex.adam`, with a step size that falls to zero along a cosine. The kinks of
neurons are not smoothed: random batches average over them anyway.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from convexrelu._utils.threads import one_blas_thread
from convexrelu._utils.typing import Array
from convexrelu.solvers.nonconvex.adam import AdamByStep
from convexrelu.solvers.nonconvex.compiled_adam import CompiledAdam
from convexrelu.solvers.nonconvex.interrupted import handing_over
from convexrelu.solvers.nonconvex.rounded_objective import RoundedObjective, rounded_loss
from convexrelu.solvers.nonconvex.tile_sums import Samples

__all__ = ["minibatch_descent"]

# Measured with 3000, 10,000 and 100,000 samples of twenty features, alpha = 0.01 and 0.001: with batches of 512, twice
# as many steps or twice the step size, the objective is hardly lower; with half of the step size, up to 3 % higher.
_BATCH, _FEWEST_STEPS, _PASSES = 256, 2_500, 8
# Multiplications for an entry of the weights that the fewest steps may take: of 8000 images of 784 pixels, 1500 steps
# classify as well as 2500 (96.4 and 96.6 %) in two thirds of the time.
_MOST_WORK = 3e10
_FIRST_STEP = 2e-2
_DECAY, _DECAY_OF_SQUARES, _TINY = 0.9, 0.999, 1e-8  # of the paper
_ROUNDING = 1e-2  # width over which the kinks of losses are rounded, in units of the targets
# Part of the time in which only steps count: slow first ones do not say that the others would not end in time.
_TIME_TO_SEE = 0.1
# Multiplications of a step from which on launching its operations on a device takes less time.
_WORTH_SENDING = 2**22


def minibatch_descent(
    objective: RoundedObjective,
    z: Array,
    random: np.random.RandomState,
    deadline: float = math.inf,
) -> Array:
    """The point after eight passes over the samples, or up to 2500 steps if that is more; balanced.

    The step size falls with the steps, and with the time only where that is ahead of them after a tenth of it: where
    all steps end long before the deadline, the point is the one without a deadline.

    Parameters
    ----------
    objective : RoundedObjective
    z : array
        A point of the objective.
    random : RandomState
        Shuffles the samples, and the batches of each pass.
    deadline : float
        Value of :func:`time.perf_counter` by which the step size has fallen to zero.
    """
    n_samples = len(objective.rows)
    # Shuffled once: later on a batch is a slice, which is far faster than rows from all over the memory. The first ones
    # follow the last ones, for batches that go round the end.
    order = np.resize(random.permutation(n_samples), n_samples + _BATCH)
    weights = objective.weights * (n_samples / _BATCH)  # those of a batch sum to about one
    samples = Samples(*(each[order] for each in (objective.rows, objective.target, weights)))
    affordable = int(_MOST_WORK / (_BATCH * z.size))
    n_steps = max(min(_FEWEST_STEPS, affordable), _PASSES * n_samples // _BATCH)
    with handing_over(objective) as reached, one_blas_thread():
        adam, batches, n_done = _adam(objective, samples, z), _batches(n_samples, random), 0
        began = time.perf_counter()
        while n_done < n_steps and (now := time.perf_counter()) < deadline:
            spent = (now - began) / (deadline - began)
            least = spent if spent > _TIME_TO_SEE else 0.0
            counts = range(n_done, min(n_done + adam.together, n_steps))
            sizes = [_step_size(max(k / n_steps, least)) for k in counts]
            adam.steps(list(islice(batches, len(sizes))), sizes)
            reached.point = adam.point
            n_done += len(sizes)
    return objective.balanced(adam.point.astype(np.float64))


def _step_size(part: float) -> float:
    """After that part of the steps, or of the time."""
    return _FIRST_STEP * 0.5 * (1 + math.cos(math.pi * part))


def _adam(objective: RoundedObjective, samples: Samples, z: Array) -> Any:
    """Adam from a point: on the objective's device where a step is long enough for that."""
    constants: dict[str, Any] = {"decays": (_DECAY, _DECAY_OF_SQUARES), "tiny": _TINY}
    if objective.device == "cpu" or _BATCH * z.size < _WORTH_SENDING:
        if CompiledAdam.is_for(objective, z):
            return CompiledAdam(objective, samples, z, batch=_BATCH, **constants)
        return _Adam(objective, samples, z)
    from convexrelu.solvers.nonconvex.tensor_adam import TensorAdam  # torch takes seconds to import

    return TensorAdam(objective, *samples, z, rounding=_ROUNDING, **constants)


class _Adam(AdamByStep):
    """Adam in NumPy."""

    def __init__(self, objective: RoundedObjective, samples: Samples, z: Array) -> None:
        super().__init__((_DECAY, _DECAY_OF_SQUARES))
        self._objective, self._samples = objective, samples
        self.point = z.astype(np.float32)
        self._mean, self._square = np.zeros_like(self.point), np.zeros_like(self.point)

    def _step(self, batch: slice, size: float, scale: float) -> None:
        part = Samples(*(each[batch] for each in self._samples))
        gradient = _gradient(self._objective, part, self.point)
        self._mean += (1 - _DECAY) * (gradient - self._mean)
        self._square += (1 - _DECAY_OF_SQUARES) * (gradient * gradient - self._square)
        self.point -= size * self._mean / (scale * np.sqrt(self._square) + _TINY)


def _batches(n_samples: int, random: np.random.RandomState) -> Iterator[slice]:
    """Slices in random order, pass after pass, each pass from another sample on; they go round the end."""
    while True:
        starts = (random.randint(n_samples) + np.arange(0, n_samples, _BATCH)) % n_samples
        for start in random.permutation(starts).tolist():
            yield slice(start, start + _BATCH)


def _gradient(objective: RoundedObjective, samples: Samples, z: Array) -> Array:
    """Of the objective on some samples, without smoothing; arrays of shape (batch, m) are what takes time."""
    problem, slope = objective.problem, objective.problem.slope
    inner, outer, intercept = objective.parts(z)
    rows, target, weights = samples
    hidden = rows @ inner.T
    active = hidden > 0
    slopes = active if slope == 0.0 else np.where(active, np.float32(1.0), np.float32(slope))
    hidden *= slopes
    outputs = objective.like_targets((hidden @ outer + intercept).astype(np.float64))
    pull = rounded_loss(problem.loss, outputs, target, _ROUNDING)[1]
    pull = (weights[:, None] * pull.reshape(len(rows), -1)).astype(np.float32)
    by_hidden = pull @ outer.T
    by_hidden *= slopes
    by_inner = by_hidden.T @ rows + np.float32(objective.alpha) * objective.penalised * inner
    by_outer = hidden.T @ pull + np.float32(objective.alpha) * outer
    by_intercept = pull.sum(axis=0) * problem.fit_intercept
    return np.concatenate([by_inner.ravel(), by_outer.ravel(), by_intercept]).astype(np.float32)
