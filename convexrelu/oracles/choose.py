"""Which oracle a problem gets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from convexrelu.oracles.base import Oracle
from convexrelu.oracles.branch_and_bound import BranchAndBoundOracle
from convexrelu.oracles.cells import CellOracle
from convexrelu.oracles.hybrid import HybridOracle
from convexrelu.oracles.search import SearchOracle
from convexrelu.oracles.semidefinite import SemidefiniteOracle
from convexrelu.oracles.spike_free import SpikeFreeOracle
from convexrelu.oracles.sweep import SweepOracle
from convexrelu.patterns.enumerate import RowSpace

__all__ = ["ORACLES", "OraclePair", "choose_oracles"]

ORACLES = (
    "auto",
    "sweep",
    "cells",
    "branch_and_bound",
    "semidefinite",
    "search",
    "quick",
    "spike_free",
)

# "auto" sweeps where a call takes about a second: any number of samples at rank 2, 1500 at rank 3. Sweeps this
# short find the cuts as well.
_AUTO_ARCS = 4_500_000
_FINDER_ARCS = 100_000
# It tries branch and bound up to this rank, for about ten seconds a verdict.
_AUTO_RANK = 8
_AUTO_WORK = 2e8


class OraclePair(NamedTuple):
    """A fast oracle that finds cuts and a thorough one for the verdict.

    Attributes
    ----------
    finder : Oracle
        Asked in every round.
    verifier : Oracle
        Asked when the finder sees the gap closed, and for the final certificate. It may be the same.
    verifier_cuts : bool
        Whether what the verifier finds may become cuts too.
    """

    finder: Oracle
    verifier: Oracle
    verifier_cuts: bool


def choose_oracles(
    name: str,
    design: NDArray[np.float64],
    random_state: int | np.random.RandomState | None = None,
    device: str = "cpu",
) -> OraclePair:
    """Oracles for the data matrix `design`.

    Parameters
    ----------
    name : str
        Who gives the verdict; cuts are found by search in any case, or by a sweep that is short.

        ``"auto"``: a sweep at ranks up to 3 (at rank 3 up to some 1500 samples); branch and bound at ranks up to
        8, for about ten seconds, and an estimate by search if that does not settle it; search beyond.
        ``"sweep"``, ``"cells"``: exact, by a sweep (rank 3) or a list of all cells. ``"branch_and_bound"``: a
        proof, however long it takes. ``"semidefinite"``: a proof by relaxation, of few samples.
        ``"search"``: an estimate. ``"quick"``: an estimate by a short search, which finds the cuts too (or by a
        short sweep); for networks of which only the outputs matter, such as those of cross-validation.
        ``"spike_free"``: cuts from the original algorithm's pricing only, verdict as for ``"auto"``.
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    random_state : int, RandomState or None
        Seed of the searches.
    device : str
        Torch device of the searches.

    Raises
    ------
    ValueError
        For an unknown name, or data for which that oracle is not made.
    """
    if name not in ORACLES:
        raise ValueError(
            f"oracle={name!r} is not known; available: {', '.join(map(repr, ORACLES))}"
        )
    random = check_random_state(random_state)
    if name == "quick":
        quick = _short_sweep(design) or SearchOracle(
            design, n_starts=64, n_polish=32, random_state=random, device=device
        )
        return OraclePair(quick, quick, verifier_cuts=True)
    verifier = _verifier(name, design, random, device)
    if name == "spike_free":
        return OraclePair(SpikeFreeOracle(design), verifier, verifier_cuts=False)
    if isinstance(verifier, SweepOracle) and verifier.n_arcs <= _FINDER_ARCS:
        return OraclePair(verifier, verifier, verifier_cuts=True)
    finder = SearchOracle(design, n_starts=512, first_step=0.1, random_state=random, device=device)
    return OraclePair(finder, verifier, verifier_cuts=True)


def _short_sweep(design: NDArray[np.float64]) -> SweepOracle | None:
    """A sweep that is fast enough to find cuts, where there is one."""
    if RowSpace.of(design).rank > 3:
        return None
    sweep = SweepOracle(design)
    return sweep if sweep.n_arcs <= _FINDER_ARCS else None


def _verifier(
    name: str, design: NDArray[np.float64], random: np.random.RandomState, device: str
) -> Oracle:
    deep = SearchOracle(
        design,
        n_starts=1024,
        first_step=0.1,
        n_polish=256,
        random_state=random,
        device=device,
    )
    match name:
        case "search":
            return deep
        case "sweep":
            return SweepOracle(design)
        case "cells":
            return CellOracle(design)
        case "semidefinite":
            return SemidefiniteOracle(design)
        case "branch_and_bound":
            return BranchAndBoundOracle(design, search=deep)
    rank = RowSpace.of(design).rank
    if rank <= 3 and (sweep := SweepOracle(design)).n_arcs <= _AUTO_ARCS:
        return sweep
    if rank <= _AUTO_RANK:
        return HybridOracle(BranchAndBoundOracle(design, search=deep, max_work=_AUTO_WORK))
    return deep
