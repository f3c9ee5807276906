"""The finite convex programmes, in cvxpy."""

from convexrelu.programs.base import FiniteProgramme, solver_options
from convexrelu.programs.cone_decomposition import cone_decomposition
from convexrelu.programs.gated import GatedProgramme
from convexrelu.programs.relu import ReLUProgramme

__all__ = [
    "FiniteProgramme",
    "GatedProgramme",
    "ReLUProgramme",
    "cone_decomposition",
    "solver_options",
]
