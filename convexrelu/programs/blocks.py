"""Blocks (columns) of a finite program, and its solution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.typing import Array
from convexrelu.results.status import Status

__all__ = ["Blocks", "ProgramSolution"]

_DECIMALS = 6  # to which output directions of one block agree; no measurement is recorded


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of a program: the columns of column generation, each a pattern with a direction of its outer weights.

    Attributes
    ----------
    masks : boolean array of shape (B, n)
    signs : array of shape (B,) or (B, K)
        Signs for one output, unit vectors for several.
    directions : array of shape (B, d̃), optional
        A direction in the cone of every pattern, if an oracle found one, and zero elsewhere.
    """

    masks: NDArray[np.bool_]
    signs: Array
    directions: Array | None = None

    @classmethod
    def none(cls, n_samples: int, n_outputs: int = 1) -> Blocks:
        """An empty list of blocks."""
        signs = np.zeros(0) if n_outputs == 1 else np.zeros((0, n_outputs))
        return cls(np.zeros((0, n_samples), dtype=bool), signs)

    @classmethod
    def both_signs(cls, masks: NDArray[np.bool_]) -> Blocks:
        """Every pattern with both signs."""
        return cls(np.vstack([masks, masks]), np.repeat([1.0, -1.0], len(masks)))

    def keys(self) -> list[bytes]:
        """One hashable key per block, equal for equal blocks."""
        if self.signs.ndim == 1:
            packed = np.packbits(np.column_stack([self.masks, self.signs > 0]), axis=1)
            return [row.tobytes() for row in packed]
        # Directions that differ by less than this count as equal; + 0.0 turns -0.0 into 0.0.
        rounded = np.round(self.signs, _DECIMALS) + 0.0
        pairs = zip(np.packbits(self.masks, axis=1), rounded, strict=True)
        return [mask.tobytes() + outer.tobytes() for mask, outer in pairs]

    def select(self, index: ArrayLike) -> Blocks:
        """The blocks at these positions."""
        index = np.asarray(index, dtype=np.intp)
        directions = None if self.directions is None else self.directions[index]
        return Blocks(self.masks[index], self.signs[index], directions)

    def join(self, other: Blocks) -> Blocks:
        """These blocks, followed by the others."""
        directions = other.directions
        if directions is not None:
            own = self.directions
            own = np.zeros((len(self), directions.shape[1])) if own is None else own
            directions = np.vstack([own, directions])
        return Blocks(
            np.vstack([self.masks, other.masks]),
            np.concatenate([self.signs, other.signs]),
            directions,
        )

    def __len__(self) -> int:
        return len(self.masks)


@dataclass(frozen=True, eq=False)
class ProgramSolution:
    """Solution of a finite program.

    Attributes
    ----------
    blocks : array of shape (B, d̃)
        ``u_i``, one per block; zeros if the solver returned nothing.
    intercept : float or array of shape (K,)
        ``c``.
    outputs : array of shape (n,) or (n, K)
        ``f(u) + c`` on the training data, with patterns applied as masks.
    objective : float
        Optimal value reported by the solver; ``nan`` if it returned nothing.
    status : Status
        How the solver ended.
    accuracy : float
        Requested relative gap, if blocks that should be zero are only approximately so; 0 if they
        are exactly zero.
    seconds : float
        Wall time of the call, including canonicalisation.
    dual : array of shape (n,) or (n, K), optional
        Dual point of the solver, if it cannot be computed from the outputs: for losses with kinks.
    skip_weights : array of shape (K, d), optional
        Weights of the skip connection, if there is one.
    moved : Blocks, optional
        The blocks of the solution, if the solver changed patterns.
    """

    blocks: Array
    intercept: Any
    outputs: Array
    objective: float
    status: Status
    accuracy: float
    seconds: float
    dual: Array | None = None
    skip_weights: Array | None = None
    moved: Blocks | None = None

    @property
    def usable(self) -> bool:
        """Whether there is a point to continue with, accurate or not."""
        return bool(np.isfinite(self.objective))
