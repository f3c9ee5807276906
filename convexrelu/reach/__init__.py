"""What a network does over a whole polytope of inputs, exactly or with bounds that are proved."""

from convexrelu.reach.output_range import OutputRange, output_range
from convexrelu.reach.polytope import Polytope

__all__ = ["OutputRange", "Polytope", "output_range"]
