"""Missing values for skl2onnx: its imputer has no double precision that runs, and it has no missing strings.

ONNX has no missing strings either. The words in `MISSING` stand for them, as pandas and NumPy write them. An imputer
that looks for NaN leaves None as it is, in scikit-learn and so here.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

__all__ = ["MISSING", "convert_encoder", "convert_imputer", "set_imputer_shapes"]

MISSING = ("", "nan", "None", "<NA>")


def set_imputer_shapes(operator: Any) -> None:
    """The type of the input, and a column for each feature that is kept."""
    kept = len(_statistics(operator.raw_operator)[0])
    operator.outputs[0].type = type(operator.inputs[0].type)([None, kept])


def convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    """``Where(missing, statistic, x)`` for each column of a SimpleImputer."""
    model, variable = operator.raw_operator, operator.inputs[0]
    writer = _Writer(scope, container)
    if model.add_indicator:
        raise NotImplementedError("SimpleImputer(add_indicator=True) has no form in ONNX here")
    kept, values = _statistics(model)
    columns = writer.constant(writer.kinds.INT64, [len(kept)], kept)
    source = writer.node("Gather", [variable.full_name, columns], axis=1)
    output = operator.outputs[0].full_name
    kind = type(variable.type).__name__
    if kind == "StringTensorType":
        missing = writer.is_any_of(source, _words_for(model.missing_values))
        entries: list[Any] = [str(value).encode() for value in values]
        fill = writer.constant(writer.kinds.STRING, [1, len(kept)], entries)
    elif kind in ("FloatTensorType", "DoubleTensorType"):
        if not _is_missing(model.missing_values):
            raise NotImplementedError(
                f"SimpleImputer(missing_values={model.missing_values!r}) has no form in ONNX here; use NaN"
            )
        missing = writer.node("IsNaN", [source])
        number = writer.kinds.FLOAT if kind == "FloatTensorType" else writer.kinds.DOUBLE
        fill = writer.constant(number, [1, len(kept)], [float(value) for value in values])
    else:  # integers have no missing values
        writer.node("Identity", [source], output)
        return
    writer.node("Where", [missing, fill, source], output)


def convert_encoder(scope: Any, operator: Any, container: Any) -> None:
    """A OneHotEncoder as skl2onnx has it; before it, words for missing strings become the one of their category."""
    from skl2onnx.common._registration import get_converter

    convert = get_converter("SklearnOneHotEncoder")
    gaps = [each for column in operator.raw_operator.categories_ for each in column[-2:]]
    gaps = [each for each in gaps if _is_missing(each)]
    if not gaps:
        convert(scope, operator, container)
        return
    writer = _Writer(scope, container)
    word = writer.constant(writer.kinds.STRING, [1, 1], [str(gaps[0]).encode()])
    inputs = []
    for variable in operator.inputs:
        name = variable.full_name
        if type(variable.type).__name__ == "StringTensorType":
            name = writer.node("Where", [writer.is_any_of(name, MISSING), word, name])
        inputs.append(SimpleNamespace(full_name=name, type=variable.type))
    renamed = SimpleNamespace(
        raw_operator=operator.raw_operator,
        inputs=inputs,
        outputs=operator.outputs,
        output_full_names=operator.output_full_names,
        full_name=operator.full_name,
    )
    convert(scope, renamed, container)


class _Writer:
    """Nodes and constants with names of their own."""

    def __init__(self, scope: Any, container: Any) -> None:
        from skl2onnx.proto import onnx_proto

        self.kinds = onnx_proto.TensorProto
        self.scope = scope
        self.container = container

    def node(
        self, operator: str, inputs: list[str], output: str | None = None, **options: Any
    ) -> str:
        """The name of what a new node gives."""
        output = output or self.scope.get_unique_variable_name(operator.lower())
        name = self.scope.get_unique_operator_name(operator)
        version = {} if "op_domain" in options else {"op_version": self.container.target_opset}
        self.container.add_node(operator, inputs, output, name=name, **version, **options)
        return output

    def constant(self, kind: int, shape: list[int], entries: list[Any]) -> str:
        """The name of a constant."""
        name = self.scope.get_unique_variable_name("constant")
        self.container.add_initializer(name, kind, shape, entries)
        return name

    def is_any_of(self, source: str, words: Any) -> str:
        """Where strings are one of these words."""
        marked = self.node(
            "LabelEncoder",
            [source],
            op_domain="ai.onnx.ml",
            op_version=2,
            keys_strings=list(words),
            values_int64s=[1] * len(words),
            default_int64=0,
        )
        return self.node("Cast", [marked], to=self.kinds.BOOL)


def _statistics(model: Any) -> tuple[list[int], list[Any]]:
    """Positions of the columns that are kept, and what fills their gaps: those without any value are left out."""
    values = model.statistics_.tolist()
    if model.keep_empty_features or model.strategy == "constant":
        return list(range(len(values))), values
    kept = [k for k, value in enumerate(values) if not _is_missing(value)]
    return kept, [values[k] for k in kept]


def _words_for(marker: Any) -> list[str]:
    """What an imputer with this marker takes for missing."""
    if isinstance(marker, str):
        return [marker]
    return [word for word in MISSING if (word == "None") == (marker is None)]


def _is_missing(value: Any) -> bool:
    """None, NaN, or ``pandas.NA``, which equals nothing."""
    return value is None or type(value).__name__ == "NAType" or bool(value != value)
