"""Export to ONNX, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from convexrelu.interop.weights import HasWeights, Weights, check_narrowing, network_of, weights_of

if TYPE_CHECKING:
    import onnx

__all__ = ["to_onnx"]

_OPSET = 17  # of ONNX 1.12: later runtimes read it, too


def to_onnx(network: HasWeights | Any, *, raw: bool = False) -> onnx.ModelProto:
    """The network as an ONNX graph in single precision: matrix product, activation, matrix product.

    For an estimator with the Poisson loss an exponential follows, so that the outputs are what ``predict`` says. The
    outputs of a classifier are scores, as ``network_.forward`` has them.

    Parameters
    ----------
    network : TwoLayerNetwork
        Or anything else with its arrays, or a fitted regressor or classifier of this package.
        A network without neurons gets one that is zero. A skip connection becomes two neurons per output.
    raw : bool
        Leave the exponential out.

    Returns
    -------
    onnx.ModelProto
        From an input ``"X"`` of shape (n, d) to an output ``"outputs"`` of shape (n, K), for any ``n``. Write it with
        :func:`onnx.save`.

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
    from onnx import TensorProto, checker, helper, numpy_helper

    network, predicts_logarithms = network_of(network)
    exponential = predicts_logarithms and not raw
    weights = weights_of(network)
    n_features, n_outputs = weights.hidden_weights.shape[1], len(weights.output_bias)
    slope = weights.negative_slope
    activation = {"op_type": "LeakyRelu", "alpha": slope} if slope else {"op_type": "Relu"}
    nodes = [
        helper.make_node("Gemm", ["X", "W", "b"], ["seen"], transB=1),
        helper.make_node(inputs=["seen"], outputs=["hidden"], **activation),
        helper.make_node(
            "Gemm", ["hidden", "A", "c"], ["logarithms" if exponential else "outputs"], transB=1
        ),
    ]
    if exponential:
        nodes.append(helper.make_node("Exp", ["logarithms"], ["outputs"]))
    graph = helper.make_graph(
        nodes,
        "TwoLayerNetwork",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["n", n_features])],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["n", n_outputs])],
        [numpy_helper.from_array(array, name) for name, array in _named(weights).items()],
    )
    opset = helper.make_opsetid("", _OPSET)
    model = helper.make_model(graph, opset_imports=[opset], producer_name="convexrelu")
    model.ir_version = 8  # the version of this opset; older runtimes refuse newer ones
    checker.check_model(model)
    return model


def _named(weights: Weights) -> dict[str, np.ndarray]:
    with np.errstate(over="ignore"):  # which is refused below
        single = [array.astype(np.float32) for array in weights[:4]]
    inner, bias, outer, intercept = (array.astype(np.float64) for array in single)
    check_narrowing(weights, Weights(inner, bias, outer, intercept), "float32")
    return dict(zip(("W", "b", "A", "c"), single, strict=True))
