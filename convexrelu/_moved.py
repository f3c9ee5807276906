"""Old paths of modules and names, kept for one release with a DeprecationWarning.

Modules that are gone are found again by :class:`_Finder`, which stands behind all others. A room that a name has left
sets its ``__getattr__`` to :func:`names_of`.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["MODULES", "RENAMED", "ROOMS", "install", "names_of"]

# Module that is gone: the modules that have its names now.
MODULES = {
    "analysis": "univariate",
    "analysis.cell": "univariate",
    "analysis.spline": "univariate",
    "auditing": "certification",
    "certificate": "certificates problem",
    "closed_forms.minimum_norm": "interpolation",
    "cones.centre": "patterns.cell_centre",
    "cones.projection": "patterns.cone_projection",
    "cones.support": "patterns.cone_support",
    "coordinates": "problem",
    "displays.progress": "results",
    "dual_points": "losses.dual_domain",
    "gated_network": "networks",
    "geometry.hull": "geometry",
    "network": "networks",
    "norms": "_utils.norms",
    "oracles.branch_and_bound": "oracles",
    "oracles.cells": "oracles",
    "oracles.choose": "oracles.selection",
    "oracles.climb": "oracles.search.climb",
    "oracles.doubled": "oracles oracles.reductions.mirrored",
    "oracles.fan": "oracles",
    "oracles.free_bias": "oracles oracles.reductions.free_bias",
    "oracles.general_search": "oracles",
    "oracles.hybrid": "oracles",
    "oracles.line": "oracles",
    "oracles.local_maxima": "oracles.search.local_maxima",
    "oracles.of_problem": "oracles.for_problem",
    "oracles.pattern_list": "oracles",
    "oracles.pattern_search": "oracles.program.pattern_search",
    "oracles.planar": "oracles",
    "oracles.rational": "oracles.bounds.rational",
    "oracles.reduced": "oracles",
    "oracles.relaxation": "oracles",
    "oracles.semidefinite": "oracles",
    "oracles.several_patterns": "oracles.program.several_outputs",
    "oracles.spike_free": "oracles",
    "oracles.sweep": "oracles",
    "oracles.threshold": "threshold",
    "oracles.threshold_sweep": "threshold",
    "programs.cone_decomposition": "programs",
    "result": "programs results",
    "solvers.accelerated": "solvers.first_order.accelerated",
    "solvers.augmented_lagrangian": "solvers.native.augmented_lagrangian",
    "solvers.auto_master": "solvers.automatic",
    "solvers.cone_gradient_master": "solvers.first_order.cone_gradient",
    "solvers.cone_points": "solvers.native.cone_points",
    "solvers.cutting_plane": "training.cutting_plane",
    "solvers.cvxpy_master": "solvers.reference",
    "solvers.descent": "solvers.nonconvex.descent",
    "solvers.fixed_patterns": "training.fixed_patterns",
    "solvers.interior_point": "solvers.native.interior_point",
    "solvers.loss_interior_point": "solvers.native.loss_interior_point",
    "solvers.master": "solvers",
    "solvers.native_master": "solvers.native.solver",
    "solvers.network_master": "solvers.nonconvex.network_solver",
    "solvers.newton_systems": "solvers.native.newton_systems",
    "solvers.outer_weights": "solvers.first_order.outer_weights",
    "solvers.proximal_gradient": "solvers.native.proximal_gradient",
    "solvers.recovery": "programs.neuron_map",
    "solvers.saddle_system": "solvers.native.saddle_system",
    "solvers.tensors": "solvers.native.tensor_program",
    "solvers.threshold": "threshold",
    "status": "results",
    "threshold_network": "networks",
    "verification": "certificates.rational",
}

# Room that still exists: names that it no longer has, and where they are.
ROOMS = {
    "closed_forms": {
        "minimum_norm": "interpolation",
        "SplineProgramme": "closed_forms.line",
    },
    "geometry": {
        "HullNeurons": "geometry.single_sample",
        "hull_neurons": "geometry.single_sample",
        "hull_start": "geometry.single_sample",
    },
    "oracles": {
        "DoubledOracle": "oracles.reductions.mirrored",
        "ReducedOracle": "oracles.reductions.output_rank",
    },
    "programs": {
        "FiniteProgramme": "programs.base",
        "GatedProgramme": "programs.gated",
        "ReLUProgramme": "programs.relu",
    },
}

# Names that are called otherwise now.
RENAMED = {
    "AutoMaster": "AutomaticSolver",
    "ConeGradientMaster": "ConeGradientSolver",
    "CvxpyMaster": "CvxpySolver",
    "DoubledOracle": "MirroredOracle",
    "FiniteProgramme": "FiniteProgram",
    "GatedProgramme": "GatedProgram",
    "HullNeurons": "SingleSampleNeurons",
    "Master": "ProgramSolver",
    "NativeMaster": "NativeSolver",
    "NetworkMaster": "NetworkSolver",
    "ProgrammeSolution": "ProgramSolution",
    "ReLUProgramme": "ReLUProgram",
    "ReducedOracle": "OutputRankOracle",
    "SplineProgramme": "SplineProgram",
    "TensorProgramme": "TensorProgram",
    "UndoubledOracle": "UnmirroredOracle",
    "hull_neurons": "single_sample_neurons",
    "hull_start": "single_sample_start",
    "make_master": "make_solver",
    "programme_oracle": "program_oracle",
    "programme_oracle_for": "program_oracle_for",
}


def names_of(room: str) -> Callable[[str], Any]:
    """A ``__getattr__`` for a room from which names have moved."""

    def find(name: str) -> Any:
        place = ROOMS[room.removeprefix("convexrelu.")].get(name)
        if place is None:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return _found(room, name, [place])

    return find


def install() -> None:
    """Let the modules of `MODULES` be imported."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.partition(".")
        # A package that is gone, such as cones, has modules below it in the list.
        below = any(old.startswith(f"{name}.") for old in MODULES)
        if package != "convexrelu" or not (name in MODULES or below):
            return None
        return ModuleSpec(fullname, _Loader(), is_package=below)


class _Loader(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        places = MODULES.get(old.removeprefix("convexrelu."), "").split()

        def find(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(f"module {old!r} has no attribute {name!r}")
            return _found(old, name, places)

        module.__getattr__ = find  # type: ignore[method-assign]


def _found(old: str, name: str, places: list[str]) -> Any:
    """A name at its new place, with the warning for the caller of the ``__getattr__``."""
    now = RENAMED.get(name, name)
    for place in places:
        module = importlib.import_module(f"convexrelu.{place}")
        if hasattr(module, now):
            warnings.warn(
                f"{old}.{name} is now convexrelu.{place}.{now}; the old name will be removed in the next release",
                DeprecationWarning,
                stacklevel=3,
            )
            return getattr(module, now)
    raise AttributeError(f"module {old!r} has no attribute {name!r}")
