"""A network as a function in plain Python."""

from __future__ import annotations

from typing import Any

from convexrelu.interop.source_parts import SourceParts

__all__ = ["python_source"]


def python_source(parts: SourceParts) -> str:
    """The text of a module with one function of a row; numbers are written so that they are read back exactly."""
    network, name = parts.network, parts.name
    neurons = zip(
        network.hidden_bias.tolist(),
        network.hidden_weights.tolist(),
        network.output_weights.T.tolist(),
        strict=True,
    )
    lines = [
        f'"""{parts.shape}, written by convexrelu."""',
        "",
        *(["import math", ""] if parts.head.kind in ("exp", "probabilities", "chances") else []),
        "# Of each neuron: bias, weights of the inputs, weights of the outputs.",
        f"_NEURONS_{name} = (",
        *(f"    ({bias!r}, {_row(inner)}, {_row(outer)})," for bias, inner, outer in neurons),
        ")",
        f"_BIAS_{name} = {_row(network.output_bias.tolist())}",
    ]
    if parts.skip is not None:
        rows = ", ".join(_row(row) for row in parts.skip.tolist())
        lines.append(f"_SKIP_{name} = ({rows},)")
    lines += ["", "", *_function(parts)]
    return "\n".join(lines) + "\n"


def _row(values: list[Any]) -> str:
    return "(" + ", ".join(map(repr, values)) + ("," if len(values) == 1 else "") + ")"


def _function(parts: SourceParts) -> list[str]:
    name, slope = parts.name, float(parts.network.negative_slope)
    below = f"{slope!r} * seen" if slope else "0.0"
    lines = [
        f"def {name}(row):",
        f'    """{_WHAT[parts.head.kind]} for a row of {parts.n_features} numbers."""',
        f"    if len(row) != {parts.n_features}:",
        f'        raise ValueError(f"row has {{len(row)}} entries, expected {parts.n_features}")',
        f"    outputs = list(_BIAS_{name})",
        f"    for bias, inner, outer in _NEURONS_{name}:",
        "        seen = bias + sum(weight * entry for weight, entry in zip(inner, row))",
        f"        hidden = {below} if seen < 0.0 else seen",
        "        for k, weight in enumerate(outer):",
        "            outputs[k] += weight * hidden",
    ]
    if parts.skip is not None:
        lines += [
            f"    for k, weights in enumerate(_SKIP_{name}):",
            "        outputs[k] += sum(weight * entry for weight, entry in zip(weights, row))",
        ]
    return [*lines, *(f"    {line}" for line in _head(parts))]


_WHAT = {
    "outputs": "Outputs of the network",
    "exp": "Predictions, exponentials of the outputs,",
    "label": "The most likely label",
    "probabilities": "Probabilities of the classes",
    "indicators": "One for labels that are there, and zero for others,",
    "chances": "Probabilities of the labels",
}


def _head(parts: SourceParts) -> list[str]:
    kind, classes = parts.head.kind, parts.head.classes
    if kind == "indicators":
        return ["return [1 if output > 0.0 else 0 for output in outputs]"]
    if kind == "chances":
        return ["return [0.5 + 0.5 * math.tanh(0.5 * output) for output in outputs]"]
    if classes is None:
        if kind == "exp":
            return (
                ["return math.exp(outputs[0])"]
                if parts.alone
                else ["return [math.exp(output) for output in outputs]"]
            )
        return ["return outputs[0]" if parts.alone else "return outputs"]
    scores = ["scores = outputs" if classes.coupled else _scores_of_one(classes)]
    if kind == "label":
        labels = [classes.labels[position] for position in classes.present]
        return [*scores, f"return {_row(labels)}[scores.index(max(scores))]"]
    return [
        *scores,
        "largest = max(scores)",
        "parts = [math.exp(score - largest) for score in scores]",
        "total = sum(parts)",
        f"probabilities = [0.0] * {len(classes.labels)}",
        f"for position, part in zip({_row(list(classes.present))}, parts):",
        "    probabilities[position] = part / total",
        "return probabilities",
    ]


def _scores_of_one(classes: Any) -> str:
    return "scores = [0.0, outputs[0]]" if len(classes.present) == 2 else "scores = [outputs[0]]"
