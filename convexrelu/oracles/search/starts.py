"""Starts of searches, and the number of candidates to polish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import norms, unit_rows
from convexrelu._utils.typing import Array

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

__all__ = ["apart", "random_starts", "starts_in_cone", "starts_near", "to_numpy"]

_POLISHED_ENTRIES = 2**21  # of the patterns that are polished for a sign, where they are not few
_POLISHED_WORK = 4 * 10**9  # operations of a Newton step: candidates times samples times d̃²
_FEWEST_POLISHED = 8  # whatever the size; no measurement is recorded
_FEW_DIMENSIONS = 2  # uniform starts reach all pieces
_ON_FACE = 2 / 3  # probability of a constrained entry to be zero
_NO_LENGTH = 1e-150  # of the free part of a sample: quotients might overflow
# Distance of a start from a known maximum: 0.03 and 0.1 find it again, 0.3 and 0.8 find about as much.
_NEAR = 0.5
_CLOSE = 0.99  # cosine of two directions that count as equal where patterns do not decide


def random_starts(design: Array, n_starts: int, random: np.random.RandomState) -> Array:
    """Random directions, each moved to where a random sample changes sides, so that narrow pieces are found.

    In one or two dimensions they stay uniform: they reach all pieces.
    """
    starts = random.standard_normal((n_starts, design.shape[1]))
    return starts if starts.shape[1] <= _FEW_DIMENSIONS else _moved(starts, design, random)


def starts_in_cone(
    design: Array, limits: Array, n_starts: int, random: np.random.RandomState
) -> Array:
    """The same in the cone of ``limits_k u_k ≥ 0``, on random faces; what is moved are entries that are free.

    On a face, some of the constrained entries are zero, as they are at most maxima: constraints bind. Ascents leave a
    face where that leads upward, but from inside they reach one only in the limit. So most entries are zero.

    Examples
    --------
    >>> limits = np.array([1.0, -1.0, 0.0])
    >>> starts = starts_in_cone(np.eye(3), limits, 5000, np.random.RandomState(0))
    >>> bool((limits * starts >= 0).all()), (starts == 0).mean(axis=0).round(1)
    (True, array([0.7, 0.7, 0.3]))
    """
    starts = random.standard_normal((n_starts, design.shape[1]))
    starts = np.where(limits * starts < 0, -starts, starts)
    if starts.shape[1] <= _FEW_DIMENSIONS:
        return starts
    on_face = (limits != 0) & (random.random_sample(starts.shape) < _ON_FACE)
    return _moved(np.where(on_face, 0.0, starts), design, random, limits == 0)


def starts_near(maxima: Array, n_starts: int, random: np.random.RandomState) -> Array:
    """Random directions within half a radian, about, of random ones of these unit vectors; none where there are none.

    High maxima lie near each other. With four calls of 512 starts, of which half were drawn like this after the first,
    three runs estimated gaps of 0.019 to 0.039 where 0.009 to 0.020 were found without (housing, alpha = 0.001), and
    of 0.153 to 0.159 instead of 0.122 to 0.144 (alpha = 0.0001).

    Examples
    --------
    >>> near = starts_near(np.eye(3)[:1], 5, np.random.RandomState(0))
    >>> np.linalg.norm(near - np.eye(3)[0], axis=1)
    array([0.5, 0.5, 0.5, 0.5, 0.5])
    """
    if len(maxima) == 0:
        return maxima
    centres = maxima[random.randint(len(maxima), size=n_starts)]
    return centres + _NEAR * unit_rows(random.standard_normal(centres.shape))


def _moved(
    starts: Array,
    design: Array,
    random: np.random.RandomState,
    free: NDArray[np.bool_] | bool = True,
) -> Array:
    """Starts moved along their free entries to where a random sample changes sides."""
    rows = design[random.randint(len(design), size=len(starts))]
    lengths = norms(np.where(free, rows, 0.0))[:, None]
    rows = rows / np.where(lengths > _NO_LENGTH, lengths, 1.0)
    return starts - np.einsum("ij,ij->i", starts, rows)[:, None] * np.where(free, rows, 0.0)


def most_polished(design: Array) -> int:
    """Number of candidates worth polishing at once, by memory and by work."""
    n, dimension = max(1, design.shape[0]), max(1, design.shape[1])
    affordable = min(_POLISHED_ENTRIES // n, _POLISHED_WORK // (n * dimension**2))
    return max(_FEWEST_POLISHED, affordable)


def apart(ends: Array, cosine: float = _CLOSE) -> NDArray[np.intp]:
    """Indices of directions that are not close to an earlier one, whose cosine with it is larger than that."""
    kept: list[int] = []
    close, is_close = ends @ ends.T > cosine, np.zeros(len(ends), dtype=bool)
    for k in range(len(ends)):
        if not is_close[k]:
            kept.append(k)
            is_close |= close[k]
    return np.array(kept, dtype=np.intp)


def to_numpy(tensor: Tensor) -> NDArray:
    """The array of a tensor on any device."""
    return tensor.cpu().numpy()
