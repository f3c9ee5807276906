"""What every oracle takes and returns.

An oracle prices a dual point ``v``: it bounds ``M(v) = max_{‖u‖ ≤ 1} |vᵀ relu(X̃u)|`` and hands
out directions ``u`` at which the value is large, the cuts of the cutting-plane loop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from convexrelu.norms import norms

__all__ = ["Oracle", "OracleReport", "largest_value", "lipschitz_constant", "strongest_first"]

Array = NDArray[np.float64]
Masks = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class OracleReport:
    """Result of pricing one dual point.

    Attributes
    ----------
    bound : float
        ``M̂``. At least ``M(v)`` over the oracle's scope if `is_proof`; otherwise the best value
        found.
    is_proof : bool
        Whether `bound` is an upper bound whatever the arithmetic did.
    scope : str
        ``"global"``: over all directions; ``"programme"``: over the patterns of one programme.
    method : str
        Name of the oracle.
    masks : boolean array of shape (k, n)
        Patterns of the witnesses, strongest first.
    signs : array of shape (k,)
        Sign of ``vᵀ relu(X̃u)`` at each witness: the sign of the neuron's outer weight.
    directions : array of shape (k, d̃)
        The witnesses ``u``, unit vectors (zero where a cone contributes nothing).
    values : array of shape (k,)
        ``sign · vᵀ D X̃u`` at each witness.
    n_starts : int
        Independent random starts that were made; 0 where nothing is random.
    finished : bool
        False where a deadline cut a search short: then an estimate is worth little.
    proved_bound : float
        A bound on ``M(v)`` that is proved, where `bound` is an estimate and there is such a bound.
    work : int
        Pieces that were examined: cells, arcs, boxes or ascents.
    """

    bound: float
    is_proof: bool
    scope: str
    method: str
    masks: Masks
    signs: Array
    directions: Array
    values: Array
    n_starts: int = 0
    finished: bool = True
    proved_bound: float = math.inf
    work: int = 0


class Oracle(Protocol):
    """``v → OracleReport``; built once for a data matrix, called for many dual points."""

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price a dual point.

        Parameters
        ----------
        v : array of shape (n,)
        level : float
            A bound of this size is as good as any smaller one: an oracle may stop there.
        deadline : float
            Value of :func:`time.perf_counter` at which an oracle that can ends with what it has.
        """
        ...


def lipschitz_constant(design: Array, v: Array) -> float:
    """``Σ_i ‖v_i‖ ‖x̃_i‖``: Lipschitz constant of ``u → ‖vᵀ φ(X̃u)‖``, and the unit of its rounding errors."""
    sizes = np.abs(v) if v.ndim == 1 else norms(v)
    return float(sizes @ norms(design))


def largest_value(design: Array, v: Array, directions: Array, slope: float = 0.0) -> float:
    """Largest ``‖vᵀ φ(X̃u)‖/‖u‖`` over rows ``u`` that are not zero: what ``M(v)`` is at least."""
    lengths = norms(directions)
    seen = design @ directions.T
    hidden = np.maximum(seen, 0.0) + slope * np.minimum(seen, 0.0)
    values = np.abs(v @ hidden) if v.ndim == 1 else norms(hidden.T @ v)
    return float((values / lengths).max(initial=0.0))


def strongest_first(values: Array) -> NDArray[np.intp]:
    """Indices of `values` in descending order, ties in their own order."""
    return np.argsort(-values, kind="stable")
