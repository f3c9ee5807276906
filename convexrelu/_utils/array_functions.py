"""One code for NumPy arrays and torch tensors.

Functions of NumPy 2 and of torch have the same names and the same arguments, if arguments are given by NumPy's names
and if ``amax`` is taken for ``max``, ``clip`` for a maximum with a number, and an index for ``take_along_axis``. Here
are the few that differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_floats", "functions_for", "on_device", "on_host", "positions"]


def functions_for(array: Any) -> Any:
    """The module with functions of this array: NumPy, or torch.

    Examples
    --------
    >>> functions_for(np.zeros(3)).__name__
    'numpy'
    """
    if isinstance(array, np.ndarray):
        return np
    from convexrelu._utils.torch_import import torch  # it takes seconds to import

    return torch


def on_device(array: Any, device: str) -> Any:
    """The array itself for ``"cpu"``, and a tensor for any other device of torch: also for ``"cpu:0"``.

    Examples
    --------
    >>> on_device(np.zeros(2), "cpu"), on_device(np.zeros(2), "cpu:0")
    (array([0., 0.]), tensor([0., 0.], dtype=torch.float64))
    """
    if device == "cpu":
        return array
    from convexrelu._utils.torch_import import torch

    return torch.asarray(array, device=device, copy=True)


def on_host(array: Any) -> NDArray:
    """An array or tensor as an array of NumPy.

    Examples
    --------
    >>> on_host(on_device(np.zeros(2), "cpu:0"))
    array([0., 0.])
    """
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


def positions(mask: Any) -> Any:
    """Where a vector is true. A device is waited for: its result has a length that depends on the values.

    Examples
    --------
    >>> positions(np.array([True, False, True]))
    array([0, 2])
    """
    return functions_for(mask).argwhere(mask)[:, 0]


def as_floats(mask: Any) -> Any:
    """One and zero in double precision for true and false.

    Examples
    --------
    >>> as_floats(np.array([True, False]))
    array([1., 0.])
    """
    xp = functions_for(mask)
    return xp.asarray(mask, dtype=xp.float64)
