"""Oracles: bounds on ``M(v) = max_{‖u‖ ≤ 1} |vᵀ relu(X̃u)|`` and the directions that attain them."""

from convexrelu.oracles.base import Oracle, OracleReport
from convexrelu.oracles.branch_and_bound import BranchAndBoundOracle
from convexrelu.oracles.cells import CellOracle
from convexrelu.oracles.hybrid import HybridOracle
from convexrelu.oracles.pattern_list import PatternOracle
from convexrelu.oracles.relaxation import RelaxationOracle
from convexrelu.oracles.search import SearchOracle
from convexrelu.oracles.semidefinite import SemidefiniteOracle
from convexrelu.oracles.spike_free import SpikeFreeOracle, SpikeFreeTest, spike_free_margin
from convexrelu.oracles.sweep import SweepOracle

__all__ = [
    "BranchAndBoundOracle",
    "CellOracle",
    "HybridOracle",
    "Oracle",
    "OracleReport",
    "PatternOracle",
    "RelaxationOracle",
    "SearchOracle",
    "SemidefiniteOracle",
    "SpikeFreeOracle",
    "SpikeFreeTest",
    "SweepOracle",
    "spike_free_margin",
]
