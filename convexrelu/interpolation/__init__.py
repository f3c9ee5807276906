"""Interpolation at the smallest norm: the limit of training as the penalty goes to zero."""

from convexrelu.interpolation.minimum_norm import minimum_norm

__all__ = ["minimum_norm"]
