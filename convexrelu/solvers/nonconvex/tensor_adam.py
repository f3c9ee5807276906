"""Adam on mini-batches that are on an accelerator: a step is that of :mod:`convexrelu.solvers.nonconvex.minibatches`.

The update is three lines. :class:`torch.optim.Adam` would do it, too, but the first one of a process imports torch's
compiler, for five seconds.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from convexrelu._utils.torch_import import Tensor, torch
from convexrelu._utils.typing import Array
from convexrelu.losses.on_tensors import loss_on_tensors
from convexrelu.solvers.nonconvex.adam import AdamByStep
from convexrelu.solvers.nonconvex.rounded_objective import RoundedObjective, rounded_loss

__all__ = ["TensorAdam"]


class TensorAdam(AdamByStep):
    """Adam from a point of the objective, in single precision.

    Parameters
    ----------
    objective : RoundedObjective
        Gives device, units, loss and activation.
    rows : array of shape (n, d̃)
    target : array of shape (n,) or (n, K)
    weights : array of shape (n,)
        Those of a batch sum to about one.
    z : array
        The point.
    rounding : float
        Width over which the kinks of losses are rounded.
    decays : tuple of float
        Of the means of gradients and of their squares.
    tiny : float
        Added to the root of the latter.
    """

    def __init__(
        self,
        objective: RoundedObjective,
        rows: Array,
        target: Array,
        weights: Array,
        z: Array,
        *,
        rounding: float,
        decays: tuple[float, float],
        tiny: float,
    ) -> None:
        super().__init__(decays)
        problem, device = objective.problem, objective.device
        self._slope, self._rounding, self._tiny = problem.slope, rounding, tiny

        def sent(array: Array) -> Tensor:
            return torch.tensor(array, dtype=torch.float32, device=device)

        inner, outer, intercept = objective.parts(z)
        self._shapes = inner.shape, outer.shape, intercept.shape
        penalty = [objective.penalised + 0 * inner, np.ones_like(outer), np.zeros_like(intercept)]
        self._penalty = sent(objective.alpha * np.concatenate([each.ravel() for each in penalty]))
        free = np.ones_like(z)
        free[-len(intercept) :] = problem.fit_intercept
        self._free = sent(free)
        self._rows = sent(rows)
        self._weights = torch.tensor(weights, device=device)[:, None]
        loss = problem.loss
        self._terms = loss_on_tensors(loss, target, device, partial(rounded_loss, loss))
        self._z = sent(z).requires_grad_()
        self._mean, self._square = torch.zeros_like(self._z), torch.zeros_like(self._z)

    @property
    def point(self) -> Array:
        """Where it is."""
        found: Array = self._z.detach().cpu().numpy()
        return found

    def _step(self, batch: slice, size: float, scale: float) -> None:
        gradient, (first, second) = self._gradient(batch), self._decays
        self._mean.lerp_(gradient, 1 - first)
        self._square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        with torch.no_grad():
            spread = (scale * self._square.sqrt()).add_(self._tiny)
            self._z.addcdiv_(self._mean, spread, value=-size)

    def _gradient(self, batch: slice) -> Tensor:
        """Of the objective on some samples, without smoothing."""
        sizes = [math.prod(shape) for shape in self._shapes]
        parts = zip(self._z.split(sizes), self._shapes, strict=True)
        inner, outer, intercept = (part.view(shape) for part, shape in parts)
        rows = self._rows[batch]
        hidden = torch.nn.functional.leaky_relu(rows @ inner.T, self._slope)
        outputs = hidden @ outer + intercept
        _, pull = self._terms(outputs.detach().double(), self._rounding, batch)
        pull = (self._weights[batch] * pull).float()
        (gradient,) = torch.autograd.grad(outputs, self._z, pull)
        return self._free * gradient + self._penalty * self._z.detach()
