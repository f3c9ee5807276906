"""Which oracle a problem gets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from convexrelu._utils.typing import Array
from convexrelu.oracles.base import Oracle
from convexrelu.oracles.bounds.branch_and_bound import BranchAndBoundOracle
from convexrelu.oracles.bounds.semidefinite import SemidefiniteOracle
from convexrelu.oracles.exact.cells import CellOracle
from convexrelu.oracles.exact.line import Line, LineOracle
from convexrelu.oracles.exact.planar import PlanarOracle
from convexrelu.oracles.exact.spike_free import LONGEST, SpikeFreeOracle, proved_length
from convexrelu.oracles.exact.sweep import SweepOracle
from convexrelu.oracles.program.pattern_list import PatternOracle
from convexrelu.oracles.program.several_outputs import SeveralPatternsOracle
from convexrelu.oracles.reductions.fan import FanOracle
from convexrelu.oracles.reductions.free_bias import FreeBiasOracle
from convexrelu.oracles.reductions.hybrid import HybridOracle
from convexrelu.oracles.reductions.mirrored import MirroredOracle, UnmirroredOracle
from convexrelu.oracles.reductions.output_rank import OutputRankOracle
from convexrelu.oracles.search.general import GeneralSearchOracle
from convexrelu.oracles.search.one_output import SearchOracle
from convexrelu.patterns.enumerate import RowSpace

__all__ = ["ORACLES", "OraclePair", "check_oracle", "choose_oracles", "program_oracle"]

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
_HEURISTIC_ARCS = 100_000
# Starts of a search that is asked for cuts and no more.
_QUICK = {"n_starts": 64, "n_polish": 32}
# It tries branch and bound up to this rank, for about ten seconds a verdict.
_AUTO_RANK = 8
_AUTO_WORK = 2e8
# For several outputs it makes many scalar proofs, for some ten seconds: sweeps for dual points of rank up to 4, branch
# and bound up to 3.
_SWEPT_OUTPUTS = 4
_AUTO_OUTPUTS = 3
_AUTO_PROOFS = 10
# A fan begins with 2^(K-1) cones.
_FAN_OUTPUTS = 8


class OraclePair(NamedTuple):
    """A fast oracle for heuristic pricing, which finds cuts, and one for exact pricing, which gives the verdict.

    Attributes
    ----------
    heuristic : Oracle
        Asked in every round.
    exact : Oracle
        Asked when heuristic pricing sees the gap closed, and for the final certificate. It may be the same.
    exact_cuts : bool
        Whether what exact pricing finds may become cuts too.
    """

    heuristic: Oracle
    exact: Oracle
    exact_cuts: bool


def check_oracle(oracle: object) -> None:
    """Refuse what is no name of an oracle, no oracle and no factory of oracles."""
    if isinstance(oracle, str) and oracle in ORACLES:
        return
    if isinstance(oracle, str) or not (callable(oracle) or hasattr(oracle, "for_problem")):
        raise ValueError(
            f"oracle={oracle!r} is not known; available: {', '.join(map(repr, ORACLES))}, "
            "or an Oracle or OracleFactory of your own"
        )


def choose_oracles(
    name: str,
    design: Array,
    random_state: int | np.random.RandomState | None = None,
    device: str = "cpu",
    *,
    n_outputs: int = 1,
    slope: float = 0.0,
    free_bias: bool = False,
) -> OraclePair:
    """Oracles for the data matrix `design`.

    Parameters
    ----------
    name : str
        Who gives the verdict; cuts are found by search in any case, or by a sweep that is short.

        ``"auto"``: two cones on spike-free data; a sweep at ranks up to 3 (at rank 3 up to some 1500 samples); branch
        and bound at ranks up to 8, for about ten seconds, and an estimate by search if that does not settle it; search
        beyond.
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
    n_outputs : int
        Columns of the dual points: 1 for vectors of shape (n,), more for matrices of shape (n, K). One sweep proves at
        rank 2; a fan of scalar proofs beyond, with ``"auto"`` for dual points of rank up to 4 (sweeps) or 3.
    slope : float
        Of the activation on the left, in ``[−1, 1]``: 0 for the rectifier, −1 for the absolute value.
    free_bias : bool
        Whether hidden biases are free: the last column is a large constant, and bounds are for all biases. On a line
        ``"auto"`` and ``"sweep"`` then compare all kinks.

    Raises
    ------
    ValueError
        For an unknown name, or data or a problem for which that oracle is not made.
    """
    check_oracle(name)
    random = check_random_state(random_state)
    if n_outputs > 1 or slope != 0.0 or free_bias:
        _refuse(name, n_outputs, slope, free_bias)
        makers = _Makers(name, design, random, device, slope, free_bias)
        return makers.quick_pair(n_outputs) if name == "quick" else makers.pair(n_outputs)
    if name == "quick":
        search = SearchOracle(design, **_QUICK, random_state=random, device=device)
        quick = _short_sweep(design) or search
        return OraclePair(quick, quick, exact_cuts=True)
    exact = _exact(name, design, random, device)
    if name == "spike_free":
        return OraclePair(SpikeFreeOracle(design), exact, exact_cuts=False)
    is_short = isinstance(exact, SweepOracle) and exact.n_arcs <= _HEURISTIC_ARCS
    if is_short or isinstance(exact, SpikeFreeOracle):
        return OraclePair(exact, exact, exact_cuts=True)
    heuristic = SearchOracle(
        design, n_starts=512, first_step=0.1, random_state=random, device=device
    )
    return OraclePair(heuristic, exact, exact_cuts=True)


def _short_sweep(design: Array) -> SweepOracle | None:
    """A sweep that is fast enough to find cuts, where there is one."""
    if RowSpace.of(design).rank > 3:
        return None
    sweep = SweepOracle(design)
    return sweep if sweep.n_arcs <= _HEURISTIC_ARCS else None


def program_oracle(
    design: Array,
    masks: NDArray[np.bool_],
    *,
    signs: Array | None = None,
    cones: bool = True,
    slope: float = 0.0,
    n_outputs: int = 1,
) -> Oracle:
    """Oracle over the patterns of one finite program, whose reports are proofs for that program.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    masks : boolean array of shape (P, n)
        Patterns.
    signs : array of shape (P,) or (P, K), optional
        Sign, or output direction, of each pattern; by default all.
    cones : bool
        False for gated networks.
    slope : float
        Of the activation on the left.
    n_outputs : int
        Columns of the dual points. With cones and all output directions, the bound is sharp for dual points of rank
        up to 4, and spectral beyond.
    """
    if n_outputs > 1 and signs is None and cones:
        return SeveralPatternsOracle(design, masks, slope=slope)
    return PatternOracle(design, masks, signs=signs, cones=cones, slope=slope)


def _exact(name: str, design: Array, random: np.random.RandomState, device: str) -> Oracle:
    deep = SearchOracle(
        design,
        n_starts=2048,
        first_step=0.1,
        n_polish=512,
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
    if (length := proved_length(design)) <= LONGEST:
        return SpikeFreeOracle(design, length)
    rank = RowSpace.of(design).rank
    if rank <= 3 and (sweep := SweepOracle(design)).n_arcs <= _AUTO_ARCS:
        return sweep
    if rank <= _AUTO_RANK:
        return HybridOracle(BranchAndBoundOracle(design, search=deep, max_work=_AUTO_WORK))
    return deep


def _refuse(name: str, n_outputs: int, slope: float, free_bias: bool) -> None:
    """Say what an oracle lacks."""
    missing = ""
    if name == "spike_free" and free_bias:
        missing = "free hidden biases"
    if name == "spike_free" and slope != 0.0:
        missing = "activations other than 'relu'"
    if name in ("semidefinite", "spike_free") and n_outputs > 1:
        missing = "several outputs"
    if name in ("cells", "branch_and_bound") and n_outputs > _FAN_OUTPUTS:
        missing = f"more than {_FAN_OUTPUTS} outputs"
    if missing:
        raise ValueError(
            f"oracle={name!r} does not support {missing}; use oracle='auto' or 'search'"
        )


@dataclass(frozen=True, eq=False)
class _Makers:
    """Oracles for several outputs, other activations and free hidden biases."""

    name: str
    design: Array
    random: np.random.RandomState
    device: str
    slope: float
    free_bias: bool

    def pair(self, n_outputs: int) -> OraclePair:
        """Heuristic and exact pricing."""
        if self.free_bias and self.name in ("auto", "sweep", "quick"):
            line = Line.through(self.design[:, :-1])
            if line is not None:
                sweep = LineOracle(self.design, line, self.slope)
                return OraclePair(sweep, sweep, exact_cuts=True)
        rank = RowSpace.of(self.design).rank
        scalar = self._scalar(rank)
        exact, is_short = scalar, self._is_short_sweep(scalar)
        if n_outputs > 1:
            exact = OutputRankOracle(self.design, scalar, self._several(rank))
            is_short = is_short and rank <= 2
        if self.free_bias:
            exact = FreeBiasOracle(exact, self.design, self.slope)
        if is_short:
            return OraclePair(exact, exact, exact_cuts=True)
        heuristic = self._heuristic(n_starts=512 if n_outputs == 1 else 256, n_polish=64)
        return OraclePair(heuristic, exact, exact_cuts=True)

    def quick_pair(self, n_outputs: int) -> OraclePair:
        """A short sweep or a short search for both."""
        pair = self.pair(n_outputs)
        quick = pair.heuristic if pair.heuristic is pair.exact else self._heuristic(**_QUICK)
        return OraclePair(quick, quick, exact_cuts=True)

    def _heuristic(self, n_starts: int, n_polish: int) -> Oracle:
        heuristic = self._search(n_starts, n_polish)
        return FreeBiasOracle(heuristic, self.design, self.slope) if self.free_bias else heuristic

    def _scalar(self, rank: int) -> Oracle:
        match self.name:
            case "search":
                return self._search()
            case "sweep":
                return self._rectified(SweepOracle)
            case "cells":
                return self._rectified(CellOracle)
            case "semidefinite":
                return self._rectified(SemidefiniteOracle)
            case "branch_and_bound":
                return self._branch_and_bound()
        if rank <= 3 and SweepOracle(self.design).n_arcs <= _AUTO_ARCS:
            return self._rectified(SweepOracle)
        if rank <= _AUTO_RANK:
            return HybridOracle(self._branch_and_bound(max_work=_AUTO_WORK))
        return self._search()

    def _several(self, rank: int) -> Oracle:
        if rank <= 2 and self.name in ("auto", "sweep"):
            return self._rectified(PlanarOracle)
        match self.name:
            case "search":
                return self._search()
            case "sweep":
                return self._fan(self._rectified(SweepOracle))
            case "cells":
                return self._fan(self._rectified(CellOracle))
            case "branch_and_bound":
                return self._fan(self._branch_and_bound(n_starts=64, n_polish=16))
        if rank <= 3 and SweepOracle(self.design).n_arcs <= _AUTO_ARCS:
            prover, outputs = self._rectified(SweepOracle), _SWEPT_OUTPUTS
            work = float(_AUTO_PROOFS * _AUTO_ARCS)
        elif rank <= _AUTO_RANK:
            share = _AUTO_WORK / _AUTO_PROOFS
            prover = self._branch_and_bound(n_starts=64, n_polish=16, max_work=share)
            rows = len(self.design) * (1 if self.slope == 0.0 else 2)
            outputs, work = _AUTO_OUTPUTS, _AUTO_WORK / rows
        else:
            return self._search()
        return HybridOracle(self._fan(prover, max_work=work, max_outputs=outputs))

    def _search(self, n_starts: int = 1024, n_polish: int = 256) -> Oracle:
        return GeneralSearchOracle(
            self.design,
            slope=self.slope,
            free_bias=self.free_bias,
            n_starts=n_starts,
            first_step=0.1,
            n_polish=n_polish,
            random_state=self.random,
            device=self.device,
        )

    def _rectified(self, make: Callable[[Array], Oracle]) -> Oracle:
        if self.slope == 0.0:
            return make(self.design)
        return MirroredOracle(make, self.design, self.slope)

    def _branch_and_bound(
        self, *, n_starts: int = 1024, n_polish: int = 256, max_work: float = math.inf
    ) -> Oracle:
        search = self._search(n_starts, n_polish)
        if self.slope != 0.0:
            search = UnmirroredOracle(search)
        return self._rectified(
            lambda rows: BranchAndBoundOracle(rows, search=search, max_work=max_work)
        )

    def _fan(
        self, prover: Oracle, *, max_work: float = math.inf, max_outputs: int = _FAN_OUTPUTS
    ) -> Oracle:
        return FanOracle(
            prover,
            self._search(),
            self.design,
            slope=self.slope,
            max_work=max_work,
            max_outputs=max_outputs,
        )

    def _is_short_sweep(self, oracle: Oracle) -> bool:
        inner = oracle.oracle if isinstance(oracle, MirroredOracle) else oracle
        return isinstance(inner, SweepOracle) and inner.n_arcs <= _HEURISTIC_ARCS
