"""Networks with one feature under gradient flow: the motion of their knots and slopes."""

from convexrelu.landscape.spline_motion.display import SplineMotionDisplay
from convexrelu.landscape.spline_motion.flow import SplineMotion, spline_motion
from convexrelu.landscape.spline_motion.initial import (
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
