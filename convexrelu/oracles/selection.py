"""The rule that chooses oracles for a design."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from convexrelu._utils.deadlines import svd_fits
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import Oracle
from convexrelu.oracles.bounds.affine import AffineOracle
from convexrelu.oracles.bounds.branch_and_bound import BranchAndBoundOracle
from convexrelu.oracles.bounds.compiled import is_compiled
from convexrelu.oracles.bounds.semidefinite import SemidefiniteOracle
from convexrelu.oracles.exact.cells import CellOracle
from convexrelu.oracles.exact.line import Line, LineOracle
from convexrelu.oracles.exact.planar import PlanarOracle
from convexrelu.oracles.exact.spike_free import LONGEST, SpikeFreeOracle, proved_length
from convexrelu.oracles.exact.sweep import SweepOracle, count_arcs
from convexrelu.oracles.program.pattern_list import PatternOracle
from convexrelu.oracles.program.several_outputs import SeveralPatternsOracle
from convexrelu.oracles.reductions.fan import FanOracle
from convexrelu.oracles.reductions.free_bias import FreeBiasOracle
from convexrelu.oracles.reductions.hybrid import HybridOracle
from convexrelu.oracles.reductions.mirrored import MirroredOracle, UnmirroredOracle
from convexrelu.oracles.reductions.output_rank import OutputRankOracle
from convexrelu.oracles.search.general import GeneralSearchOracle
from convexrelu.oracles.search.known_maxima import KnownMaxima
from convexrelu.oracles.search.one_output import SearchOracle
from convexrelu.patterns.enumerate import RowSpace
from convexrelu.problem.sample_coordinates import has_low_rank

__all__ = [
    "MOST_PROVED",
    "ORACLES",
    "OraclePair",
    "check_oracle",
    "choose_oracles",
    "program_oracle",
]

ORACLES = (
    "auto",
    "sweep",
    "cells",
    "branch_and_bound",
    "affine",
    "semidefinite",
    "search",
    "quick",
    "spike_free",
    "prove",
)

# Names for which exact pricing is chosen by the data, and those of them that do not prove whatever it takes.
_BY_DATA = ("auto", "quick", "spike_free", "prove")
_LIMITED = ("auto", "quick", "spike_free")
# "auto" sweeps where a call takes about a second: any number of samples at rank 2, 1500 at rank 3.
_AUTO_ARCS = 4_500_000
# Sweeps of at most this many arcs also find the cuts.
_HEURISTIC_ARCS = 100_000
# "auto" tries branch and bound up to this rank, for about ten seconds per dual point, or half a second where that is
# predicted not to suffice.
MOST_PROVED = 12
_AUTO_WORK = 1.5e10 if is_compiled() else 1.5e9
# Above that rank, for about a second a sign, it proves what affine rules can.
_AUTO_RULES = 1e9
# Starts of the first search for cuts. From 512 on, the first bound follows the first network after 0.3 to 0.5 s instead
# of 0.1 to 0.2 s, and a gap of 1e-2 takes 1.4 times as long in the median; of 1e-3, as long (concrete, energy, housing
# and two teachers of 300 and 1000 samples).
# With 10,000 samples, for which a round of descent takes longer than a search, all starts are worth it at once. The
# final search has half as many as for fewer samples: kinks that are close together leave fewer maxima.
_FIRST_STARTS, _FEW_SAMPLES = 128, 5_000
# For several outputs "auto" combines many scalar proofs, for about ten seconds: sweeps for dual points of rank up to 4,
# branch and bound up to 3.
_SWEPT_OUTPUTS = 4
_AUTO_OUTPUTS = 3
_AUTO_PROOFS = 10
# A fan starts with 2^(K-1) cones: 128 at this number.
_FAN_OUTPUTS = 8


class OraclePair(NamedTuple):
    """A fast oracle for heuristic pricing, which finds cuts, and one for exact pricing, for the certificate.

    Attributes
    ----------
    heuristic : Oracle
        Called in every round.
    exact : Oracle
        Called when heuristic pricing finds the gap closed, and for the final certificate. It may be the same object.
    exact_cuts : bool
        Whether directions found by exact pricing may become cuts, too.
    """

    heuristic: Oracle
    exact: Oracle
    exact_cuts: bool


def check_oracle(oracle: object) -> None:
    """Raise an error unless `oracle` is the name of an oracle, an oracle, or a factory of oracles."""
    if isinstance(oracle, str) and oracle in ORACLES:
        return
    if isinstance(oracle, str) or not (callable(oracle) or hasattr(oracle, "for_problem")):
        raise ValueError(
            f"oracle={oracle!r} is not known; available: {', '.join(map(repr, ORACLES))}, "
            "or an Oracle or OracleFactory object"
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
    deadline: float = math.inf,
) -> OraclePair:
    """Oracles for the data matrix `design`.

    Parameters
    ----------
    name : str
        Method of exact pricing, which bounds ``M(v)`` for the certificate. Cuts are always found by a search, or by a
        short sweep.

        ``"auto"``: two cones on spike-free data; a sweep at ranks up to 3 (at rank 3 up to about 1500 samples); branch
        and bound at ranks up to 12, for about ten seconds where random dives predict that these may suffice, and an
        estimate by search if its bound is not tight enough; search at higher ranks, with a proved bound by
        affine rules.
        ``"sweep"``, ``"cells"``: exact, by a sweep (rank 3) or a list of all cells. ``"branch_and_bound"``: a
        proof, without a limit on time. ``"affine"``: a somewhat loose proof in seconds, by slopes that are
        affine functions of signs. ``"semidefinite"``: a proof by relaxation, for few samples.
        ``"search"``: an estimate. ``"quick"``: an estimate by a short search, which also finds the cuts (or by a
        short sweep); for networks of which only the predictions matter, such as those of cross-validation.
        ``"prove"``: as for ``"auto"``, but branch and bound at every rank, and without a limit on time.
        ``"spike_free"``: cuts from the original algorithm's pricing only, exact pricing as for ``"auto"``.
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    random_state : int, RandomState or None
        Seed of the searches.
    device : str
        Torch device of the searches, and of branch and bound where there is no compiled code.
    n_outputs : int
        Columns of the dual points: 1 for vectors of shape (n,), more for matrices of shape (n, K). At rank 2
        one sweep is a proof; at higher ranks a fan of scalar proofs, with ``"auto"`` for dual points of rank up to 4
        (sweeps) or 3.
    slope : float
        Of the activation on the left, in ``[−1, 1]``: 0 for the rectifier, −1 for the absolute value.
    free_bias : bool
        Whether hidden biases are free: the last column is a large constant, and bounds are for all biases. On a line
        ``"auto"`` and ``"sweep"`` then compare all kinks.
    deadline : float
        Value of :func:`time.perf_counter` before which the choice should end: what takes longer to find out about the
        data is not used, and a list of cells that ends early proves no more than the closed-form bound.

    Raises
    ------
    ValueError
        For an unknown name, or data or a problem that the oracle does not support.
    """
    check_oracle(name)
    random = check_random_state(random_state)
    _refuse(name, n_outputs, slope, free_bias)
    return _Selector(name, design, n_outputs, slope, free_bias, random, device, deadline).pair()


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


def _refuse(name: str, n_outputs: int, slope: float, free_bias: bool) -> None:
    """Raise an error if the oracle does not support the problem."""
    missing = ""
    if name == "spike_free" and free_bias:
        missing = "free hidden biases"
    if name == "spike_free" and slope != 0.0:
        missing = "activations other than 'relu'"
    if name in ("affine", "semidefinite", "spike_free") and n_outputs > 1:
        missing = "several outputs"
    if name in ("cells", "branch_and_bound", "prove") and n_outputs > _FAN_OUTPUTS:
        missing = f"more than {_FAN_OUTPUTS} outputs"
    if missing:
        raise ValueError(
            f"oracle={name!r} does not support {missing}; use oracle='auto' or 'search'"
        )


@dataclass(frozen=True, eq=False)
class _Selector:
    """Build the oracles of one design; the property `method` has the rule.

    The name or the data determine the method for one output. Several outputs are reduced to it, or priced by one sweep
    in the plane. All searches use one random state.
    """

    name: str
    design: Array
    n_outputs: int
    slope: float
    free_bias: bool
    random: np.random.RandomState
    device: str
    deadline: float

    @cached_property
    def method(self) -> str:
        """Method of exact pricing for one output: the name, or for ``"auto"`` the best that the data allow."""
        if self.name not in _BY_DATA:
            return self.name
        if self.name == "quick":
            return "sweep" if self._has_sweep(_HEURISTIC_ARCS) else "search"
        if self._is_plain and self._spike_free_length <= LONGEST:
            return "spike_free"
        if self._has_sweep(_AUTO_ARCS):
            return "sweep"
        low = self._may_have_low_rank and self._space.rank <= MOST_PROVED
        return "branch_and_bound" if low or self.name == "prove" else "search"

    def pair(self) -> OraclePair:
        """Heuristic and exact pricing."""
        line = self._line()
        if line is not None:
            sweep = LineOracle(self.design, line, self.slope)
            return OraclePair(sweep, sweep, exact_cuts=True)
        scalar = self._scalar()
        exact = scalar
        if self.n_outputs > 1:
            exact = OutputRankOracle(self.design, scalar, self._several(scalar))
        exact = self._for_biases(exact)
        if self.name == "spike_free":
            return OraclePair(SpikeFreeOracle(self.design), exact, exact_cuts=False)
        if self._finds_cuts(scalar):
            return OraclePair(exact, exact, exact_cuts=True)
        if self.name == "quick":
            return self._quick()
        return OraclePair(self._for_biases(self._search_for_cuts()), exact, exact_cuts=True)

    # Properties of the data

    @property
    def _is_plain(self) -> bool:
        """Whether there is one output, of ReLU neurons without free biases."""
        return self.n_outputs == 1 and self.slope == 0.0 and not self.free_bias

    @cached_property
    def _space(self) -> RowSpace:
        return RowSpace.of(self.design)

    @cached_property
    def _spike_free_length(self) -> float:
        return proved_length(self.design, self.deadline)

    @cached_property
    def _may_have_low_rank(self) -> bool:
        """Whether the rank may be at most that of `MOST_PROVED`: then it is computed, which takes longer."""
        few = min(self.design.shape) <= MOST_PROVED
        return few or (has_low_rank(self.design) and svd_fits(self.design.shape, self.deadline))

    @property
    def _is_plane(self) -> bool:
        return self._may_have_low_rank and self._space.rank <= 2

    def _line(self) -> Line | None:
        """The line through all samples, or None; with free biases only kinks at samples need to be compared."""
        if self.free_bias and self.name in ("auto", "sweep", "quick", "prove"):
            return Line.through(self.design[:, :-1])
        return None

    def _has_sweep(self, most_arcs: int) -> bool:
        return (
            self._may_have_low_rank
            and self._space.rank <= 3
            and count_arcs(self._space) <= most_arcs
        )

    def _finds_cuts(self, scalar: Oracle) -> bool:
        """Whether exact pricing is fast enough for every round."""
        inner = scalar.oracle if isinstance(scalar, MirroredOracle) else scalar
        if isinstance(inner, SweepOracle):
            in_one_sweep = self.n_outputs == 1 or self._space.rank <= 2
            return in_one_sweep and inner.n_arcs <= _HEURISTIC_ARCS
        return isinstance(inner, SpikeFreeOracle)

    # Oracles of each method

    def _scalar(self) -> Oracle:
        """Exact pricing for one output."""
        match self.method:
            case "spike_free":
                return SpikeFreeOracle(self.design, self._spike_free_length)
            case "sweep":
                return self._rectified(SweepOracle)
            case "cells":
                return self._rectified(partial(CellOracle, deadline=self.deadline))
            case "affine":
                return self._rectified(AffineOracle)
            case "semidefinite":
                return self._rectified(SemidefiniteOracle)
            case "branch_and_bound":
                search = self._thorough_search()
                if self.name in _LIMITED:
                    return HybridOracle(self._branch_and_bound(search, _AUTO_WORK))
                return self._branch_and_bound(search)
        search = self._thorough_search()
        if self.name != "auto" or not self._is_plain:
            return search
        return HybridOracle(AffineOracle(self.design, search=search, max_work=_AUTO_RULES))

    def _several(self, scalar: Oracle) -> Oracle:
        """Exact pricing for dual points of rank two and more: one sweep in the plane, or a fan of scalar proofs."""
        if self.name in ("auto", "sweep", "prove") and self._is_plane:
            return self._rectified(PlanarOracle)
        if self.method == "search":
            return scalar
        if self.name not in _LIMITED:
            return self._fan(self._ray_prover(scalar), math.inf, _FAN_OUTPUTS)
        if self.method == "sweep":
            work, outputs = float(_AUTO_PROOFS * _AUTO_ARCS), _SWEPT_OUTPUTS
        else:
            work, outputs = _AUTO_WORK, _AUTO_OUTPUTS
        prover = self._ray_prover(scalar, _AUTO_WORK / _AUTO_PROOFS)
        return HybridOracle(self._fan(prover, work, outputs))

    def _ray_prover(self, scalar: Oracle, max_work: float = math.inf) -> Oracle:
        """Oracle for the scalar proofs of a fan; branch and bound, which is called often, uses a shorter search."""
        if self.method == "branch_and_bound":
            return self._branch_and_bound(self._search(64, 16), max_work)
        return scalar

    def _fan(self, prover: Oracle, max_work: float, max_outputs: int) -> Oracle:
        return FanOracle(
            prover,
            self._thorough_search(),
            self.design,
            slope=self.slope,
            max_work=max_work,
            max_outputs=max_outputs,
        )

    def _branch_and_bound(self, search: Oracle, max_work: float = math.inf) -> Oracle:
        if self.slope != 0.0:
            search = UnmirroredOracle(search)
        return self._rectified(
            lambda rows: BranchAndBoundOracle(
                rows, search=search, max_work=max_work, device=self._device_of_boxes
            )
        )

    @property
    def _device_of_boxes(self) -> str:
        """Compiled code bounds boxes faster than a GPU does, and a GPU faster than NumPy."""
        return "cpu" if is_compiled() else self.device

    def _rectified(self, make: Callable[[Array], Oracle]) -> Oracle:
        if self.slope == 0.0:
            return make(self.design)
        return MirroredOracle(make, self.design, self.slope)

    def _for_biases(self, oracle: Oracle) -> Oracle:
        return FreeBiasOracle(oracle, self.design, self.slope) if self.free_bias else oracle

    # Searches

    def _search_for_cuts(self) -> Oracle:
        n_first = _FIRST_STARTS if len(self.design) <= _FEW_SAMPLES else None
        if self._is_plain:  # and starts near known maxima, half as many
            return self._search(384, 64, n_first=n_first, screens=True)
        return self._search(512 if self.n_outputs == 1 else 256, 64, n_first=n_first)

    def _thorough_search(self) -> Oracle:
        if len(self.design) > _FEW_SAMPLES:
            return self._search(1024, 256)
        return self._search(2048, 512) if self._is_plain else self._search(1024, 256)

    def _quick(self) -> OraclePair:
        """A short search for both heuristic and exact pricing."""
        search = self._for_biases(self._search(64, 32, first_step=0.3 if self._is_plain else 0.1))
        return OraclePair(search, search, exact_cuts=True)

    def _search(
        self,
        n_starts: int,
        n_polish: int,
        first_step: float = 0.1,
        n_first: int | None = None,
        **options: Any,
    ) -> Oracle:
        make = self._plain_search if self._is_plain else self._general_search
        return make(
            self.design,
            n_starts=n_starts,
            n_polish=n_polish,
            n_first=n_first,
            first_step=first_step,
            random_state=self.random,
            device=self.device,
            **options,
        )

    @cached_property
    def _plain_search(self) -> Callable[..., Oracle]:
        return partial(SearchOracle, known=KnownMaxima(self.design.shape[1]))

    @property
    def _general_search(self) -> Callable[..., Oracle]:
        return partial(GeneralSearchOracle, slope=self.slope, free_bias=self.free_bias)
