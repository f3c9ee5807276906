"""Activation patterns, sampled or enumerated, and the cones of weights with these patterns."""

from convexrelu.patterns.activation import ActivationPatterns
from convexrelu.patterns.enumerate import count_patterns, enumerate_patterns
from convexrelu.patterns.sample import sample_gates, sample_patterns

__all__ = [
    "ActivationPatterns",
    "count_patterns",
    "enumerate_patterns",
    "sample_gates",
    "sample_patterns",
]
