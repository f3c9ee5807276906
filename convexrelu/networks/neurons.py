"""Neurons one by one, for people: tables of them, and networks as HTML for notebooks."""

from __future__ import annotations

from html import escape
from typing import NamedTuple, Protocol

import numpy as np

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array

__all__ = ["Neuron", "largest_first", "network_html"]

# Neurons and features a row that notebooks show.
_MOST_ROWS, _MOST_FEATURES = 6, 3
_STYLE = "font-family:sans-serif;font-size:0.9em;color:inherit;max-width:40em;margin:0.4em 0"
_TABLE = "border-collapse:collapse;color:inherit;font-size:inherit;margin:0.3em 0"
_CELL = "text-align:left;padding:0.1em 0.8em 0.1em 0;border-bottom:1px solid #888"


class Neuron(NamedTuple):
    """A neuron with its scale in the outer weights: ReLU networks do not change when it is moved there.

    Attributes
    ----------
    size : float
        Euclidean norm of `outer`.
    weights : array of shape (d,)
        Of the inputs; with the bias a unit vector.
    bias : float
    outer : array of shape (K,)
        Weights of the outputs.
    """

    size: float
    weights: Array
    bias: float
    outer: Array


class _Network(Protocol):
    @property
    def n_features(self) -> int: ...

    @property
    def width(self) -> int: ...

    def neurons(self) -> list[Neuron]: ...


def largest_first(weights: Array, bias: Array, outer: Array) -> list[Neuron]:
    """Neurons with weights of shape (m, d), biases (m,), and outer weights (m, K); the largest first."""
    lengths = norms(np.column_stack([weights, bias]))
    scale = np.where(lengths > 0, lengths, 1.0)
    moved = outer * scale[:, None]
    sizes = norms(moved)
    return [
        Neuron(float(sizes[j]), weights[j] / scale[j], float(bias[j] / scale[j]), moved[j])
        for j in np.argsort(-sizes, kind="stable")
    ]


def network_html(network: _Network, n_outputs: int = 1) -> str:
    """What a network is, and its largest neurons; without script or style sheet.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> network = TwoLayerNetwork([[3.0, 4.0]], [0.0], [[2.0]], [0.0])
    >>> "1 neuron, 2 features, 1 output" in network_html(network)
    True
    """
    counts = ", ".join(
        f"{count} {name if count == 1 else name + 's'}"
        for count, name in (
            (network.width, "neuron"),
            (network.n_features, "feature"),
            (n_outputs, "output"),
        )
    )
    neurons = network.neurons()
    rows = [_row(neuron, sum(one.size for one in neurons)) for neuron in neurons[:_MOST_ROWS]]
    left = len(neurons) - len(rows)
    return (
        f'<div class="convexrelu-network" style="{_STYLE}"><strong>{escape(type(network).__name__)}</strong>: '
        f"{counts}{_table(rows)}{f'<div>and {left} smaller ones</div>' if left else ''}</div>"
    )


def _table(rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    heads = ("share of all weights", "largest inner weights", "outer weights")
    head = "".join(f'<th style="{_CELL}">{escape(text)}</th>' for text in heads)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{escape(text)}</td>' for text in row) + "</tr>"
        for row in rows
    )
    return f'<table style="{_TABLE}"><tr>{head}</tr>{body}</table>'


def _row(neuron: Neuron, total: float) -> tuple[str, ...]:
    share = neuron.size / total if total > 0 else 0.0
    order = np.argsort(-np.abs(neuron.weights), kind="stable")[:_MOST_FEATURES]
    inner = ", ".join(f"x{k}: {neuron.weights[k]:.2g}" for k in order if neuron.weights[k])
    shown = ", ".join(f"{weight:.2g}" for weight in neuron.outer[:_MOST_FEATURES])
    more = ", …" if len(neuron.outer) > _MOST_FEATURES else ""
    return f"{100 * share:.2g} %", f"{inner or 'none'}; bias: {neuron.bias:.2g}", shown + more
