"""Program solvers: native, first-order, non-convex, and the cvxpy reference."""

from convexrelu.solvers.base import METHODS, SOLVERS, ProgramSolver
from convexrelu.solvers.registry import make_solver

__all__ = ["METHODS", "SOLVERS", "ProgramSolver", "make_solver"]
