"""A network as a function in C99."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.interop.heads import Classes
from convexrelu.interop.source_parts import SourceParts

__all__ = ["c_source"]


def c_source(parts: SourceParts) -> str:
    """The text of a file with one function; numbers are hexadecimal, so that they are read back exactly."""
    name = parts.name
    signature, comment = _signature(parts)
    lines = [
        f"/* {parts.shape}, written by convexrelu. C99; link with -lm where needed.",
        f"   {comment} */",
        "",
        *(
            ["#include <math.h>", ""]
            if parts.head.kind in ("exp", "probabilities", "chances")
            else []
        ),
        *_constants(parts),
        *_classes(parts),
        "",
        f"static void {name}_outputs(const double *row, double *outputs)",
        "{",
        *(f"    {line}" for line in _outputs(parts)),
        "}",
        "",
        signature,
        "{",
        f"    double outputs[{parts.n_outputs}];",
        *(f"    {line}" for line in _head(parts)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _signature(parts: SourceParts) -> tuple[str, str]:
    name, kind = parts.name, parts.head.kind
    row = f"row has {parts.n_features} numbers"
    if parts.head.classes is not None and kind == "label":
        n = len(parts.head.classes.labels)
        return (
            f"int {name}(const double *row)",
            f"{row}; returns the position of the label in {name}_classes[{n}].",
        )
    if parts.alone:
        return f"double {name}(const double *row)", f"{row}; returns the prediction."
    n = parts.n_outputs if parts.head.classes is None else len(parts.head.classes.labels)
    what = "probabilities" if kind == "probabilities" else "predictions"
    return (
        f"void {name}(const double *row, double *{what})",
        f"{row}; writes {n} {what}.",
    )


def _constants(parts: SourceParts) -> list[str]:
    network, name = parts.network, parts.name
    arrays = {"hidden_bias": network.hidden_bias, "hidden_weights": network.hidden_weights}
    arrays["output_weights"] = network.output_weights.T
    if not parts.width:  # C has no empty arrays
        arrays = {}
    arrays["output_bias"] = network.output_bias
    if parts.skip is not None:
        arrays["skip_weights"] = parts.skip
    return [line for key, array in arrays.items() for line in _array(f"{name}_{key}", array)]


def _array(name: str, array: Array) -> Iterable[str]:
    sizes = "".join(f"[{size}]" for size in array.shape)
    yield f"static const double {name}{sizes} = {{"
    for row in np.atleast_2d(array):
        numbers = ", ".join(float(entry).hex() for entry in row)
        yield f"    {{{numbers}}}," if array.ndim == 2 else f"    {numbers},"
    yield "};"


def _outputs(parts: SourceParts) -> list[str]:
    name, k_loop = parts.name, f"for (int k = 0; k < {parts.n_outputs}; k++)"
    slope = float(parts.network.negative_slope)
    below = f"{slope.hex()} * seen" if slope else "0.0"
    lines = [k_loop, f"    outputs[k] = {name}_output_bias[k];"]
    entries = f"for (int i = 0; i < {parts.n_features}; i++)"
    if parts.width:
        lines += [
            f"for (int j = 0; j < {parts.width}; j++) {{",
            f"    double seen = {name}_hidden_bias[j];",
            f"    {entries}",
            f"        seen += {name}_hidden_weights[j][i] * row[i];",
            f"    const double hidden = seen < 0.0 ? {below} : seen;",
            f"    {k_loop}",
            f"        outputs[k] += {name}_output_weights[j][k] * hidden;",
            "}",
        ]
    if parts.skip is not None:
        lines += [
            k_loop,
            f"    {entries}",
            f"        outputs[k] += {name}_skip_weights[k][i] * row[i];",
        ]
    return lines if parts.width or parts.skip is not None else [*lines, "(void)row;"]


def _classes(parts: SourceParts) -> list[str]:
    classes = parts.head.classes
    if classes is None or parts.head.kind != "label":
        return []
    labels = classes.labels
    if all(isinstance(label, int) for label in labels):
        kind, entries = "long long", [str(int(label)) for label in labels]
    elif all(isinstance(label, int | float) for label in labels):
        kind, entries = "double", [float(label).hex() for label in labels]
    else:
        kind, entries = "char *const", [_quoted(str(label)) for label in labels]
    joined = ", ".join(entries)
    return [f"const {kind} {parts.name}_classes[{len(labels)}] = {{{joined}}};"]


def _quoted(text: str) -> str:
    """A C string in UTF-8; what is not plain is written in octal digits."""
    plain = {code for code in range(32, 127) if chr(code) not in '"\\?'}
    return '"' + "".join(chr(c) if c in plain else f"\\{c:03o}" for c in text.encode()) + '"'


def _head(parts: SourceParts) -> list[str]:
    name, n, classes = parts.name, parts.n_outputs, parts.head.classes
    call = f"{name}_outputs(row, outputs);"
    if classes is None:
        value = _VALUES.get(parts.head.kind, "outputs[{}]")
        if parts.alone:
            return [call, f"return {value.format(0)};"]
        return [
            call,
            f"for (int k = 0; k < {n}; k++)",
            f"    predictions[k] = {value.format('k')};",
        ]
    lines = [call, *_scores(classes)]
    if parts.head.kind == "label":
        return [*lines, "return present[best];"]
    return [
        *lines,
        "double total = 0.0;",
        f"for (int k = 0; k < {len(classes.labels)}; k++)",
        "    probabilities[k] = 0.0;",
        f"for (int k = 0; k < {len(classes.present)}; k++)",
        "    total += probabilities[present[k]] = exp(scores[k] - scores[best]);",
        f"for (int k = 0; k < {len(classes.labels)}; k++)",
        "    probabilities[k] /= total;",
    ]


_VALUES = {
    "exp": "exp(outputs[{}])",
    "indicators": "outputs[{}] > 0.0",
    "chances": "1.0 / (1.0 + exp(-outputs[{}]))",
}


def _scores(classes: Classes) -> list[str]:
    n = len(classes.present)
    entries = [f"outputs[{k}]" for k in range(n)] if classes.coupled else ["0.0", "outputs[0]"][-n:]
    return [
        f"const double scores[{n}] = {{{', '.join(entries)}}};",
        f"static const int present[{n}] = {{{', '.join(map(str, classes.present))}}};",
        "int best = 0;",
        f"for (int k = 1; k < {n}; k++)",
        "    if (scores[k] > scores[best])",
        "        best = k;",
    ]
