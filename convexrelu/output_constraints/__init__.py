"""Training under linear constraints on the outputs of a network, at points or on a polytope."""

from convexrelu.output_constraints.cone import Cone, cone_generators, cone_output
from convexrelu.output_constraints.polytope import (
    OutputBounds,
    PolytopeResult,
    output_bounds,
    train_on_polytope,
)
from convexrelu.output_constraints.rows import OutputConstraints, ascending
from convexrelu.output_constraints.train import ConstrainedResult, train_with_output_constraints

__all__ = [
    "Cone",
    "ConstrainedResult",
    "OutputBounds",
    "OutputConstraints",
    "PolytopeResult",
    "ascending",
    "cone_generators",
    "cone_output",
    "output_bounds",
    "train_on_polytope",
    "train_with_output_constraints",
]
