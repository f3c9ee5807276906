"""The weights of a two-layer ReLU network, and the operations on them that need no data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.arguments import float_array
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.archive import read_archive, write_archive
from convexrelu.networks.arrays import checked_slope, inputs, weights
from convexrelu.networks.neurons import Neuron, largest_first, network_html
from convexrelu.networks.same_neurons import Ball, same_neurons

if TYPE_CHECKING:
    import onnx
    import torch
    from sklearn.neural_network import MLPClassifier, MLPRegressor

__all__ = ["TwoLayerNetwork"]


# Hidden outputs at a time, so that they stay in the cache: four times as fast as all at once for 100,000 samples.
_CHUNK = 2**16
_EPS = float(np.finfo(np.float64).eps)
_FIELDS = ("hidden_weights", "hidden_bias", "output_weights", "output_bias")
# Shapes of the arrays in a file.
_LAYOUT: dict[str, list[tuple[str | int, ...]]] = {
    "hidden_weights": [("m", "d")],
    "hidden_bias": [("m",)],
    "output_weights": [("K", "m")],
    "output_bias": [("K",)],
    "negative_slope": [()],
    "skip_weights": [("K", "d"), (0,)],
}


@dataclass(frozen=True, eq=False)
class TwoLayerNetwork:
    """A two-layer network, ``f(x) = output_weights · φ(hidden_weights x + hidden_bias) + output_bias``, of ReLU units.

    A skip connection adds ``skip_weights · x``.

    The arrays have the layout of two :class:`torch.nn.Linear`. They are copied to float64 and made
    read-only: every operation returns a new network.

    Parameters
    ----------
    hidden_weights : array of shape (m, d)
        Weights of the ``m`` neurons.
    hidden_bias : array of shape (m,)
        Their biases, zero where the hidden layer has none.
    output_weights : array of shape (K, m)
        Outer weights for ``K`` outputs.
    output_bias : array of shape (K,)
        Output intercept, never penalised.
    negative_slope : float
        ``φ(t) = max(t, 0) + negative_slope · min(t, 0)``, between −1 and 1: 0 for ReLU, −1 for the absolute value.
    skip_weights : array of shape (K, d), optional
        Linear connection from inputs to outputs.

    Raises
    ------
    ValueError
        If the shapes do not fit together, or an entry is not a finite real number; the message names the array.

    Examples
    --------
    >>> import numpy as np
    >>> net = TwoLayerNetwork([[3.0, 4.0]], [0.0], [[2.0]], [1.0])
    >>> net.predict(np.array([[1.0, 1.0], [-1.0, -1.0]]))
    array([15.,  1.])
    >>> net.penalty()  # ½ (3² + 4² + 2²)
    14.5
    >>> net.balance().penalty()  # ‖(3, 4)‖ · |2|
    10.0
    """

    hidden_weights: Array
    hidden_bias: Array
    output_weights: Array
    output_bias: Array
    negative_slope: float
    skip_weights: Array | None

    def __init__(
        self,
        hidden_weights: ArrayLike,
        hidden_bias: ArrayLike,
        output_weights: ArrayLike,
        output_bias: ArrayLike,
        *,
        negative_slope: float = 0.0,
        skip_weights: ArrayLike | None = None,
    ) -> None:
        object.__setattr__(self, "negative_slope", checked_slope(negative_slope))
        object.__setattr__(self, "skip_weights", None)
        given = (hidden_weights, hidden_bias, output_weights, output_bias)
        for name, value, ndim in zip(_FIELDS, given, (2, 1, 2, 1), strict=True):
            object.__setattr__(self, name, weights(name, value, ndim))
        if skip_weights is not None:
            skip = weights("skip_weights", skip_weights, 2)
            if skip.shape != (self.n_outputs, self.n_features):
                raise ValueError(
                    f"skip_weights has shape {skip.shape}, expected (K, d), "
                    f"({self.n_outputs}, {self.n_features})"
                )
            object.__setattr__(self, "skip_weights", skip)
        m, k = self.hidden_weights.shape[0], self.output_bias.shape[0]
        if self.hidden_bias.shape != (m,) or self.output_weights.shape != (k, m):
            shapes = ", ".join(f"{name} {getattr(self, name).shape}" for name in _FIELDS)
            raise ValueError(
                f"shapes do not fit together: {shapes}; expected (m, d), (m,), (K, m), (K,)"
            )

    # Pickle and copy go through the constructor, so that the arrays stay read-only.
    def __reduce__(self) -> tuple[Any, ...]:
        arrays = tuple(getattr(self, name) for name in _FIELDS)
        return partial(type(self), **self._options()), arrays

    # So do files of skops, which hold the fields.
    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def width(self) -> int:
        """Number of neurons ``m``; the same outputs may need fewer, see :func:`~convexrelu.optimal_set.minimal`."""
        return self.hidden_weights.shape[0]

    @property
    def n_features(self) -> int:
        """Number of inputs ``d``."""
        return self.hidden_weights.shape[1]

    @property
    def n_outputs(self) -> int:
        """Number of outputs ``K``."""
        return self.output_bias.shape[0]

    @classmethod
    def constant(
        cls, n_features: int, value: ArrayLike = 0.0, *, negative_slope: float = 0.0
    ) -> TwoLayerNetwork:
        """Network without neurons that outputs ``value``."""
        bias = np.atleast_1d(float_array("value", value))
        parts = np.zeros((0, n_features)), np.zeros(0), np.zeros((bias.size, 0)), bias
        return cls(*parts, negative_slope=negative_slope)

    @classmethod
    def from_directions(
        cls, directions: Array, signs: Array, output_bias: float, *, hidden_bias: bool
    ) -> TwoLayerNetwork:
        """Neuron map of the convex program back to a balanced network with one output.

        Parameters
        ----------
        directions : array of shape (m, d + 1) if `hidden_bias` else (m, d)
            ``u_j = w̃_j |a_j|``; rows that are exactly zero are left out.
        signs : array of shape (m,)
            Signs of the outer weights.
        output_bias : float
            Output intercept.
        hidden_bias : bool
            Whether the last column of `directions` is the bias.

        Returns
        -------
        TwoLayerNetwork
            With ``w̃_j = u_j / √‖u_j‖`` and ``a_j = sign_j √‖u_j‖``, so that its penalty is ``Σ_j
            ‖u_j‖`` (Pilanci & Ergen 2020, Theorem 1).
        """
        lengths = norms(directions)
        keep = lengths > 0
        directions, signs, lengths = directions[keep], signs[keep], lengths[keep]
        scaled = directions / np.sqrt(lengths)[:, None]
        if hidden_bias:
            weights, bias = scaled[:, :-1], scaled[:, -1]
        else:
            weights, bias = scaled, np.zeros(len(scaled))
        return cls(weights, bias, (signs * np.sqrt(lengths))[None, :], [output_bias])

    def hidden_features(self, X: ArrayLike) -> Array:
        """Outputs of the neurons, ``φ(X Wᵀ + b)``, of shape (n, m); `X` may be a sparse matrix."""
        seen = self._checked(X) @ self.hidden_weights.T + self.hidden_bias
        hidden = np.maximum(seen, 0.0)
        if self.negative_slope:
            hidden += self.negative_slope * np.minimum(seen, 0.0)
        return hidden

    def forward(self, X: ArrayLike) -> Array:
        """Outputs of the network, of shape (n, K)."""
        rows = self._checked(X)
        step = max(1, _CHUNK // max(1, self.width))
        starts = range(0, max(1, rows.shape[0]), step)
        outputs = np.concatenate(
            [
                self.hidden_features(rows[start : start + step]) @ self.output_weights.T
                for start in starts
            ]
        )
        outputs += self.output_bias
        if self.skip_weights is not None:
            outputs += rows @ self.skip_weights.T
        return outputs

    def _checked(self, X: ArrayLike) -> Any:
        rows = inputs(X)
        if rows.ndim != 2 or rows.shape[1] != self.n_features:
            raise ValueError(f"X has shape {rows.shape}, expected (n, {self.n_features})")
        return rows

    def predict(self, X: ArrayLike) -> Array:
        """Outputs of shape (n,) for a network with one output, (n, K) otherwise."""
        outputs = self.forward(X)
        return outputs[:, 0] if self.n_outputs == 1 else outputs

    def penalty(self, *, free_bias: bool = False) -> float:
        """Weight decay, ``½ Σ_j (‖w̃_j‖² + ‖a_j‖²)``: all weights and hidden biases, unless free; not the intercept."""
        parts = [self.hidden_weights, self.hidden_bias, self.output_weights]
        if free_bias:
            del parts[1]
        return 0.5 * sum(float(np.vdot(part, part)) for part in parts)

    def augmented_weights(self) -> Array:
        """Rows ``w̃_j = (w_j, b_j)``, of shape (m, d + 1)."""
        return np.column_stack([self.hidden_weights, self.hidden_bias])

    def prune(self) -> TwoLayerNetwork:
        """Remove neurons that cannot contribute: zero inner or zero outer weights."""
        keep = (norms(self.augmented_weights()) > 0) & (norms(self.output_weights.T) > 0)
        return self.with_neurons(keep)

    def balance(self, *, free_bias: bool = False) -> TwoLayerNetwork:
        """Rescale every neuron to ``‖w̃_j‖ = ‖a_j‖``: same function, smallest penalty ``Σ_j ‖w̃_j‖ ‖a_j‖``.

        With free biases, ``‖w_j‖ = ‖a_j‖``, and neurons with zero weights become part of the intercept.
        """
        net = self._without_constants() if free_bias else self
        net = net.prune()
        inner = net.hidden_weights if free_bias else net.augmented_weights()
        # Not the root of a quotient, which may be zero or infinite.
        factor = np.sqrt(norms(net.output_weights.T)) / np.sqrt(norms(inner))
        return net._with(
            hidden_weights=net.hidden_weights * factor[:, None],
            hidden_bias=net.hidden_bias * factor,
            output_weights=net.output_weights / factor,
        )

    def merge(
        self, tol: float = 1e-9, *, free_bias: bool = False, X: ArrayLike | None = None
    ) -> TwoLayerNetwork:
        """Merge neurons that are one function up to a factor, and balance; ``u`` and ``−u``, for the absolute value.

        The penalty never rises: neurons of opposite outer weights cancel. The function is kept: in a ball around the
        samples of radius ``R``, outputs change by at most ``tol · R · Σ_j ‖w_j‖ ‖a_j‖``, or by rounding. Without `X`,
        kinks move by at most `tol`, and by `tol` times their distance from the origin where that is below one.

        Parameters
        ----------
        tol : float
            Neurons that differ by less than this count as equal.
        free_bias : bool
            As for :meth:`balance`.
        X : array or sparse matrix of shape (n, d), optional
            Samples whose mean and spread say what is close. They matter if they are far from the origin, where more
            neurons differ by rounding alone, or if their size is not about one.

        Examples
        --------
        >>> network = TwoLayerNetwork([[1.0], [2.0]], [-1e5, -2e5], [[1.0, 1.0]], [0.0])
        >>> network.merge().width  # one kink, at 1e5
        1
        >>> apart = TwoLayerNetwork([[1.0], [2.0]], [-1e5, -2.00001e5], [[1.0, 1.0]], [0.0])
        >>> apart.merge().width  # kinks at 1e5 and at 1e5 + 0.5
        2
        """
        net = self.balance(free_bias=free_bias)
        if net.width == 0:
            return net
        ball = None if X is None else Ball.around(net._checked(X))
        even = self.negative_slope == -1.0  # u and −u are the same neuron
        leader, factors = same_neurons(
            net.hidden_weights, net.hidden_bias, tol, even=even, ball=ball
        )
        units = net.augmented_weights() / factors[:, None]
        outer = net.output_weights * np.abs(factors)
        kept, group = np.unique(leader, return_inverse=True)
        summed = np.zeros((len(outer), len(kept)))
        np.add.at(summed.T, group, outer.T)
        sizes = norms(outer.T)
        rounding = len(leader) * _EPS * np.bincount(group, weights=sizes)
        summed[:, norms(summed.T) <= rounding] = 0.0
        # A group is the mean of its members, weighted by their contributions: the penalty does not rise.
        mean = np.zeros((len(kept), units.shape[1]))
        np.add.at(mean, group, sizes[:, None] * (units - units[leader]))
        mean = units[kept] + mean / np.bincount(group, weights=sizes)[:, None]
        merged = net._with(
            hidden_weights=mean[:, :-1], hidden_bias=mean[:, -1], output_weights=summed
        )
        return merged.balance(free_bias=free_bias)

    def with_output_bias(self, output_bias: ArrayLike) -> TwoLayerNetwork:
        """Same neurons, another intercept."""
        bias = np.atleast_1d(float_array("output_bias", output_bias))
        return self._with(output_bias=bias)

    def with_neurons(self, which: NDArray[Any]) -> TwoLayerNetwork:
        """Some of the neurons, or all in another order; the same intercept and skip connection.

        Parameters
        ----------
        which : boolean array of shape (m,), or array of integers
            Neurons that stay, or their positions in the order they are to have.

        Examples
        --------
        >>> import numpy as np
        >>> net = TwoLayerNetwork([[1.0], [2.0], [3.0]], [0.0, 0.0, 0.0], [[4.0, 5.0, 6.0]], [7.0])
        >>> net.with_neurons(np.array([2, 0])).output_weights
        array([[6., 4.]])
        """
        return self._with(
            hidden_weights=self.hidden_weights[which],
            hidden_bias=self.hidden_bias[which],
            output_weights=self.output_weights[:, which],
        )

    def without_skip(self) -> TwoLayerNetwork:
        """The same function with the skip connection as neurons, ``s x = φ(s x) − φ(−s x)`` over ``1 + slope``.

        Raises
        ------
        ValueError
            If the activation is the absolute value, whose neurons cannot represent a line.
        """
        if self.skip_weights is None:
            return self
        if self.negative_slope == -1.0:
            raise ValueError(
                "skip_weights cannot be represented by neurons with the absolute value"
            )
        scale = np.eye(self.n_outputs) / (1 + self.negative_slope)
        zeros = np.zeros(2 * self.n_outputs)
        return self._with(
            hidden_weights=np.vstack([self.hidden_weights, self.skip_weights, -self.skip_weights]),
            hidden_bias=np.append(self.hidden_bias, zeros),
            output_weights=np.hstack([self.output_weights, scale, -scale]),
            skip_weights=None,
        ).prune()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the arrays and their checksum to an ``.npz`` archive, which :meth:`load` reads."""
        arrays = {name: getattr(self, name) for name in _FIELDS}
        # An empty list stands for no skip connection, so that a member that is missing is a damage.
        skip = np.zeros(0) if self.skip_weights is None else self.skip_weights
        options = {"negative_slope": np.float64(self.negative_slope), "skip_weights": skip}
        write_archive(path, type(self).__name__, {**arrays, **options})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TwoLayerNetwork:
        """Read an archive written by :meth:`save`. Nothing in it is executed.

        Raises
        ------
        ValueError
            If the file is not such an archive, or is damaged.
        FileNotFoundError
            If there is no such file.
        """
        arrays: dict[str, Any] = read_archive(path, cls.__name__, _LAYOUT)
        arrays["negative_slope"] = float(arrays["negative_slope"])
        if arrays["skip_weights"].ndim == 1:
            del arrays["skip_weights"]
        return cls(**arrays)

    def to_torch(
        self, dtype: torch.dtype | None = None, device: str = "cpu"
    ) -> torch.nn.Sequential:
        """``Sequential(Linear, ReLU, Linear)`` with these weights; see :func:`convexrelu.interop.torch.to_torch`."""
        from convexrelu.interop.torch import to_torch

        return to_torch(self, dtype=dtype, device=device)

    def to_onnx(
        self, path: str | os.PathLike[str] | None = None, *, dtype: str = "float32"
    ) -> onnx.ModelProto:
        """An ONNX graph, written to a file if there is a `path`; see :func:`convexrelu.interop.onnx.to_onnx`."""
        from convexrelu.interop.onnx import to_onnx

        return to_onnx(self, path, dtype=dtype)

    def to_source(self, language: str = "python", *, name: str = "predict") -> str:
        """A function in Python or C without dependencies; see :func:`convexrelu.interop.source.to_source`."""
        from convexrelu.interop.source import to_source

        return to_source(self, language, name=name)

    @classmethod
    def from_torch(cls, module: torch.nn.Module, X: ArrayLike | None = None) -> TwoLayerNetwork:
        """Inverse of :meth:`to_torch`; see :func:`convexrelu.interop.torch.from_torch`."""
        from convexrelu.interop.torch import from_torch

        return cls(**from_torch(module, X)._asdict())

    @classmethod
    def from_sklearn(
        cls, regressor: MLPRegressor | MLPClassifier, X: ArrayLike | None = None
    ) -> TwoLayerNetwork:
        """Weights of a fitted MLP of scikit-learn; see :func:`convexrelu.interop.sklearn.from_sklearn`."""
        from convexrelu.interop.sklearn import from_sklearn

        return cls(**from_sklearn(regressor, X)._asdict())

    def _options(self) -> dict[str, Any]:
        return {"negative_slope": self.negative_slope, "skip_weights": self.skip_weights}

    def _with(self, **changes: Any) -> TwoLayerNetwork:
        arrays = {name: getattr(self, name) for name in _FIELDS}
        return TwoLayerNetwork(**{**arrays, **self._options(), **changes})

    def _without_constants(self) -> TwoLayerNetwork:
        """Move neurons with zero weights into the intercept."""
        constant = np.asarray(~self.hidden_weights.any(axis=1))
        b = self.hidden_bias[constant]
        values = np.maximum(b, 0.0) + self.negative_slope * np.minimum(b, 0.0)
        moved = self.output_bias + self.output_weights[:, constant] @ values
        return self.with_neurons(~constant).with_output_bias(moved)

    def neurons(self) -> list[Neuron]:
        """The neurons one by one, the largest first."""
        return largest_first(self.hidden_weights, self.hidden_bias, self.output_weights.T)

    def _repr_html_(self) -> str:
        return network_html(self, self.n_outputs)

    def __repr__(self) -> str:
        return f"TwoLayerNetwork(width={self.width}, n_features={self.n_features}, n_outputs={self.n_outputs})"
