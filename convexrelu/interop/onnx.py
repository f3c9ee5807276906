"""Export to ONNX, without torch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from convexrelu.interop.gate_weights import GateWeights, gate_weights_of
from convexrelu.interop.heads import Head, head_of
from convexrelu.interop.onnx_nodes import Nodes
from convexrelu.interop.weights import HasWeights, Weights, check_narrowing, network_of, weights_of

if TYPE_CHECKING:
    import onnx

__all__ = ["OPSET", "import_onnx", "save", "to_onnx"]

OPSET = 17  # of ONNX 1.12: later runtimes read it, too
_IR_VERSION = 8  # of this opset; older runtimes refuse newer ones
_DTYPES: dict[str, type] = {"float32": np.float32, "float64": np.float64}


def to_onnx(
    network: HasWeights | Any,
    path: str | os.PathLike[str] | None = None,
    *,
    raw: bool = False,
    dtype: str = "float32",
) -> onnx.ModelProto:
    """The network as an ONNX graph: matrix product, activation, matrix product.

    For a fitted estimator the graph says what ``predict`` says: with the Poisson loss an exponential follows, and for
    a classifier there are labels and probabilities.

    Parameters
    ----------
    network : TwoLayerNetwork, GatedNetwork or ThresholdNetwork
        Or anything else with the arrays of the first, or a fitted regressor or classifier of this package.
        A network without neurons gets one that is zero. A skip connection becomes two neurons per output. Gates are
        compared with zero: rounding may switch one where an input is close to its border.
    path : path, optional
        File to write as well.
    raw : bool
        Outputs of the network only: logarithms with the Poisson loss, scores of a classifier.
    dtype : {"float32", "float64"}
        Type of inputs, outputs and all that is between. Runtimes on CPUs have both; outputs agree with
        ``predict`` up to the rounding of this type.

    Returns
    -------
    onnx.ModelProto
        From an input ``"X"`` of shape (n, d), for any ``n``, to an output ``"outputs"`` of shape (n, K). For a
        classifier to ``"label"`` of shape (n,), or (n, K) zeros and ones of several labels, and to
        ``"probabilities"``, or without probabilities to ``"scores"``.

    Raises
    ------
    ImportError
        If ``onnx`` is not installed.
    ValueError
        For a skip connection with the absolute value, whose neurons cannot represent it, or weights that overflow in
        single precision, or something that has no such network.
    NotFittedError
        For an estimator that is not fitted.

    Warns
    -----
    UserWarning
        If single precision rounds the weights of a neuron to zero.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.interop.onnx import to_onnx
    >>> model = to_onnx(TwoLayerNetwork([[1.0, -1.0]], [0.5], [[2.0]], [0.0]))
    >>> [node.op_type for node in model.graph.node]
    ['Gemm', 'Relu', 'Gemm']
    """
    if dtype not in _DTYPES:
        raise ValueError(f"dtype={dtype!r} is not known; available: 'float32', 'float64'")
    onnx = import_onnx()
    head = head_of(network, "outputs" if raw else "predict")
    gates = gate_weights_of(getattr(network, "network_", network))
    weights = weights_of(network_of(head.network(network))) if gates is None else gates
    _check_fits(weights, _DTYPES[dtype])
    nodes = Nodes(_DTYPES[dtype])
    names = ["outputs"]
    described = head.classes or head.several
    if described is None:
        behind = nodes.network(weights, "X", "logarithms" if head.kind == "exp" else "outputs")
        nodes.head(head, behind, "outputs")
    else:
        has_probabilities = described.has_probabilities
        scores = nodes.network(weights, "X", "scores")
        names = ["label", "probabilities" if has_probabilities else "scores"]
        nodes.head(head, scores, "label")
        if has_probabilities:
            nodes.head(head_of(network, "predict_proba"), scores, "probabilities")
    model = _model(onnx, nodes, weights, names, head)
    if path is not None:
        save(model, path)
    return model


def import_onnx() -> Any:
    """The package, or an error that says how to install it."""
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise ImportError('to_onnx needs onnx: pip install "convexrelu[onnx]"') from error
    return onnx


def save(model: onnx.ModelProto, path: str | os.PathLike[str]) -> None:
    """Write a model to a file."""
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


def _model(
    onnx: Any, nodes: Nodes, weights: Weights | GateWeights, names: list[str], head: Head
) -> onnx.ModelProto:
    helper = onnx.helper
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(nodes.dtype))
    made = [
        helper.make_node(node.operator, node.inputs, [node.output], **node.attributes)
        for node in nodes.nodes
    ]
    outputs = ["n", weights.n_outputs]
    shapes = {"label": ["n"] if head.several is None else outputs, "outputs": outputs}
    labels = nodes.constants.get("labels")
    of_labels = np.dtype(np.int64) if labels is None else labels.dtype
    kinds = {"label": helper.np_dtype_to_tensor_dtype(of_labels)}
    graph = helper.make_graph(
        made,
        "TwoLayerNetwork",
        [helper.make_tensor_value_info("X", kind, ["n", weights.n_features])],
        [
            helper.make_tensor_value_info(
                name, kinds.get(name, kind), shapes.get(name, ["n", None])
            )
            for name in names
        ],
        [onnx.numpy_helper.from_array(array, name) for name, array in nodes.constants.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], producer_name="convexrelu")
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model)
    return model


def _check_fits(weights: Weights | GateWeights, dtype: type) -> None:
    """Raise an error for weights that cannot be written in the type."""
    with np.errstate(over="ignore"):  # which is refused below
        if isinstance(weights, GateWeights):
            given = (array for array in weights if array is not None)
            if not all(np.isfinite(array.astype(dtype)).all() for array in given):
                raise ValueError(
                    f"network has weights that overflow dtype {np.dtype(dtype).name}; use float64"
                )
            return
        inner, bias, outer, intercept = (
            array.astype(dtype).astype(np.float64) for array in weights[:4]
        )
    check_narrowing(weights, Weights(inner, bias, outer, intercept), np.dtype(dtype).name)
