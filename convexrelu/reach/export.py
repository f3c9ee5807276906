"""Questions for outside verifiers: the network as an ONNX graph, inputs and unsafe outputs as a VNN-LIB file.

Verifiers answer ``sat`` where some input is in the polytope and its output in the unsafe region, ``unsat`` where the
network is safe. They read ONNX in single precision, so that their network has rounded weights.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.reach.layer import Layer
from convexrelu.reach.polytope import Polytope, as_polytope
from convexrelu.reach.rectifiers import as_layers

if TYPE_CHECKING:
    import onnx

__all__ = ["to_onnx", "vnnlib", "write_vnnlib"]

_OPSET = 17  # of ONNX 1.12


def vnnlib(network: Any, polytope: Any, unsafe: Any) -> str:
    """The property that :func:`is_safe` decides, in the language VNN-LIB 1.0.

    Parameters
    ----------
    network, polytope, unsafe
        As for :func:`is_safe`.

    Returns
    -------
    str
        Declarations of the inputs ``X_i`` and outputs ``Y_k``, and one assertion for each inequality.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import vnnlib
    >>> tent = TwoLayerNetwork([[1.0], [1.0]], [0.0, -1.0], [[1.0, -2.0]], [0.0])
    >>> print(vnnlib(tent, ([-1.0], [3.0]), ([[-1.0]], [-1.5])))
    (declare-const X_0 Real)
    (declare-const Y_0 Real)
    (assert (<= X_0 3.0))
    (assert (>= X_0 -1.0))
    (assert (<= (* -1.0 Y_0) -1.5))
    """
    layers, _ = as_layers(network)
    n_features, n_outputs = layers[0].weights.shape[1], len(layers[-1].bias)
    inputs = as_polytope("polytope", polytope, n_features)
    inputs.box()
    region = as_polytope("unsafe", unsafe, n_outputs)
    lines = [f"(declare-const X_{i} Real)" for i in range(n_features)]
    lines += [f"(declare-const Y_{k} Real)" for k in range(n_outputs)]
    return "\n".join([*lines, *_assertions(inputs, "X"), *_assertions(region, "Y")])


def write_vnnlib(path: str | os.PathLike[str], network: Any, polytope: Any, unsafe: Any) -> None:
    """Write :func:`vnnlib` to a file.

    Parameters
    ----------
    path : str or path
    network, polytope, unsafe
        As for :func:`is_safe`.

    Examples
    --------
    >>> import tempfile
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import write_vnnlib
    >>> network = TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_vnnlib(f"{folder}/property.vnnlib", network, ([0.0], [1.0]), ([[-1.0]], [-2.0]))
    ...     print(Path(folder, "property.vnnlib").read_text().splitlines()[-1])
    (assert (<= (* -1.0 Y_0) -2.0))
    """
    Path(path).write_text(vnnlib(network, polytope, unsafe) + "\n")


def _assertions(polytope: Polytope, letter: str) -> list[str]:
    lines = []
    for i in range(polytope.dim):
        for sign, bound in (("<=", polytope.upper[i]), (">=", polytope.lower[i])):
            if np.isfinite(bound):
                lines.append(f"(assert ({sign} {letter}_{i} {_number(bound)}))")
    for row, right in zip(polytope.A, polytope.b, strict=True):
        terms = [f"(* {_number(a)} {letter}_{i})" for i, a in enumerate(row) if a]
        total = "0.0" if not terms else terms[0] if len(terms) == 1 else f"(+ {' '.join(terms)})"
        lines.append(f"(assert (<= {total} {_number(right)}))")
    return lines


def _number(value: float) -> str:
    """All digits, without an exponent, which VNN-LIB does not have."""
    return np.format_float_positional(value, trim="0")


def to_onnx(network: Any) -> onnx.ModelProto:
    """The network as an ONNX graph of matrix products and ReLUs, in single precision, of any depth.

    Parameters
    ----------
    network : TwoLayerNetwork, fitted estimator or torch ``Sequential``
        As for :func:`output_range`.

    Returns
    -------
    onnx.ModelProto
        From an input ``"X"`` of shape (n, d) to an output ``"Y"`` of shape (n, K).

    Examples
    --------
    >>> from torch import nn
    >>> from convexrelu.reach import to_onnx
    >>> deep = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> [node.op_type for node in to_onnx(deep).graph.node]
    ['Gemm', 'Relu', 'Gemm', 'Relu', 'Gemm']
    """
    from onnx import checker, helper, numpy_helper

    if isinstance(network, TwoLayerNetwork):
        network = network.without_skip()
    layers, _ = as_layers(network)
    nodes, arrays, last = [], [], "X"
    for i, layer in enumerate(layers):
        out = "Y" if i == len(layers) - 1 else f"Z_{i}"
        nodes.append(helper.make_node("Gemm", [last, f"W_{i}", f"b_{i}"], [out], transB=1))
        for name, array in ((f"W_{i}", layer.weights), (f"b_{i}", layer.bias)):
            arrays.append(numpy_helper.from_array(_single(array), name))
        last = out
        if layer.slope is not None:
            last = f"R_{i}"
            nodes.append(helper.make_node(inputs=[out], outputs=[last], **_activation(layer)))
    graph = helper.make_graph(
        nodes,
        "Network",
        [_value("X", layers[0].weights.shape[1])],
        [_value("Y", len(layers[-1].bias))],
        arrays,
    )
    opset = helper.make_opsetid("", _OPSET)
    model = helper.make_model(graph, opset_imports=[opset], producer_name="convexrelu")
    model.ir_version = 8  # the version of this opset; older runtimes refuse newer ones
    checker.check_model(model)
    return model


def _value(name: str, size: int) -> onnx.ValueInfoProto:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])


def _activation(layer: Layer) -> dict[str, Any]:
    if layer.slope:
        return {"op_type": "LeakyRelu", "alpha": layer.slope}
    return {"op_type": "Relu"}


def _single(array: Array) -> np.ndarray:
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    if not np.isfinite(single).all():
        raise ValueError("network has weights that overflow in single precision")
    return single
