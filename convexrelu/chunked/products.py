"""Matrix products with the rows of a chunk, which are what takes time.

They are made by NumPy here, and on an accelerator by torch (:mod:`convexrelu.chunked.device_products`), both in double
precision. Bounds on their rounding do not depend on the order of sums, so that certificates are the same with either.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack, issparse

from convexrelu._utils.typing import Array
from convexrelu.networks.activation import activate
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles.base import moments
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.solvers.nonconvex.sparse_layer import scaled_rows

__all__ = ["HostProducts", "Products", "SparseProducts", "dense", "products_with"]


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


def dense(rows: Any) -> Array:
    """Rows as an array, which sparse ones become."""
    found: Array = rows.toarray() if issparse(rows) else rows
    return found


class _OnHost(Products):
    """By the processor.

    Parameters
    ----------
    problem : TrainingProblem
        The chunk with its inputs.
    """

    def __init__(self, problem: TrainingProblem) -> None:
        self.problem = problem

    def inputs(self, index: NDArray[np.intp]) -> Array:
        return dense(self.problem.X[index])

    def outputs(self, network: TwoLayerNetwork) -> Array:
        return network.predict(self.problem.X)


class HostProducts(_OnHost):
    """By NumPy."""

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


class SparseProducts(_OnHost):
    """By SciPy, with rows that stay sparse: as many multiplications as they have entries, for each column."""

    @cached_property
    def rows(self) -> csr_array:
        """The rows ``x̃_i``."""
        X = self.problem.X
        if not self.problem.hidden_bias:
            return csr_array(X)
        return csr_array(hstack([X, np.ones((X.shape[0], 1))], format="csr"))

    def moments(self, v: Array, u: Array) -> Array:  # noqa: D102
        return activate(self.rows @ u.T, self.problem.slope).T @ v

    def gradients(self, v: Array, u: Array, towards: Array) -> Array:  # noqa: D102
        slopes = np.where(self.rows @ u.T > 0, 1.0, self.problem.slope)
        slopes *= v @ towards.T
        return (self.rows.T @ slopes).T

    def linear(self, v: Array) -> Array:  # noqa: D102
        return (self.rows.T @ v).T

    def grams(self, weights: list[Array], unit: float) -> list[Array]:  # noqa: D102
        return [self._gram(np.sqrt(p) / unit) for p in weights]

    def _gram(self, factors: Array) -> Array:
        scaled = scaled_rows(self.rows, factors)
        return (scaled.T @ scaled).toarray()


def products_with(problem: TrainingProblem) -> HostProducts | SparseProducts:
    """Products with the inputs of a chunk, dense or sparse."""
    return SparseProducts(problem) if issparse(problem.X) else HostProducts(problem)


def _gram(scaled: Array, unit: float) -> Array:
    scaled /= unit
    return scaled.T @ scaled
