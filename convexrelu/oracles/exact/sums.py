"""Sums in blocks, whose rounding error grows with the square root of the number of terms."""

from __future__ import annotations

import math

import numpy as np

from convexrelu._utils.typing import Array

__all__ = ["block_size", "running_sums", "sum_in_blocks"]


def block_size(size: int) -> int:
    """Number of terms per block, for `size` terms in all."""
    return math.isqrt(size) + 1


def sum_in_blocks(terms: Array) -> Array:
    """Sum along the last axis in blocks of about ``√size``, with the rounding error of about ``√size`` terms."""
    size = terms.shape[-1]
    blocks = np.arange(0, size, block_size(size))
    return np.add.reduceat(terms, blocks, axis=-1).sum(axis=-1)


def running_sums(terms: Array) -> Array:
    """Cumulative sums along the last axis, in the same blocks."""
    *others, size = terms.shape
    block = block_size(size)
    sums = np.zeros((*others, block * block))
    sums[..., :size] = terms
    blocks = sums.reshape(*others, block, block)
    np.cumsum(blocks, axis=-1, out=blocks)
    blocks[..., 1:, :] += np.cumsum(blocks[..., :-1, -1], axis=-1)[..., None]
    return sums[..., :size]
