"""Matrix products with the rows of a chunk, which are what takes time: by NumPy, or on an accelerator by torch.

Both are in double precision. Bounds on their rounding do not depend on the order of sums, so that certificates are the
same with either.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles.base import moments
from convexrelu.problem.training_problem import TrainingProblem

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

__all__ = ["DeviceProducts", "HostProducts", "Products"]


class Products(ABC):
    """Products with the ``n`` rows ``x̃_i`` of a chunk.

    Directions `u` have shape (k, d̃), dual points `v` shape (n, K).
    """

    @abstractmethod
    def inputs(self, index: NDArray[np.intp]) -> Array:
        """Some of the rows, without the column of biases."""

    @abstractmethod
    def outputs(self, network: TwoLayerNetwork) -> Array:
        """Outputs of a network, of shape (n,) or (n, K)."""

    @abstractmethod
    def moments(self, v: Array, u: Array) -> Array:
        """``Vᵀ φ(X̃u)``, of shape (k, K)."""

    @abstractmethod
    def gradients(self, v: Array, u: Array, towards: Array) -> Array:
        """``X̃ᵀ D(u) V g`` with ``g`` the rows of `towards`, of shape (k, d̃)."""

    @abstractmethod
    def linear(self, v: Array) -> Array:
        """``Vᵀ X̃``, of shape (K, d̃)."""

    @abstractmethod
    def grams(self, weights: list[Array], unit: float) -> list[Array]:
        """``X̃ᵀ diag(p) X̃ / unit²`` of each of some weights ``p ≥ 0``, of shape (n,)."""


class HostProducts(Products):
    """By NumPy.

    Parameters
    ----------
    problem : TrainingProblem
        The chunk with its inputs.
    """

    def __init__(self, problem: TrainingProblem) -> None:
        self.problem = problem

    def inputs(self, index: NDArray[np.intp]) -> Array:  # noqa: D102
        rows: Array = self.problem.X[index]
        return rows

    def outputs(self, network: TwoLayerNetwork) -> Array:  # noqa: D102
        return network.predict(self.problem.X)

    def moments(self, v: Array, u: Array) -> Array:  # noqa: D102
        return moments(self.problem.design, v, u, self.problem.slope)

    def gradients(self, v: Array, u: Array, towards: Array) -> Array:  # noqa: D102
        design = self.problem.design
        slopes = np.where(u @ design.T > 0, 1.0, self.problem.slope)
        slopes *= towards @ v.T
        return slopes @ design

    def linear(self, v: Array) -> Array:  # noqa: D102
        return v.T @ self.problem.design

    def grams(self, weights: list[Array], unit: float) -> list[Array]:  # noqa: D102
        return [_gram(np.sqrt(p)[:, None] * self.problem.design, unit) for p in weights]


def _gram(scaled: Array, unit: float) -> Array:
    scaled /= unit
    return scaled.T @ scaled


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
        from convexrelu._utils.torch_import import torch

        self._device, self._torch = design.device, torch
        self._slope = problem.slope
        self._has_bias = bool(problem.hidden_bias)
        self._design = design

    def _sent(self, array: Array) -> Tensor:
        contiguous = np.ascontiguousarray(array, dtype=np.float64)  # torch has no negative strides
        return self._torch.tensor(contiguous, device=self._device)

    def inputs(self, index: NDArray[np.intp]) -> Array:  # noqa: D102
        rows = self._design[self._torch.as_tensor(index, device=self._device)]
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
        torch = self._torch
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
        return self._torch.nn.functional.leaky_relu_(outputs, self._slope)
