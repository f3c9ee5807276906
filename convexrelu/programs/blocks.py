"""Blocks of a finite program, which are its columns, and the solution of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.typing import Array
from convexrelu.results.status import Status

__all__ = ["Blocks", "ProgramSolution"]

_DECIMALS = 6


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of a program: patterns, each with a direction of its outer weights.

    Attributes
    ----------
    masks : boolean array of shape (B, n)
    signs : array of shape (B,) or (B, K)
        Signs for one output, unit vectors for several.
    directions : array of shape (B, d̃), optional
        A direction in the cone of every pattern, where an oracle found it, and zero elsewhere.
    """

    masks: NDArray[np.bool_]
    signs: Array
    directions: Array | None = None

    @classmethod
    def none(cls, n_samples: int, n_outputs: int = 1) -> Blocks:
        """No blocks."""
        signs = np.zeros(0) if n_outputs == 1 else np.zeros((0, n_outputs))
        return cls(np.zeros((0, n_samples), dtype=bool), signs)

    @classmethod
    def both_signs(cls, masks: NDArray[np.bool_]) -> Blocks:
        """Every pattern with either sign."""
        return cls(np.vstack([masks, masks]), np.repeat([1.0, -1.0], len(masks)))

    def keys(self) -> list[bytes]:
        """One hashable key a block, equal for equal blocks."""
        if self.signs.ndim == 1:
            packed = np.packbits(np.column_stack([self.masks, self.signs > 0]), axis=1)
            return [row.tobytes() for row in packed]
        # Directions that differ by less than this are one; + 0.0 turns -0.0 into 0.0.
        rounded = np.round(self.signs, _DECIMALS) + 0.0
        pairs = zip(np.packbits(self.masks, axis=1), rounded, strict=True)
        return [mask.tobytes() + outer.tobytes() for mask, outer in pairs]

    def select(self, index: ArrayLike) -> Blocks:
        """The blocks at these positions."""
        index = np.asarray(index, dtype=np.intp)
        directions = None if self.directions is None else self.directions[index]
        return Blocks(self.masks[index], self.signs[index], directions)

    def join(self, other: Blocks) -> Blocks:
        """These blocks, then the others."""
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
        ``u_i``, one a block; zeros if the solver returned nothing.
    intercept : float or array of shape (K,)
        ``c``.
    outputs : array of shape (n,) or (n, K)
        ``f(u) + c`` on the training data, patterns applied as masks.
    objective : float
        Optimal value as the solver reports it; ``nan`` if it returned nothing.
    status : Status
        How the solver ended.
    accuracy : float
        Relative gap that was asked for, where blocks that should be zero are only nearly so; 0 where they
        are zero.
    seconds : float
        Wall time of the call, canonicalisation included.
    dual : array of shape (n,) or (n, K), optional
        Dual point of the solver, where it cannot be taken from the outputs: losses with kinks.
    skip_weights : array of shape (K, d), optional
        Of the skip connection, where there is one.
    moved : Blocks, optional
        The blocks that the solution is in, where the solver changed patterns.
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
        """Whether there is a point to go on with, accurate or not."""
        return bool(np.isfinite(self.objective))
