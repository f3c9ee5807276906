"""The finite convex programmes, in cvxpy."""

from convexrelu.programs.base import FiniteProgramme, ProgrammeSolution, solver_options
from convexrelu.programs.cone_decomposition import cone_decomposition
from convexrelu.programs.gated import GatedProgramme
from convexrelu.programs.relu import ReLUProgramme

__all__ = [
    "FiniteProgramme",
    "GatedProgramme",
    "ProgrammeSolution",
    "ReLUProgramme",
    "cone_decomposition",
    "solver_options",
]
