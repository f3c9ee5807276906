"""Matrix products with the rows of a chunk that are on an accelerator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.torch_import import Tensor, torch
from convexrelu._utils.typing import Array
from convexrelu.chunked.products import Products
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["DeviceProducts"]


class DeviceProducts(Products):
    """By torch.

    Parameters
    ----------
    problem : TrainingProblem
        The chunk, which is not kept.
    design : tensor of shape (n, d̃)
        Its design, on the device, in double precision.
    """

    def __init__(self, problem: TrainingProblem, design: Tensor) -> None:
        self._device = design.device
        self._slope = problem.slope
        self._has_bias = bool(problem.hidden_bias)
        self._design = design

    def _sent(self, array: Array) -> Tensor:
        contiguous = np.ascontiguousarray(array, dtype=np.float64)  # torch has no negative strides
        return torch.tensor(contiguous, device=self._device)

    def inputs(self, index: NDArray[np.intp]) -> Array:  # noqa: D102
        rows = self._design[torch.as_tensor(index, device=self._device)]
        found: Array = rows[:, : rows.shape[1] - self._has_bias].cpu().numpy()
        return found

    def outputs(self, network: TwoLayerNetwork) -> Array:  # noqa: D102
        inner = network.augmented_weights() if self._has_bias else network.hidden_weights
        hidden = self._activated(self._design @ self._sent(inner.T))
        outputs = hidden @ self._sent(network.output_weights.T)
        outputs += self._sent(network.output_bias)
        found: Array = outputs.cpu().numpy()
        return found[:, 0] if network.n_outputs == 1 else found

    def moments(self, v: Array, u: Array) -> Array:  # noqa: D102
        hidden = self._activated(self._design @ self._sent(u.T))
        return (hidden.T @ self._sent(v)).cpu().numpy()

    def gradients(self, v: Array, u: Array, towards: Array) -> Array:  # noqa: D102
        slopes = self._sent(v) @ self._sent(towards.T)
        active = self._design @ self._sent(u.T) > 0
        slopes = torch.where(active, slopes, self._slope * slopes)
        return (slopes.T @ self._design).cpu().numpy()

    def linear(self, v: Array) -> Array:  # noqa: D102
        return (self._sent(v).T @ self._design).cpu().numpy()

    def grams(self, weights: list[Array], unit: float) -> list[Array]:  # noqa: D102
        found = []
        for p in weights:
            scaled = self._sent(p).sqrt()[:, None] * self._design
            scaled /= unit
            found.append((scaled.T @ scaled).cpu().numpy())
        return found

    def _activated(self, outputs: Tensor) -> Tensor:
        return torch.nn.functional.leaky_relu_(outputs, self._slope)
