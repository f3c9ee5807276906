"""Names of inputs as the columns have them: skl2onnx replaces blanks, and gives way to names of outputs."""

from __future__ import annotations

from typing import Any

__all__ = ["rename_inputs"]


def rename_inputs(model: Any, names: list[str]) -> None:
    """Give the inputs of a graph these names, in place; outputs of one of these names get ``_output`` behind it.

    Parameters
    ----------
    model : onnx.ModelProto
    names : list of str
        As many as there are inputs, all different.
    """
    graph = model.graph
    wanted = {each.name: name for each, name in zip(graph.input, names, strict=True)}
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    taken |= {each.name for each in graph.initializer}
    new = dict(wanted)
    for name in (taken & set(names)) - wanted.keys():
        free = f"{name}_output"
        while free in taken or free in names:
            free += "_"
        new[name] = free
    for node in graph.node:
        for field in (node.input, node.output):
            field[:] = [new.get(name, name) for name in field]
    for each in (*graph.input, *graph.output, *graph.initializer):
        each.name = new.get(each.name, each.name)
