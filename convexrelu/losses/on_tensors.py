"""Losses on torch tensors, for descent on an accelerator.

They are the formulas of :meth:`Loss.value` and :meth:`Loss.gradient`, in double precision. A loss that is not among
them, such as a user's own, is evaluated by NumPy, at the price of two transfers. Certificates never come from here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convexrelu._utils.torch_import import Tensor, torch
from convexrelu._utils.typing import Array
from convexrelu.losses.base import Loss
from convexrelu.losses.classification import Logistic, SquaredHinge
from convexrelu.losses.multinomial import Multinomial
from convexrelu.losses.regression import Huber, Poisson, SquaredError

__all__ = ["loss_on_tensors"]

Terms = tuple[Tensor, Tensor]
_ALL = slice(None)


def loss_on_tensors(
    loss: Loss,
    y: Array,
    device: str,
    rounded: Callable[[Array, Array, float], tuple[Array, Array]],
) -> Callable[..., Terms]:
    """The function ``f, width, rows ↦ ℓ(f, y), ∇ℓ(f, y)`` of outputs on a device.

    Parameters
    ----------
    loss : Loss
    y : array of shape (n,) or (n, K)
        Targets.
    device : str
        A torch device.
    rounded : callable
        Values and gradients for arrays of outputs and targets, for losses that have no formula here. Only such a loss
        needs the width, over which its kinks are smoothed.

    Returns
    -------
    callable
        Of a tensor of shape (n, K), the width, and a slice of the samples; by default all of them. Values have shape
        (n,), gradients (n, K).

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([1.0, 2.0])
    >>> on_device = loss_on_tensors(SquaredError(), y, "cpu", lambda f, y, width: (f, f))
    >>> on_device(torch.zeros((2, 1), dtype=torch.float64), 0.1)[0]
    tensor([0.5000, 2.0000], dtype=torch.float64)
    """
    formula = _FORMULAS.get(type(loss))
    if formula is None:
        return _by_the_host(y, rounded)
    dtype = torch.int64 if isinstance(loss, Multinomial) else torch.float64
    targets = torch.tensor(np.ascontiguousarray(y), dtype=dtype, device=device)
    targets = targets.reshape(len(y), -1)

    def terms(f: Tensor, width: float, rows: slice = _ALL) -> Terms:
        return formula(loss, f, targets[rows])

    return terms


def _by_the_host(
    y: Array, rounded: Callable[[Array, Array, float], tuple[Array, Array]]
) -> Callable[..., Terms]:
    def terms(f: Tensor, width: float, rows: slice = _ALL) -> Terms:
        outputs = f.cpu().numpy()
        found = rounded(outputs[:, 0] if outputs.shape[1] == 1 else outputs, y[rows], width)
        values, gradients = (torch.as_tensor(part, device=f.device) for part in found)
        return values, gradients.reshape(f.shape)

    return terms


def _squared_error(loss: Loss, f: Tensor, y: Tensor) -> Terms:
    rest = f - y
    return (rest * rest).sum(dim=1) / 2, rest


def _huber(loss: Huber, f: Tensor, y: Tensor) -> Terms:
    rest = f - y
    size = rest.abs()
    near = size.clamp(max=loss.delta)
    return (near * (size - near / 2)).sum(dim=1), rest.clamp(-loss.delta, loss.delta)


def _squared_hinge(loss: Loss, f: Tensor, y: Tensor) -> Terms:
    missing = (1 - y * f).clamp(min=0)
    return (missing * missing).sum(dim=1) / 2, -y * missing


def _logistic(loss: Loss, f: Tensor, y: Tensor) -> Terms:
    margin = y * f
    return torch.nn.functional.softplus(-margin).sum(dim=1), -y * torch.sigmoid(-margin)


def _poisson(loss: Loss, f: Tensor, y: Tensor) -> Terms:
    mean = f.exp()
    values = mean - y * f + torch.xlogy(y, y) - y
    return values.sum(dim=1), mean - y


def _multinomial(loss: Loss, f: Tensor, labels: Tensor) -> Terms:
    values = torch.logsumexp(f, dim=1) - f.gather(1, labels)[:, 0]
    gradients = torch.softmax(f, dim=1)
    return values, gradients.scatter_add(1, labels, torch.full_like(f[:, :1], -1.0))


_FORMULAS: dict[type[Loss], Callable[..., Terms]] = {
    SquaredError: _squared_error,
    Huber: _huber,
    SquaredHinge: _squared_hinge,
    Logistic: _logistic,
    Poisson: _poisson,
    Multinomial: _multinomial,
}
