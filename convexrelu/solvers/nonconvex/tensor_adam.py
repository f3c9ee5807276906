"""Adam on mini-batches that are on an accelerator, by :class:`torch.optim.Adam`, with its defaults of the paper."""

from __future__ import annotations

from functools import partial

import numpy as np

from convexrelu._utils.torch_import import torch
from convexrelu._utils.typing import Array
from convexrelu.losses.on_tensors import loss_on_tensors
from convexrelu.solvers.nonconvex.rounded_objective import RoundedObjective, rounded_loss

__all__ = ["TensorAdam"]


class TensorAdam:
    """Adam from a point of the objective, in single precision; a step is that of `minibatch_descent`.

    Parameters
    ----------
    objective : RoundedObjective
        Gives device, units, loss and activation.
    rows : array of shape (n, d̃)
    target : array of shape (n,) or (n, K)
    weights : array of shape (n,)
    z : array
        The point.
    rounding : float
        Width over which the kinks of losses are rounded.
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
    ) -> None:
        problem, device = objective.problem, objective.device
        self._slope, self._alpha = problem.slope, float(objective.alpha)
        self._fits_intercept, self._rounding = problem.fit_intercept, rounding

        def sent(array: Array) -> torch.Tensor:
            return torch.tensor(array, dtype=torch.float32, device=device)

        self._rows, self._penalised = sent(rows), sent(objective.penalised)
        self._weights = torch.tensor(len(objective.rows) * weights, device=device)[:, None]
        loss = problem.loss
        self._terms = loss_on_tensors(loss, target, device, partial(rounded_loss, loss))
        self._parts = [sent(part).requires_grad_() for part in objective.parts(z)]
        self._adam = torch.optim.Adam(self._parts)

    @property
    def point(self) -> Array:
        """Where it is."""
        return np.concatenate([part.detach().cpu().numpy().ravel() for part in self._parts])

    def step(self, batch: slice, size: float) -> None:
        """One step on some samples."""
        inner, outer, intercept = self._parts
        rows = self._rows[batch]
        hidden = torch.nn.functional.leaky_relu(rows @ inner.T, self._slope)
        outputs = hidden @ outer + intercept
        _, pull = self._terms(outputs.detach().double(), self._rounding, batch)
        self._adam.zero_grad()
        outputs.backward((self._weights[batch] / len(rows) * pull).float())
        with torch.no_grad():
            for part, decay in ((inner, self._alpha * self._penalised), (outer, self._alpha)):
                assert part.grad is not None
                part.grad += decay * part
            if not self._fits_intercept:
                intercept.grad = torch.zeros_like(intercept)
        self._adam.param_groups[0]["lr"] = size
        self._adam.step()
