"""What a network does over a whole polytope of inputs, exactly or with bounds that are proved."""

from convexrelu.reach.export import to_onnx, vnnlib, write_vnnlib
from convexrelu.reach.feature_effect import (
    FeatureBands,
    FeatureEffect,
    feature_bands,
    feature_effect,
)
from convexrelu.reach.lipschitz import LipschitzConstant, lipschitz_constant
from convexrelu.reach.output_range import OutputRange, output_range
from convexrelu.reach.polytope import Polytope
from convexrelu.reach.radius import AdversarialRadius, adversarial_radius
from convexrelu.reach.reachable_set import Piece, ReachableSet, reachable_set
from convexrelu.reach.safety import Safety, is_safe

__all__ = [
    "AdversarialRadius",
    "FeatureBands",
    "FeatureEffect",
    "LipschitzConstant",
    "OutputRange",
    "Piece",
    "Polytope",
    "ReachableSet",
    "Safety",
    "adversarial_radius",
    "feature_bands",
    "feature_effect",
    "is_safe",
    "lipschitz_constant",
    "output_range",
    "reachable_set",
    "to_onnx",
    "vnnlib",
    "write_vnnlib",
]
