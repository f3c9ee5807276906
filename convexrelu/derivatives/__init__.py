"""Networks that are fitted to samples and to linear equations of first order at other points, with a certificate.

Transport, decay and gradient matching (Sobolev training) are such equations. :mod:`convexrelu.derivatives.problem`
has the program, its dual, and what holds at kinks.
"""

from convexrelu.derivatives.problem import DerivativeProblem
from convexrelu.derivatives.rows import DerivativeRows
from convexrelu.derivatives.train import train_with_derivatives

__all__ = ["DerivativeProblem", "DerivativeRows", "train_with_derivatives"]
