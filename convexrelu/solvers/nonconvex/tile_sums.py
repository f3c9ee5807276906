"""Sums of the smoothed loss and of its gradients over tiles: runs of rows that cores take from each other.

Matrix products and compiled code let other threads run, the many short steps of losses do not. Where several cores are
free, they share the former among them, and the latter are taken in between, one tile after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from convexrelu._utils.threads import free_cores, in_threads
from convexrelu._utils.typing import Array
from convexrelu.solvers.nonconvex.hidden_layer import HiddenLayer

__all__ = ["Samples", "Scratch", "Sums", "sums_of", "tile_sums"]

# From so many on, some ten milliseconds of work, cores share them: on a busy machine threads wait for one another.
_SHARED = 2**22
_TOGETHER = 2**24  # inputs of hidden neurons that are there at a time, 64 MB in single precision

Sums = tuple[float, Array, Array, Array, Array]


class Samples(NamedTuple):
    """Rows of shape (n, d̃), targets, and weights of shape (n,)."""

    rows: Array
    target: Array
    weights: Array


class Scratch:
    """Memory that is kept from one call to the next.

    To be given it anew by the system takes as long as the products that are written there, and threads wait for each
    other meanwhile.
    """

    def __init__(self) -> None:
        self._memory = np.empty(0)

    def matrices(self, heights: Sequence[int], width: int, dtype: Any) -> Iterator[Array]:
        """Matrices side by side, which the next call overwrites."""
        n_entries = sum(heights) * width
        if self._memory.size < n_entries or self._memory.dtype != dtype:
            self._memory = np.empty(n_entries, dtype)
        start = 0
        for height in heights:
            yield self._memory[start : start + height * width].reshape(height, width)
            start += height * width


def tile_sums(
    tiles: Sequence[Samples],
    layer: HiddenLayer,
    loss_of: Callable[[Array, Array], tuple[Array, Array]],
    scratch: Scratch,
) -> list[Sums]:
    """For each tile its loss, with gradients in inner weights, outer weights, widths and intercepts.

    They do not depend on the number of cores.

    Parameters
    ----------
    tiles : list of Samples
    layer : HiddenLayer
    loss_of : callable
        Values of shape (n,) and gradients of shape (n, K) of the loss, for the outputs of the layer and the targets.
    scratch : Scratch
    """

    def forward(part: tuple[Samples, Array]) -> Array:
        tile, t = part
        return layer.outputs(tile.rows, t)

    def backward(part: tuple[Samples, Array, Array]) -> tuple[Array, Array, Array]:
        tile, t, pull = part
        return layer.gradients(tile.rows, t, pull)

    found: list[Sums] = []
    for some in _batches(tiles, layer.width):
        heights = [len(tile.rows) for tile in some]
        seen = list(zip(some, scratch.matrices(heights, layer.width, layer.dtype), strict=True))
        values, pulls = [], []
        for tile, outputs in zip(some, in_threads(forward, seen), strict=True):
            losses, pull = loss_of(outputs, tile.target)
            values.append(float(tile.weights @ losses))
            pulls.append(tile.weights[:, None] * pull)
        parts = [(*each, pull) for each, pull in zip(seen, pulls, strict=True)]
        for value, pull, gradients in zip(values, pulls, in_threads(backward, parts), strict=True):
            found.append((value, *gradients, pull.sum(axis=0)))
    return found


def _batches(tiles: Sequence[Samples], width: int) -> Iterator[Sequence[Samples]]:
    """Tiles that several cores take together; one after the other if there is one core."""
    n, n_entries = len(tiles), sum(len(tile.rows) for tile in tiles) * width
    if n > 1 and n_entries >= _SHARED and free_cores() > 1:
        n = math.ceil(n_entries / _TOGETHER)
    size = max(1, math.ceil(len(tiles) / max(1, n)))
    for start in range(0, len(tiles), size):
        yield tiles[start : start + size]


def sums_of(tiles: Sequence[Sums]) -> Sums:
    """Those of some tiles together."""
    value, *gradients = (sum(part[1:], part[0]) for part in zip(*tiles, strict=True))
    return value, *gradients
