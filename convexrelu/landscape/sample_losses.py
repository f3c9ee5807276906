"""Losses of a landscape, in torch: one number for each output of each sample."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convexrelu._utils.torch_import import Tensor, nn
from convexrelu._utils.typing import Array

__all__ = ["SAMPLE_LOSSES", "check_labels", "sample_loss"]


def _softplus(t: Tensor) -> Tensor:
    """``log(1 + e^t)``; torch's softplus is off by 1e-9 above 20, and logaddexp has no second derivative below −700."""
    return -nn.functional.logsigmoid(-t)


SampleLoss = Callable[[Tensor, Tensor], Tensor]

SAMPLE_LOSSES: dict[str, SampleLoss] = {
    "squared_error": lambda f, y: 0.5 * (f - y) ** 2,
    "mean_squared_error": lambda f, y: (f - y) ** 2,
    "cross_entropy": lambda f, y: _softplus(f) - y * f,
    "logistic": lambda f, y: _softplus(-y * f),
}


def sample_loss(name: str) -> SampleLoss:
    """``ℓ(f, y)`` of a name in `SAMPLE_LOSSES`."""
    if name not in SAMPLE_LOSSES:
        raise ValueError(f"loss={name!r} is not one of {', '.join(SAMPLE_LOSSES)}")
    return SAMPLE_LOSSES[name]


def check_labels(name: str, y: Array) -> None:
    """Raise a ValueError for targets that a loss of classification does not take."""
    if name == "cross_entropy" and not ((y >= 0) & (y <= 1)).all():
        raise ValueError("y has entries outside [0, 1]; loss='cross_entropy' takes probabilities")
    if name == "logistic" and not np.isin(y, (-1.0, 1.0)).all():
        raise ValueError("y has entries other than −1 and 1, which loss='logistic' takes")
