"""The interface of oracles and their reports.

An oracle prices a dual point ``v``: it bounds ``M(v) = max_{‖u‖ ≤ 1} |vᵀ relu(X̃u)|`` and returns
directions ``u`` at which the value is large, the cuts of the cutting-plane loop.

With several outputs the dual point is a matrix ``V`` of shape (n, K), and ``M(V) = max_{‖u‖ ≤ 1} ‖Vᵀ
φ(X̃u)‖₂``. Other activations are ``φ(t) = t`` for ``t ≥ 0`` and ``slope·t`` for ``t < 0``, with
``|slope| ≤ 1``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import lipschitz_constant, norms, sizes
from convexrelu._utils.typing import Array, Masks
from convexrelu.networks.activation import activate
from convexrelu.patterns.activation import first_of_each, row_keys

if TYPE_CHECKING:
    from convexrelu.problem.training_problem import TrainingProblem

__all__ = [
    "Oracle",
    "OracleFactory",
    "OracleReport",
    "consistent",
    "distinct_pairs",
    "largest_value",
    "lipschitz_constant",
    "moments",
    "strongest_first",
    "witnesses",
]

_CHUNK = 2**16  # outputs at a time, so that they stay in the cache
# Beyond this fraction of a sample's length, an output decides on which side of the kink a witness is.
_CLEAR = 1e-9
_SAME = 0.999  # cosine of two output directions that count as equal


@dataclass(frozen=True, eq=False)
class OracleReport:
    """Result of pricing one dual point.

    Attributes
    ----------
    bound : float
        ``M̂``. At least ``M(v)`` over the oracle's scope if `is_proof`; otherwise the best value
        found.
    is_proof : bool
        Whether `bound` is a proved upper bound, with allowance for rounding.
    scope : str
        ``"global"``: over all directions; ``"program"``: over the patterns of one program.
    method : str
        Name of the oracle.
    masks : boolean array of shape (k, n)
        Patterns of the witnesses, strongest first.
    signs : array of shape (k,) or (k, K)
        Sign of ``vᵀ relu(X̃u)`` at each witness: the sign of the neuron's outer weight. For several outputs,
        the unit vector ``g`` along ``Vᵀ φ(X̃u)``: the direction of the outer weights.
    directions : array of shape (k, d̃)
        The witnesses ``u``, unit vectors (zero where a cone contributes nothing).
    values : array of shape (k,)
        ``sign · vᵀ D X̃u`` at each witness; ``gᵀVᵀ φ(X̃u)`` for several outputs.
    n_starts : int
        Number of independent random starts; 0 without randomness.
    finished : bool
        False if a deadline stopped a search early: the estimate is then unreliable.
    proved_bound : float
        A proved bound on ``M(v)``, if `bound` is only an estimate and such a bound exists.
    work : int
        Number of examined pieces: cells, arcs, boxes or ascents.
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

    @classmethod
    def without_witnesses(
        cls,
        bound: float,
        v: Array,
        dim: int,
        *,
        method: str,
        is_proof: bool = True,
        scope: str = "global",
        finished: bool = True,
    ) -> OracleReport:
        """A bound alone, at the dual point ``v`` of shape (n,) or (n, K), for `dim` entries of a direction."""
        return cls(
            bound=bound,
            is_proof=is_proof,
            scope=scope,
            method=method,
            masks=np.zeros((0, len(v)), dtype=bool),
            signs=np.zeros((0, *v.shape[1:])),
            directions=np.zeros((0, dim)),
            values=np.zeros(0),
            finished=finished,
        )

    @classmethod
    def of_search(
        cls,
        masks: Masks,
        signs: Array,
        directions: Array,
        values: Array,
        order: NDArray[np.intp],
        **others: Any,
    ) -> OracleReport:
        """An estimate over all directions: the largest of the values, with those in `order` as witnesses."""
        return cls(
            bound=float(values.max(initial=0.0)),
            is_proof=False,
            scope="global",
            method="search",
            masks=masks[order],
            signs=signs[order],
            directions=directions[order],
            values=values[order],
            **others,
        )


