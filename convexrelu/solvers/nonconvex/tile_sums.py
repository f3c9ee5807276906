"""Sums of the smoothed loss and of its gradients over tiles: runs of rows that cores take from each other.

A core goes through a tile forward and back at once: then its hidden neurons are still in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from convexrelu._utils.threads import in_threads
from convexrelu._utils.typing import Array
from convexrelu.solvers.nonconvex.hidden_layer import HiddenLayer

__all__ = ["Samples", "Scratch", "shared", "sums_of", "sums_of_tile"]

# From so many hidden neurons on, some milliseconds of work, cores share them: to wake a thread takes a tenth of one.
_SHARED = 2**21


class Samples(NamedTuple):
    """Rows of shape (n, d̃), dense or CSR, targets, and weights of shape (n,)."""

    rows: Any
    target: Array
    weights: Array


class Scratch:
    """Memory that is kept from one call to the next, for as many threads as need some at a time.

    To be given it anew by the system takes as long as the products that are written there, and threads wait for each
    other meanwhile.
    """

    def __init__(self) -> None:
        self._free: list[Array] = []  # taken from and added to in one step of Python each

    @contextmanager
    def matrix(self, height: int, width: int, dtype: Any) -> Iterator[Array]:
        """A matrix that nobody else has within the block; what it contains is left over."""
        n_entries = height * width
        try:
            memory = self._free.pop()
        except IndexError:
            memory = np.empty(0, dtype)
        if memory.size < n_entries or memory.dtype != dtype:
            memory = np.empty(n_entries, dtype)
        yield memory[:n_entries].reshape(height, width)
        self._free.append(memory)


def sums_of_tile(
    tile: Samples,
    layer: HiddenLayer,
    loss_of: Callable[[Array, Array], tuple[Array, Array]],
    scratch: Scratch,
) -> Array:
    """Sums over a tile, as of :mod:`~convexrelu.solvers.nonconvex.hidden_layer`.

    Parameters
    ----------
    tile : Samples
    layer : HiddenLayer
    loss_of : callable
        Values of shape (n,) and gradients of shape (n, K) of the loss, for the outputs of the layer and the targets.
    scratch : Scratch
    """
    with scratch.matrix(len(tile.weights), layer.width, layer.dtype) as t:
        losses, pull = loss_of(layer.outputs(tile.rows, t), tile.target)
        pull = tile.weights[:, None] * pull
        sums = np.zeros(layer.n_gradients + pull.shape[1] + 1)
        layer.gradients(tile.rows, t, pull, sums)
    sums[-pull.shape[1] - 1 : -1], sums[-1] = pull.sum(axis=0), tile.weights @ losses
    return sums


def shared(
    sums_of_one: Callable[[Samples], Array], tiles: Sequence[Samples], width: int
) -> list[Array]:
    """The sums of each tile, of a layer of such a width, on several cores where that is worth while.

    They do not depend on the number of cores.
    """
    if sum(len(tile.weights) for tile in tiles) * width >= _SHARED:
        return in_threads(sums_of_one, tiles)
    return [sums_of_one(tile) for tile in tiles]


def sums_of(tiles: Sequence[Array]) -> Array:
    """Those of some tiles together."""
    return reduce(np.add, tiles)
