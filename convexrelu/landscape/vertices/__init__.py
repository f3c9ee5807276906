"""Vertex descent on the mean absolute error, with certificates of local minima."""

from convexrelu.landscape.vertices.descent import (
    random_network,
    vertex_descent,
    vertex_descents,
)
from convexrelu.landscape.vertices.display import VertexDescentDisplay
from convexrelu.landscape.vertices.result import VertexDescent
from convexrelu.landscape.vertices.statistics import (
    Decay,
    VertexDensity,
    loss_decay,
    vertex_density,
)

__all__ = [
    "Decay",
    "VertexDensity",
    "VertexDescent",
    "VertexDescentDisplay",
    "loss_decay",
    "random_network",
    "vertex_density",
    "vertex_descent",
    "vertex_descents",
]
