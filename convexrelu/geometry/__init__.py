"""The convex geometry of training: the rectified ellipsoid, its support function, polar and extreme points.

Follows Ergen & Pilanci 2021, "Convex Geometry and Duality of Over-parameterized Neural Networks".
"""

from convexrelu._moved import names_of
from convexrelu.geometry.ellipsoid import Radius, RectifiedEllipsoid
from convexrelu.geometry.equivalence import Equivalence, l0_l1_equivalence
from convexrelu.geometry.single_sample import (
    SingleSampleNeurons,
    single_sample_neurons,
    single_sample_start,
)
from convexrelu.geometry.support import SupportPoint

__all__ = [
    "Equivalence",
    "Radius",
    "RectifiedEllipsoid",
    "SingleSampleNeurons",
    "SupportPoint",
    "l0_l1_equivalence",
    "single_sample_neurons",
    "single_sample_start",
]

__getattr__ = names_of(__name__)  # names that this room had before
