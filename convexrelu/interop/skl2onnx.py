"""Converters for skl2onnx, which finds them by methods of the estimators.

skl2onnx asks a model that it does not know for its ``onnx_parser``, ``onnx_shape_calculator`` and
``onnx_converter``. What they return is here, and nothing is imported before skl2onnx calls it. Where it looks classes
up by name instead, they have to be registered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from convexrelu.interop.gate_weights import gate_weights_of
from convexrelu.interop.heads import Classes, head_of
from convexrelu.interop.onnx_nodes import Nodes, labels_array
from convexrelu.interop.weights import weights_of

__all__ = ["convert", "convert_features", "parser_of", "register", "set_shapes"]


def register(kind: type, converter: Callable[[Any, Any, Any], None]) -> None:
    """Register a class with skl2onnx; ``zipmap`` is taken, and changes nothing."""
    from skl2onnx import update_registered_converter
    from skl2onnx._parse import _parse_sklearn_simple_model

    def parser(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
        return _parse_sklearn_simple_model(scope, model, inputs, custom_parsers=custom_parsers)

    options = {"zipmap": [True, False, "columns"], "raw_scores": [True, False]}
    update_registered_converter(
        kind,
        f"Convexrelu{kind.__name__}",
        set_shapes,
        converter,
        overwrite=True,
        parser=parser,
        options=options,
    )


def parser_of(model: Any) -> Callable[..., Any]:
    """Names and types of the outputs: ``"label"`` and ``"probabilities"`` or ``"scores"``, else ``"variable"``."""

    def parser(scope: Any = None, inputs: Any = None) -> list[Any]:
        classes = model._several_labels() or model._classes_of_outputs()
        numbers = _number_type(inputs)()
        if classes is None:
            return [("variable", numbers)]
        second = "probabilities" if classes.has_probabilities else "scores"
        labels = getattr(classes, "labels", (0,))  # of several labels zeros and ones
        return [("label", _label_type(labels)()), (second, numbers)]

    return parser


def set_shapes(operator: Any) -> None:
    """Types and shapes of the outputs, for any number of rows."""
    model = operator.raw_operator
    numbers = _number_type(operator.inputs)
    width = getattr(model, "_n_features_out", None)
    if width is None:
        several = model._several_labels()
        classes = None if several is not None else model._classes_of_outputs()
        width = model.network_.n_outputs
        if several is not None:
            width = several.network.n_outputs
            operator.outputs[0].type = _label_type((0,))([None, width])
        if classes is not None:
            operator.outputs[0].type = _label_type(classes.labels)([None])
            width = len(classes.labels) if classes.has_probabilities else width
    operator.outputs[-1].type = numbers([None, width])


def convert(scope: Any, operator: Any, container: Any) -> None:
    """Write the nodes of a regressor or classifier."""
    model = operator.raw_operator
    nodes = Nodes(np.float64)
    head = head_of(model, "predict")
    weights = gate_weights_of(model.network_) or weights_of(head.network(model.network_))
    outputs = nodes.network(weights, "input", "outputs")
    classes = head.classes
    results = [nodes.head(head, outputs, "predicted")]
    if head.several is not None:
        second = "predict_proba" if head.several.has_probabilities else "outputs"
        results.append(nodes.head(head_of(model, second), outputs, "probabilities"))
    if classes is not None:
        if container.get_options(model, {"raw_scores": False})["raw_scores"]:
            results.append(_raw_scores(nodes, classes, outputs))
        else:
            second = "predict_proba" if classes.has_probabilities else "outputs"
            results.append(nodes.head(head_of(model, second), outputs, "probabilities"))
    _write(nodes, results, scope, operator, container)


def convert_features(scope: Any, operator: Any, container: Any) -> None:
    """Write the nodes of a transformer to the outputs of neurons."""
    nodes = Nodes(np.float64)
    network = operator.raw_operator.estimator_.network_
    hidden = nodes.hidden(weights_of(network), "input", "hidden")
    _write(nodes, [hidden], scope, operator, container)


def _raw_scores(nodes: Nodes, classes: Classes, outputs: str) -> str:
    """Decision function in a column for each class, as CalibratedClassifierCV asks for; of two classes ``±s``."""
    if len(classes.present) < len(classes.labels):
        raise NotImplementedError("raw_scores are not supported where a class had no weight")
    if len(classes.labels) > 2:
        return outputs
    matrix = [[1.0, -1.0], [-1.0, 1.0]] if classes.coupled else [[-1.0, 1.0]]
    return nodes.add("MatMul", (outputs, nodes.constant("signs", matrix)), "raw_scores")


def _write(nodes: Nodes, results: list[str], scope: Any, operator: Any, container: Any) -> None:
    """Hand nodes to skl2onnx, in double precision whatever goes in: it would lose digits of ``predict``."""
    from skl2onnx.proto import onnx_proto

    kinds = onnx_proto.TensorProto
    names: dict[str, str] = {}

    def named(name: str) -> str:
        return names.setdefault(name, scope.get_unique_variable_name(name))

    def write(kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        name = scope.get_unique_operator_name(kind)
        container.add_node(
            kind, inputs, output, op_version=container.target_opset, name=name, **attributes
        )

    write("Cast", [operator.inputs[0].full_name], named("input"), to=kinds.DOUBLE)
    for name, array in nodes.constants.items():
        kind = {"i": kinds.INT64, "O": kinds.STRING}.get(array.dtype.kind, kinds.DOUBLE)
        values = array.ravel().tolist()
        if kind == kinds.STRING:
            values = [value.encode() for value in values]
        container.add_initializer(named(name), kind, array.shape, values)
    for node in nodes.nodes:
        inputs = [named(each) for each in node.inputs]
        write(node.operator, inputs, named(node.output), **node.attributes)
    for result, output in zip(results, operator.outputs, strict=True):
        write(
            "Cast" if _is_number(output) else "Identity",
            [named(result)],
            output.full_name,
            **_cast_to(output, kinds),
        )


def _is_number(output: Any) -> bool:
    return type(output.type).__name__ in ("DoubleTensorType", "FloatTensorType")


def _cast_to(output: Any, kinds: Any) -> dict[str, int]:
    if not _is_number(output):
        return {}
    single = type(output.type).__name__ == "FloatTensorType"
    return {"to": kinds.FLOAT if single else kinds.DOUBLE}


def _number_type(inputs: Any) -> Any:
    """Double where inputs are, single precision otherwise."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    return DoubleTensorType if isinstance(inputs[0].type, DoubleTensorType) else FloatTensorType


def _label_type(labels: tuple[Any, ...]) -> Any:
    from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType, StringTensorType

    kind = labels_array(labels).dtype.kind
    return {"i": Int64TensorType, "f": DoubleTensorType}.get(kind, StringTensorType)
