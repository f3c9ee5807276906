"""Networks whose units have fixed gates: the common part of gated and threshold networks."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.sparse import hstack, issparse

from convexrelu._utils.arguments import as_float, is_number, shown
from convexrelu._utils.typing import Array
from convexrelu.networks.arrays import inputs, weights
from convexrelu.networks.neurons import Neuron, network_html

if TYPE_CHECKING:
    import onnx

__all__ = ["NetworkOfGates"]

_FIELDS = ("gates", "weights", "intercept", "hidden_bias")


@dataclass(frozen=True, eq=False)
class NetworkOfGates:
    """Gates ``g_i`` of shape (P, d̃), weights for each, an intercept, and whether ``x̃ = (x, 1)``.

    The arrays are copied to float64 and made read-only.
    """

    gates: Array
    weights: Array
    intercept: float
    hidden_bias: bool

    _weights_ndim: ClassVar[int] = 1

    def __post_init__(self) -> None:
        gates = weights("gates", self.gates, 2)
        values = weights("weights", self.weights, self._weights_ndim)
        if values.shape != gates.shape[: self._weights_ndim]:
            raise ValueError(
                f"weights has shape {values.shape}, which does not fit gates of shape {gates.shape}"
            )
        if not is_number(self.intercept) or not math.isfinite(as_float(self.intercept)):
            raise ValueError(f"intercept={shown(self.intercept)} is not a finite number")
        if not isinstance(self.hidden_bias, bool | np.bool_):
            raise ValueError(f"hidden_bias={shown(self.hidden_bias)} is not True or False")
        if self.hidden_bias and gates.shape[1] == 0:
            raise ValueError("gates has no column for the bias, but hidden_bias=True")
        checked = gates, values, as_float(self.intercept), bool(self.hidden_bias)
        for name, value in zip(_FIELDS, checked, strict=True):
            object.__setattr__(self, name, value)

    # Pickle and copy go through the constructor, so that the arrays stay read-only.
    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, name) for name in _FIELDS)

    @property
    def width(self) -> int:
        """Number of gates."""
        return len(self.gates)

    @property
    def n_features(self) -> int:
        """Number of inputs ``d``."""
        return self.gates.shape[1] - int(self.hidden_bias)

    @property
    def n_outputs(self) -> int:
        """Number of outputs, which is one."""
        return 1

    def to_onnx(
        self, path: str | os.PathLike[str] | None = None, *, dtype: str = "float32"
    ) -> onnx.ModelProto:
        """An ONNX graph, written to a file if there is a `path`; see :func:`convexrelu.interop.onnx.to_onnx`."""
        from convexrelu.interop.onnx import to_onnx

        return to_onnx(self, path, dtype=dtype)

    def neurons(self) -> list[Neuron]:
        """The units one by one."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return network_html(self)

    def _design(self, X: Any) -> Any:
        """Inputs with a column for the bias, a sparse matrix if they are one."""
        X = inputs(X)
        if X.ndim != 2 or X.shape[1] != self.n_features:
            raise ValueError(f"X has shape {X.shape}, expected (n, {self.n_features})")
        if not self.hidden_bias:
            return X
        ones = np.ones((X.shape[0], 1))
        return hstack([X, ones], format="csr") if issparse(X) else np.column_stack([X, ones])
