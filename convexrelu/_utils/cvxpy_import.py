"""Import all of cvxpy at once: its solvers are compiled, and an import that Ctrl-C cuts short may not be repeatable."""

import re

import numpy as np

from convexrelu._utils.imports import importing

with importing():
    import cvxpy as cp

__all__ = ["cp"]

# Before 1.9.3, cvxpy finds the shape of a sum by adding up memory that nothing has been written to (its issue 3503).
# NumPy warns if it happens to contain infinities or signalling NaNs, or raises FloatingPointError if told to.
if [int(part) for part in re.findall(r"\d+", cp.__version__)[:3]] < [1, 9, 3]:
    from cvxpy.atoms.affine.sum import Sum

    Sum.shape_from_args = np.errstate(all="ignore")(Sum.shape_from_args)  # type: ignore[method-assign]
