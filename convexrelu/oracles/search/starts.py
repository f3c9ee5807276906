"""Starts of searches, and the number of candidates to polish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

__all__ = ["apart", "to_numpy"]

_POLISHED_ENTRIES = 2**21  # of the patterns that are polished for a sign, where they are not few
_POLISHED_WORK = 4 * 10**9  # operations of a Newton step: candidates times samples times d̃²
_FEWEST_POLISHED = 8  # whatever the size; no measurement is recorded
_CLOSE = 0.99  # cosine of two directions that count as equal where patterns do not decide


def random_starts(design: Array, n_starts: int, random: np.random.RandomState) -> Array:
    """Random directions, each moved to where a random sample changes sides, so that narrow pieces are found.

    In one or two dimensions they stay uniform: they reach all pieces.
    """
    starts = random.standard_normal((n_starts, design.shape[1]))
    if design.shape[1] <= 2:
        return starts
    rows = design[random.randint(len(design), size=n_starts)]
    lengths = norms(rows)[:, None]
    rows = rows / np.where(lengths > 0, lengths, 1.0)
    return starts - np.einsum("ij,ij->i", starts, rows)[:, None] * rows


def most_polished(design: Array) -> int:
    """Number of candidates worth polishing at once, by memory and by work."""
    n, dimension = max(1, design.shape[0]), max(1, design.shape[1])
    affordable = min(_POLISHED_ENTRIES // n, _POLISHED_WORK // (n * dimension**2))
    return max(_FEWEST_POLISHED, affordable)


def apart(ends: Array) -> NDArray[np.intp]:
    """Indices of directions that are not close to an earlier one."""
    kept: list[int] = []
    close = ends @ ends.T > _CLOSE
    for k in range(len(ends)):
        if not close[k, kept].any():
            kept.append(k)
    return np.array(kept, dtype=np.intp)


def to_numpy(tensor: Tensor) -> NDArray:
    """The array of a tensor on any device."""
    return tensor.cpu().numpy()
