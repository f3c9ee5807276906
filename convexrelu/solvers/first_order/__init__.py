"""Accelerated first-order methods, for programs that are too large for Newton steps.

skglm and adelie solve group lassos, but not with cones, and not with an intercept that is best at every step for
any loss of this package: their losses are compiled.
"""
