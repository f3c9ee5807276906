"""The finite convex programs: their blocks, the programs in cvxpy, and the map back to a network.

The programs are imported on first use: importing cvxpy takes a while.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from convexrelu._moved import names_of
from convexrelu.programs.blocks import Blocks, ProgramSolution

if TYPE_CHECKING:
    from convexrelu.patterns.cone_decomposition import cone_decomposition
    from convexrelu.programs.base import FiniteProgram, solver_options
    from convexrelu.programs.gated import GatedProgram
    from convexrelu.programs.relu import ReLUProgram

__all__ = [
    "Blocks",
    "FiniteProgram",
    "GatedProgram",
    "ProgramSolution",
    "ReLUProgram",
    "cone_decomposition",
    "solver_options",
]

_moved = names_of(__name__)

_HOME = {
    "FiniteProgram": "programs.base",
    "GatedProgram": "programs.gated",
    "ReLUProgram": "programs.relu",
    "cone_decomposition": "patterns.cone_decomposition",
    "solver_options": "programs.base",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        return _moved(name)
    value = getattr(importlib.import_module(f"convexrelu.{_HOME[name]}"), name)
    globals()[name] = value
    return value
