"""Losses as sums over outputs, which is the form that interior points take."""

from __future__ import annotations

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.losses import Loss, Multinomial, Poisson, SeparableLoss

__all__ = ["separable"]


def separable(loss: Loss, y: Array, n_outputs: int) -> tuple[SeparableLoss, Array]:
    """The loss of flat outputs, with its targets."""
    if isinstance(loss, SeparableLoss):
        return loss, y.ravel()
    if not isinstance(loss, Multinomial):
        raise ValueError(
            f"interior points do not support loss={loss.name!r}, which is not a sum over outputs"
        )
    return Poisson(), np.eye(n_outputs)[y.astype(np.int64)].ravel()
