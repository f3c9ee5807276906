"""Oracles: bounds on ``M(v) = max_{‖u‖ ≤ 1} |vᵀ relu(X̃u)|`` and the directions that attain them.

For several outputs and other activations, bounds on ``M(V) = max_{‖u‖ ≤ 1} ‖Vᵀ φ(X̃u)‖₂``.
"""

from convexrelu._moved import names_of
from convexrelu.oracles.base import Oracle, OracleFactory, OracleReport, witnesses
from convexrelu.oracles.bounds.affine import AffineOracle
from convexrelu.oracles.bounds.branch_and_bound import BranchAndBoundOracle
from convexrelu.oracles.bounds.proof_progress import ProofProgress
from convexrelu.oracles.bounds.relaxation import RelaxationOracle
from convexrelu.oracles.bounds.semidefinite import SemidefiniteOracle
from convexrelu.oracles.exact.cells import CellOracle
from convexrelu.oracles.exact.line import Line, LineOracle
from convexrelu.oracles.exact.planar import PlanarOracle
from convexrelu.oracles.exact.spike_free import (
    SpikeFreeOracle,
    SpikeFreeTest,
    proved_length,
    spike_free_margin,
)
from convexrelu.oracles.exact.sweep import SweepOracle
from convexrelu.oracles.program.pattern_list import PatternOracle
from convexrelu.oracles.reductions.fan import FanOracle
from convexrelu.oracles.reductions.free_bias import FreeBiasOracle
from convexrelu.oracles.reductions.hybrid import HybridOracle
from convexrelu.oracles.reductions.mirrored import MirroredOracle
from convexrelu.oracles.reductions.output_rank import OutputRankOracle
from convexrelu.oracles.search.general import GeneralSearchOracle
from convexrelu.oracles.search.one_output import SearchOracle

__all__ = [
    "AffineOracle",
    "BranchAndBoundOracle",
    "CellOracle",
    "FanOracle",
    "FreeBiasOracle",
    "GeneralSearchOracle",
    "HybridOracle",
    "Line",
    "LineOracle",
    "MirroredOracle",
    "Oracle",
    "OracleFactory",
    "OracleReport",
    "OutputRankOracle",
    "PatternOracle",
    "PlanarOracle",
    "ProofProgress",
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

__getattr__ = names_of(__name__)  # names that this room had before
