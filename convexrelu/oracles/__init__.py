"""Oracles: bounds on ``M(v) = max_{‖u‖ ≤ 1} |vᵀ relu(X̃u)|`` and the directions that attain them.

For several outputs and other activations, bounds on ``M(V) = max_{‖u‖ ≤ 1} ‖Vᵀ φ(X̃u)‖₂``.
"""

from convexrelu.oracles.base import Oracle, OracleFactory, OracleReport, witnesses
from convexrelu.oracles.branch_and_bound import BranchAndBoundOracle
from convexrelu.oracles.cells import CellOracle
from convexrelu.oracles.doubled import DoubledOracle
from convexrelu.oracles.fan import FanOracle
from convexrelu.oracles.free_bias import FreeBiasOracle
from convexrelu.oracles.general_search import GeneralSearchOracle
from convexrelu.oracles.hybrid import HybridOracle
from convexrelu.oracles.line import Line, LineOracle
from convexrelu.oracles.pattern_list import PatternOracle
from convexrelu.oracles.planar import PlanarOracle
from convexrelu.oracles.reduced import ReducedOracle
from convexrelu.oracles.relaxation import RelaxationOracle
from convexrelu.oracles.search import SearchOracle
from convexrelu.oracles.semidefinite import SemidefiniteOracle
from convexrelu.oracles.spike_free import (
    SpikeFreeOracle,
    SpikeFreeTest,
    proved_length,
    spike_free_margin,
)
from convexrelu.oracles.sweep import SweepOracle

__all__ = [
    "BranchAndBoundOracle",
    "CellOracle",
    "DoubledOracle",
    "FanOracle",
    "FreeBiasOracle",
    "GeneralSearchOracle",
    "HybridOracle",
    "Line",
    "LineOracle",
    "Oracle",
    "OracleFactory",
    "OracleReport",
    "PatternOracle",
    "PlanarOracle",
    "ReducedOracle",
    "RelaxationOracle",
    "SearchOracle",
    "SemidefiniteOracle",
    "SpikeFreeOracle",
    "SpikeFreeTest",
    "SweepOracle",
    "proved_length",
    "spike_free_margin",
    "witnesses",
]
