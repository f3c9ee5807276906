"""The convex geometry of training: the rectified ellipsoid, its support function, polar and extreme points.

After Ergen & Pilanci 2021, "Convex Geometry and Duality of Over-parameterized Neural Networks".
"""

from convexrelu.geometry.ellipsoid import Radius, RectifiedEllipsoid
from convexrelu.geometry.equivalence import Equivalence, l0_l1_equivalence
from convexrelu.geometry.hull import HullNeurons, hull_neurons, hull_start
from convexrelu.geometry.support import SupportPoint

__all__ = [
    "Equivalence",
    "HullNeurons",
    "Radius",
    "RectifiedEllipsoid",
    "SupportPoint",
    "hull_neurons",
    "hull_start",
    "l0_l1_equivalence",
]
