"""Which oracle a problem gets."""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from convexrelu.oracles.base import Oracle
from convexrelu.oracles.cells import CellOracle
from convexrelu.oracles.search import SearchOracle
from convexrelu.oracles.spike_free import SpikeFreeOracle
from convexrelu.patterns.enumerate import RowSpace, count_patterns

__all__ = ["ORACLES", "OraclePair", "choose_oracles"]

ORACLES = ("auto", "cells", "search", "spike_free")

# "auto" enumerates where that takes a second or so: up to 2048 samples at rank 2, 141 at rank 3,
# 40 at rank 4.
_AUTO_CELLS = 20_000
_AUTO_PLANES = 1_000
_AUTO_BYTES = 2**23
_AUTO_RESOLUTION = 1e-7


class OraclePair(NamedTuple):
    """A fast oracle that finds cuts and a thorough one for the verdict.

    Attributes
    ----------
    finder : Oracle
        Asked in every round.
    verifier : Oracle
        Asked when the finder sees the gap closed, and for the final certificate.
    verifier_cuts : bool
        Whether what the verifier finds may become cuts too.
    """

    finder: Oracle
    verifier: Oracle
    verifier_cuts: bool


def choose_oracles(
    name: str, design: NDArray[np.float64], random_state: int | np.random.RandomState | None = None
) -> OraclePair:
    """Oracles for the data matrix `design`.

    Parameters
    ----------
    name : str
        ``"auto"``: search for cuts; the verdict is a proof by cells where they are few enough, and
        a deeper search otherwise. ``"cells"``: the verdict is by cells, up to the limit of memory.
        ``"search"``: by search. ``"spike_free"``: cuts from the original algorithm's pricing only,
        verdict as for ``"auto"``.
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    random_state : int, RandomState or None
        Seed of the searches.

    Raises
    ------
    ValueError
        For an unknown name, or too many cells.
    """
    if name not in ORACLES:
        raise ValueError(
            f"oracle={name!r} is not known; available: {', '.join(map(repr, ORACLES))}"
        )
    random = check_random_state(random_state)
    verifier: Oracle | None = None
    if name == "cells" or (name != "search" and _few_cells(design)):
        cells = CellOracle(design)
        # Where cells cannot be told apart, an estimate says more than a proof of next to nothing.
        verifier = cells if name == "cells" or cells.resolution < _AUTO_RESOLUTION else None
    if verifier is None:
        verifier = SearchOracle(
            design, n_starts=1024, first_step=0.1, n_polish=256, random_state=random
        )
    if name == "spike_free":
        return OraclePair(SpikeFreeOracle(design), verifier, verifier_cuts=False)
    return OraclePair(SearchOracle(design, random_state=random), verifier, verifier_cuts=True)


def _few_cells(design: NDArray[np.float64]) -> bool:
    rank = RowSpace.of(design).rank
    n_hyperplanes = len(np.unique(design, axis=0))
    n_cells = count_patterns(n_hyperplanes, rank)
    n_planes = comb(n_hyperplanes, max(rank - 2, 0))
    small = n_cells <= _AUTO_CELLS and n_cells * len(design) <= _AUTO_BYTES
    return small and n_planes <= _AUTO_PLANES
