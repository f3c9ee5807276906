"""Vertex descent on the mean absolute error, with certificates of local minima."""

from convexrelu.landscape.vertex_descent.descent import (
    random_network,
    vertex_descent,
    vertex_descents,
)
from convexrelu.landscape.vertex_descent.display import VertexDescentDisplay
from convexrelu.landscape.vertex_descent.result import VertexDescent
from convexrelu.landscape.vertex_descent.statistics import (
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
