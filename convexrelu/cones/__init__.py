"""Projection on the cones of patterns: one at a time in numpy, many at once in torch."""
