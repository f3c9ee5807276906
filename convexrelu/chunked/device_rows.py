"""Inputs of chunks on an accelerator: sent there once if they fit, and side by side, so that one call serves many."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convexrelu._utils.torch_import import Tensor, free_memory, torch
from convexrelu._utils.typing import Array
from convexrelu.chunked.device_products import DeviceProducts
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["DeviceRows"]

_PART_OF_DEVICE = 0.7  # of its free memory for inputs; the rest is for hidden outputs
# Rows of a group: with a hundred neurons, an array of hidden outputs takes 256 MB, and eight are there together.
_TOGETHER = 2**19


class DeviceRows:
    """The design of the chunks of one process.

    Parameters
    ----------
    chunks : range
        Their numbers.
    length, width : int
        Rows of the longest chunk, and columns.
    design_of : callable
        The design of a chunk, by its number.
    device : str
        A torch device.

    Attributes
    ----------
    keeps : bool
        Whether inputs stay on the device.
    groups : list of range
        Numbers of chunks that lie side by side.
    """

    def __init__(
        self,
        chunks: range,
        length: int,
        width: int,
        design_of: Callable[[int], Array],
        device: str,
    ) -> None:
        self._shape, self._design_of, self._device = (length, width), design_of, device
        size = 8.0 * len(chunks) * length * width
        self.keeps = size <= _PART_OF_DEVICE * free_memory(device)
        step = max(1, _TOGETHER // length) if self.keeps else 1
        starts = range(0, len(chunks), step)
        self.groups = [chunks[start : start + step] for start in starts]
        self._group_of = {k: group for group in self.groups for k in group}
        self._kept: dict[range, Tensor] = {}

    def of_group(self, group: range) -> Tensor:
        """Designs of a group of chunks, of shape (b, l, d̃); short chunks are filled up with zeros."""
        if group in self._kept:
            return self._kept[group]
        design = torch.zeros(len(group), *self._shape, dtype=torch.float64, device=self._device)
        for place, k in zip(design, group, strict=True):
            rows = torch.tensor(np.ascontiguousarray(self._design_of(k)))
            place[: len(rows)].copy_(rows)
        if self.keeps:
            self._kept[group] = design
        return design

    def products(self, k: int, problem: TrainingProblem) -> DeviceProducts:
        """Products with the rows of one chunk, of this problem."""
        group = self._group_of[k]
        return DeviceProducts(problem, self.of_group(group)[k - group.start, : problem.n_samples])
