"""Gradient and Hessian of the squared error of a small network with a piecewise linear activation, by autograd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import PPoly

from convexrelu._utils.typing import Array

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

__all__ = ["gradient_and_eigenvalues"]


def gradient_and_eigenvalues(
    hidden_weights: Array,
    hidden_bias: Array,
    output_weights: Array,
    output_bias: Array,
    activation: PPoly,
    X: Array,
    y: Array,
) -> tuple[Array, Array]:
    """Gradient of ``(1/2n) Σ ‖f(x_i) − y_i‖²`` by all weights, and the eigenvalues of the Hessian, increasing.

    Parameters
    ----------
    hidden_weights, hidden_bias, output_weights, output_bias : arrays
        As of :class:`~convexrelu.TwoLayerNetwork`.
    activation : PPoly
        Of degree one.
    X : array of shape (n, d)
    y : array of shape (n, K)
    """
    from convexrelu._utils.torch_import import torch

    parts = [
        torch.tensor(part) for part in (hidden_weights, hidden_bias, output_weights, output_bias)
    ]
    inputs, targets = torch.tensor(X), torch.tensor(y)
    starts, inner = torch.tensor(activation.x[:-1]), torch.tensor(activation.x[1:-1])
    slopes, values = torch.tensor(activation.c[-2]), torch.tensor(activation.c[-1])

    def loss(theta: Tensor) -> Tensor:
        cuts = theta.split([part.numel() for part in parts])
        W, b, A, c = (cut.reshape(part.shape) for cut, part in zip(cuts, parts, strict=True))
        seen = inputs @ W.T + b
        piece = torch.searchsorted(inner, seen.detach(), right=True)
        hidden = slopes[piece] * (seen - starts[piece]) + values[piece]
        return 0.5 * (hidden @ A.T + c - targets).square().sum() / len(inputs)

    theta = torch.cat([part.flatten() for part in parts]).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(theta), theta)
    # torch.func.hessian would do the same, and import torch.jit, which is deprecated and warns.
    hessian = torch.autograd.functional.hessian(loss, theta.detach())
    return gradient.numpy(), np.linalg.eigvalsh(hessian.numpy())
