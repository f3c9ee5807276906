"""Samples as the rows of a design matrix, and maps between weights for these rows and networks."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse

from convexrelu._utils.deadlines import product_fits, svd_fits
from convexrelu._utils.norms import lengths_of_rows, norms
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.evaluation import CentredInputs
from convexrelu.problem.sample_coordinates import SampleCoordinates, has_low_rank
from convexrelu.problem.unread import COPY

__all__ = ["Design"]


# Column of the design that stands for free hidden biases, in units of the largest sample: the error is 6e-6, see
# `TrainingProblem`. A larger column would reduce it, but make programs worse conditioned.
_FREE_BIAS = 300.0
# An activation takes as long as so many multiplications.
_ACTIVATION = 30
# So do passes over a weight, in transformations of a network: copies, checks, norms and sums that are rounded once.
_WEIGHT = 1000
# Activations of networks with gates.
_GATED = ("gated_relu", "threshold")


class Design:
    """The part of a :class:`~convexrelu.TrainingProblem` that is about its inputs and networks on them.

    Attributes
    ----------
    X : array or sparse matrix of shape (n, d)
        Inputs.
    weights : array of shape (n,)
        Weights of the samples, with sum one.
    hidden_bias : bool or "free"
        Whether neurons have a bias, and whether it is free.
    activation : str
        Activation. The gates of gated and threshold networks are for the features.
    slope : float
        Slope of the activation for negative arguments.
    n_outputs : int
        Outputs of a network.
    fit_intercept, skip, skip_alpha
        Parts of networks beside their neurons.
    """

    X: Any
    weights: Array
    hidden_bias: bool | str
    activation: str
    slope: float
    n_outputs: int
    fit_intercept: bool
    skip: bool
    skip_alpha: float

    @property
    def n_samples(self) -> int:
        """Number of samples ``n``."""
        return self.X.shape[0]

    @property
    def n_features(self) -> int:
        """Number of features ``d``, without the bias."""
        return self.X.shape[1]

    @property
    def is_sparse(self) -> bool:
        """Whether the inputs are a sparse matrix."""
        return bool(issparse(self.X))

    @property
    def n_entries(self) -> float:
        """Inputs that are stored."""
        return float(self.X.size) if self.is_sparse else float(self.n_samples) * self.n_features

    @property
    def rows_to_read(self) -> Any:
        """Inputs whose slices of rows may be in single precision, and take no copy of all."""
        return self.X

    def rows_at(self, samples: NDArray[np.intp]) -> Any:
        """Inputs of some samples."""
        return self.X[samples]

    @property
    def work_of_reading(self) -> float:
        """Multiplications that take as long as what is left to do before the inputs are there."""
        return 0.0

    @property
    def free_bias(self) -> bool:
        """Whether hidden biases are left out of the penalty."""
        return self.hidden_bias == "free"

    @property
    def free_skip(self) -> bool:
        """Whether there is a skip connection without a penalty."""
        return self.skip and self.skip_alpha == 0

    def free_basis_fits(self, deadline: float) -> bool:
        """Whether there is time for a basis of the outputs of a free skip connection, if there is one."""
        if not self.free_skip or "_free_basis" in self.__dict__:
            return True
        fits = svd_fits((self.n_samples, self.n_features + self.fit_intercept), deadline)
        return fits and product_fits(self.work_of_reading, deadline)

    @cached_property
    def _sample_coordinates(self) -> SampleCoordinates | None:
        wide = self.n_features > self.n_samples and self.activation not in _GATED
        if wide and (self.is_sparse or not has_low_rank(self.X)):
            return SampleCoordinates.of(self.X)
        return None

    @property
    def inputs(self) -> Array:
        """The samples as dense rows: ``X``, or their coordinates where that is wide."""
        return (
            self._dense_rows if self._sample_coordinates is None else self._sample_coordinates.rows
        )

    @cached_property
    def _dense_rows(self) -> Array:
        return self.X.toarray() if self.is_sparse else self.X

    @property
    def stays_sparse(self) -> bool:
        """Whether inputs are sparse, with so many samples that training avoids the dense design."""
        return self.is_sparse and self.n_samples >= self.n_features

    def design_fits(self, deadline: float) -> bool:
        """Whether there is time before a deadline to make the design."""
        width = self.n_samples if self.is_sparse and not self.stays_sparse else self.n_features
        copying = COPY * float(self.n_samples) * width + self.work_of_reading
        return product_fits(copying, deadline)

    @cached_property
    def design(self) -> Array:
        """``X̃``: the inputs, with a last column of ones if neurons have a bias."""
        if not self.hidden_bias:
            return self.inputs
        n, d = self.inputs.shape
        design = np.empty((n, d + 1))
        if self.free_bias:
            np.subtract(self.inputs, self.origin, out=design[:, :-1])
        else:
            design[:, :-1] = self.inputs
        design[:, -1] = self.bias_column
        design.flags.writeable = False
        return design

    @cached_property
    def centred_inputs(self) -> CentredInputs:
        """``X`` less an offset, for the objective of networks."""
        return CentredInputs.of(self.X)

    @cached_property
    def lengths(self) -> Array:
        """``‖x̃_i‖``, the norms of the rows of the design."""
        if self.is_sparse and self._sample_coordinates is None and not self.free_bias:
            bias = np.full(self.n_samples, float(self.hidden_bias))
            lengths = np.asarray(norms(np.column_stack([lengths_of_rows(self.X), bias])))
        else:
            lengths = np.asarray(norms(self.design))
        lengths.flags.writeable = False
        return lengths

    @cached_property
    def origin(self) -> Array:
        """Offset subtracted from the inputs, of shape (d,): their mean where biases are free, else zero."""
        width = self.inputs.shape[1]
        origin = self.weights @ self.inputs if self.free_bias else np.zeros(width)
        origin.flags.writeable = False
        return origin

    @cached_property
    def bias_column(self) -> float:
        """The last column of the design where there are biases: 1, or ``B`` where they are free."""
        if not self.free_bias:
            return 1.0
        return _FREE_BIAS * float(norms(self.inputs - self.origin).max()) or 1.0

    def work_of_outputs(self, width: int) -> float:
        """Multiplications that take as long as a network of this width, its weights and its outputs on the samples."""
        entries = self.n_entries + _ACTIVATION * self.n_samples + _WEIGHT * self.n_features
        if self._sample_coordinates is not None:
            entries += 2.0 * self.n_samples**2  # weights in coordinates, and back
        return width * entries

    def directions(self, network: TwoLayerNetwork) -> Array:
        """Inner weights as rows ``w̃_j`` for the design, of shape (m, d̃): ``X̃w̃_j`` is the input of neuron ``j``."""
        weights = network.hidden_weights
        if self._sample_coordinates is not None:
            weights = self._sample_coordinates.of_weights(weights)
        if not self.hidden_bias:
            return weights
        bias = network.hidden_bias + weights @ self.origin
        return np.column_stack([weights, bias / self.bias_column])

    def gates(self, gates: Array) -> Array:
        """Gates for the design, of the same patterns as gates for the features, ``x − origin``, and the bias column."""
        coordinates, d = self._sample_coordinates, self.n_features
        if coordinates is None:
            return gates
        return np.column_stack([coordinates.of_weights(gates[:, :d]), gates[:, d:]])

    def feature_weights(self, weights: Array) -> Array:
        """Rows of weights for the features, (m, d), equivalent to these for `inputs`."""
        return (
            weights
            if self._sample_coordinates is None
            else self._sample_coordinates.weights_of(weights)
        )

    def network(
        self,
        directions: Array,
        outer: Array,
        intercept: ArrayLike,
        skip_weights: ArrayLike | None = None,
    ) -> TwoLayerNetwork:
        """Neuron map of the convex program back to a balanced network.

        Parameters
        ----------
        directions : array of shape (m, d̃)
            ``u_j = w̃_j ‖a_j‖``, for the design; zero rows are left out.
        outer : array of shape (m,) or (m, K)
            Signs, or unit vectors: the directions of the outer weights.
        intercept : float or array of shape (K,)
            ``c``.
        skip_weights : array of shape (K, d), optional
            ``S``, for the features.

        Returns
        -------
        TwoLayerNetwork
            With ``w̃_j = u_j / √‖u_j‖`` and outer weights of length ``√‖u_j‖``, so that its penalty is ``Σ_j ‖u_j‖``
            (Pilanci & Ergen 2020, Theorem 1).
        """
        weights, bias = directions, np.zeros(len(directions))
        if self.hidden_bias:
            weights = directions[:, :-1]
            bias = directions[:, -1] * self.bias_column - weights @ self.origin
        outer = np.reshape(outer, (len(directions), self.n_outputs))
        network = TwoLayerNetwork(
            self.feature_weights(weights),
            bias,
            outer.T,
            np.atleast_1d(intercept),
            negative_slope=self.slope,
            skip_weights=skip_weights,
        )
        return self.balanced(network)

    def balanced(self, network: TwoLayerNetwork) -> TwoLayerNetwork:
        """The same function at the smallest penalty that scaling its neurons gives."""
        return network.balance(free_bias=self.free_bias)

    def merged(self, network: TwoLayerNetwork) -> TwoLayerNetwork:
        """The same function on the samples with equal neurons joined, and balanced."""
        return network.merge(free_bias=self.free_bias, X=self.X if network.width else None)
