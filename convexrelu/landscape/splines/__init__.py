"""Networks with one feature under gradient flow: the motion of their knots and slopes."""

from convexrelu.landscape.splines.display import SplineMotionDisplay
from convexrelu.landscape.splines.flow import SplineMotion, spline_motion
from convexrelu.landscape.splines.initial import (
    Initialisation,
    initialisation,
    random_spline,
)

__all__ = [
    "Initialisation",
    "SplineMotion",
    "SplineMotionDisplay",
    "initialisation",
    "random_spline",
    "spline_motion",
]
