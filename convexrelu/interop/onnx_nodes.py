"""The nodes of a network in ONNX, for graphs of our own and for those of skl2onnx."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from convexrelu.interop.gate_weights import GateWeights
from convexrelu.interop.heads import Classes, Head
from convexrelu.interop.weights import Weights

__all__ = ["Node", "Nodes", "labels_array"]

_INT64 = 7  # onnx.TensorProto.INT64


@dataclass(frozen=True)
class Node:
    """An operator with the names of what it takes and gives."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]


@dataclass
class Nodes:
    """Nodes and constants, in the order in which they are computed.

    Attributes
    ----------
    dtype : type
        ``np.float32`` or ``np.float64``, in which all is computed.
    nodes : list of Node
    constants : dict of str to array
    """

    dtype: DTypeLike
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)

    def network(self, weights: Weights | GateWeights, source: str, output: str) -> str:
        """Outputs of the network, of shape (n, K)."""
        if isinstance(weights, GateWeights):
            units = self._units(weights, source)
            return self._affine(units, weights.outer, weights.intercept, "Ac", output)
        hidden = self.hidden(weights, source, "hidden")
        return self._affine(hidden, weights.output_weights, weights.output_bias, "Ac", output)

    def hidden(self, weights: Weights, source: str, output: str) -> str:
        """Outputs of the neurons, of shape (n, m)."""
        seen = self._affine(source, weights.hidden_weights, weights.hidden_bias, "Wb", "seen")
        slope = weights.negative_slope
        if not slope:
            return self.add("Relu", (seen,), output)
        if self.dtype == np.float32:
            return self.add("LeakyRelu", (seen,), output, alpha=slope)
        # Runtimes have no LeakyRelu in double precision: φ(t) = relu(t) − slope · relu(−t).
        negative = self.add("Relu", (self.add("Neg", (seen,), "opposite"),), "negative")
        scaled = self.add("Mul", (negative, self.constant("slope", slope)), "scaled")
        return self.add("Sub", (self.add("Relu", (seen,), "positive"), scaled), output)

    def _units(self, weights: GateWeights, source: str) -> str:
        """Outputs of units with gates, of shape (n, P)."""
        zero = self.constant("zero", 0.0)
        gates = self._affine(source, weights.gates, weights.gate_bias, "Gg", "gate_values")
        are_open = self.add("GreaterOrEqual", (gates, zero), "are_open")
        if weights.inner is None:
            inner = self.constant("one", 1.0)
        else:
            inner = self._affine(source, weights.inner, weights.inner_bias, "Wb", "seen")
        return self.add("Where", (are_open, inner, zero), "hidden")

    def head(self, head: Head, outputs: str, output: str) -> str:
        """What follows outputs of the network."""
        if head.kind == "outputs":
            return outputs
        if head.kind == "exp":
            return self.add("Exp", (outputs,), output)
        if head.kind == "chances":
            return self.add("Sigmoid", (outputs,), output)
        if head.kind == "indicators":
            above = self.add("Greater", (outputs, self.constant("zero", 0.0)), "above")
            return self.add("Cast", (above,), output, to=_INT64)
        assert head.classes is not None
        if head.kind == "label":
            return self._label(head.classes, self._scores(head.classes, outputs), output)
        return self._probabilities(head.classes, self._scores(head.classes, outputs), output)

    def constant(self, name: str, value: Any, dtype: DTypeLike | None = None) -> str:
        """The name of a constant."""
        self.constants[name] = np.asarray(value, dtype=self.dtype if dtype is None else dtype)
        return name

    def add(self, operator: str, inputs: tuple[str, ...], output: str, **attributes: Any) -> str:
        """The name of what a new node gives."""
        self.nodes.append(Node(operator, inputs, output, attributes))
        return output

    def _affine(self, source: str, matrix: Any, bias: Any, names: str, output: str) -> str:
        constants = self.constant(names[0], matrix), self.constant(names[1], bias)
        return self.add("Gemm", (source, *constants), output, transB=1)

    def _scores(self, classes: Classes, outputs: str) -> str:
        """Of the classes that are present, computed once."""
        if classes.to_scores is None:
            return outputs
        if "to_scores" not in self.constants:
            self.constant("to_scores", classes.to_scores)
            self.add("MatMul", (outputs, "to_scores"), "scores_of_classes")
        return "scores_of_classes"

    def _label(self, classes: Classes, scores: str, output: str) -> str:
        best = self.add("ArgMax", (scores,), "best", axis=1, keepdims=0)
        labels = labels_array([classes.labels[position] for position in classes.present])
        constant = self.constant("labels", labels, labels.dtype)
        return self.add("Gather", (constant, best), output, axis=0)

    def _probabilities(self, classes: Classes, scores: str, output: str) -> str:
        if classes.to_all is None:
            return self.add("Softmax", (scores,), output, axis=1)
        present = self.add("Softmax", (scores,), "probabilities_of_present", axis=1)
        return self.add("MatMul", (present, self.constant("to_all", classes.to_all)), output)


def labels_array(labels: Any) -> NDArray[Any]:
    """Labels in a type that ONNX has: int64 for integers and booleans, float64, or strings as objects.

    Examples
    --------
    >>> labels_array([True, False]), labels_array(["a", "b"])
    (array([1, 0]), array(['a', 'b'], dtype=object))
    """
    if all(isinstance(label, int) for label in labels):
        return np.array(labels, dtype=np.int64)
    if all(isinstance(label, int | float) for label in labels):
        return np.array(labels, dtype=np.float64)
    return np.array([str(label) for label in labels], dtype=object)
