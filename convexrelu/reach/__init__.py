"""What a network does over a whole polytope of inputs, exactly or with bounds that are proved."""

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
from convexrelu.reach.safety import Safety, is_safe

__all__ = [
    "AdversarialRadius",
    "FeatureBands",
    "FeatureEffect",
    "LipschitzConstant",
    "OutputRange",
    "Polytope",
    "Safety",
    "adversarial_radius",
    "feature_bands",
    "feature_effect",
    "is_safe",
    "lipschitz_constant",
    "output_range",
]