class Oracle(Protocol):
    """``v → OracleReport``; built once per data matrix, called for many dual points."""

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price a dual point.

        Parameters
        ----------
        v : array of shape (n,), or (n, K) for oracles that support several outputs
        level : float
            A bound of this size is as good as any smaller one: an oracle may stop there.
        deadline : float
            Value of :func:`time.perf_counter` at which an oracle should stop and return what it has, if it can.
        """
        ...


@runtime_checkable
class OracleFactory(Protocol):
    """Makes an oracle for the data of a problem: for estimators, and for cross-validation, where the data change."""

    def for_problem(self, problem: TrainingProblem) -> Oracle:
        """The oracle for a problem without samples of weight zero, see :meth:`TrainingProblem.condensed`."""
        ...


def largest_value(design: Array, v: Array, directions: Array, slope: float = 0.0) -> float:
    """Largest ``‖vᵀ φ(X̃u)‖/‖u‖`` over nonzero rows ``u``: a lower bound on ``M(v)``.

    Parameters
    ----------
    design : array of shape (n, d̃)
    v : array of shape (n,) or (n, K)
    directions : array of shape (k, d̃)
    slope : float
        Negative slope of ``φ``, zero for ReLU.
    """
    lengths = norms(directions)
    directions, lengths = directions[lengths > 0], lengths[lengths > 0]
    values = sizes(moments(design, v, directions, slope))
    return float((values / lengths).max(initial=0.0))


def moments(design: Array, v: Array, directions: Array, slope: float = 0.0) -> Array:
    """``vᵀ φ(X̃u)`` of every row ``u``, of shape (k,), or ``Vᵀ φ(X̃u)`` of shape (k, K).

    Parameters
    ----------
    design : array of shape (n, d̃)
    v : array of shape (n,) or (n, K)
    directions : array of shape (k, d̃)
    slope : float
        Negative slope of ``φ``.
    """
    total = np.zeros((len(directions), *v.shape[1:]))
    step = max(1, _CHUNK // max(1, len(directions)))
    for start in range(0, len(design), step):
        rows = slice(start, start + step)
        total += activate(directions @ design[rows].T, slope) @ v[rows]
    return total


def witnesses(
    design: Array, v: Array, directions: Array, slope: float = 0.0
) -> tuple[Masks, Array, Array, Array]:
    """Witnesses from directions: masks, signs, directions, values; strongest first, each pair once.

    Parameters
    ----------
    design : array of shape (n, d̃)
    v : array of shape (n,) or (n, K)
    directions : array of shape (k, d̃)
        Unit vectors.
    slope : float
        Negative slope of ``φ``.
    """
    outputs = directions @ design.T
    masks = outputs >= 0
    sums = activate(outputs, slope) @ v
    values = sizes(sums)
    if v.ndim == 1:
        signs = np.where(sums < 0, -1.0, 1.0)
    else:
        signs = sums / np.where(values > 0, values, 1.0)[:, None]
        signs[values == 0, 0] = 1.0
    order = strongest_first(values)
    order = order[distinct_pairs(masks[order], signs[order])]
    return masks[order], signs[order], directions[order], values[order]


def consistent(masks: Masks, directions: Array, design: Array) -> Masks:
    """The patterns `masks` of some directions, corrected for the samples that are clearly on the other side."""
    outputs = directions @ design.T
    clear = np.abs(outputs) > _CLEAR * norms(design)
    return np.where(clear, outputs > 0, masks)


def distinct_pairs(masks: Masks, signs: Array) -> NDArray[np.intp]:
    """Indices of pairs of a pattern and a sign that do not repeat an earlier one.

    For several outputs, pairs with the same pattern differ if their output directions are at least 2.6 degrees apart.
    """
    if signs.ndim == 1:
        return first_of_each(np.column_stack([masks, signs > 0]))
    kept: dict[bytes, list[Array]] = {}
    chosen = []
    for k, key in enumerate(row_keys(masks)):
        earlier = kept.setdefault(key.tobytes(), [])
        if all(signs[k] @ g < _SAME for g in earlier):
            earlier.append(signs[k])
            chosen.append(k)
    return np.array(chosen, dtype=np.intp)


def strongest_first(values: Array) -> NDArray[np.intp]:
    """Indices of `values` in descending order, stable for ties."""
    return np.argsort(-values, kind="stable")
