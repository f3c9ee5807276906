"""Path-SGD: gradient descent that does not depend on how neurons are scaled."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable
from typing import Any

from convexrelu._utils.arguments import check_number, check_positive
from convexrelu._utils.torch_import import Tensor, torch

__all__ = ["PathSGD"]


class PathSGD(torch.optim.Optimizer):
    """Steepest descent in the geometry of path norms, for two linear layers with a ReLU between them.

    The gradient of every weight is divided by the sum, over all paths through it, of the squares of the path's other
    weights: that of ``w̃_j`` by ``‖a_j‖²``, that of ``a_j`` by ``‖w̃_j‖²``. Two networks that differ by factors
    ``(t w̃_j, a_j/t)`` then stay the same function after every step on a loss that only depends on their outputs.

    Parameters
    ----------
    params : iterable
        Parameters of ``Sequential(Linear, ReLU, Linear)``, in this order: hidden weights, hidden biases, output
        weights, output biases; either layer may have no biases.
    lr : float
        Learning rate.
    damping : float
        Added to every sum. Zero is Path-SGD, whose steps are long for neurons with small weights, such as those that
        weight decay switches off; a positive number bounds them by ``lr / damping`` and gives up the invariance.

    Notes
    -----
    Where the sum is zero the weight stays as it is. Weight decay depends on the scales, so a penalised objective has no
    such invariance.

    References
    ----------
    Neyshabur, Salakhutdinov & Srebro 2015, "Path-SGD: path-normalized optimization in deep neural networks", NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from convexrelu.baselines import PathSGD
    >>> net = torch.nn.Sequential(torch.nn.Linear(1, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
    >>> optimiser = PathSGD(net.parameters(), lr=0.1)
    """

    def __init__(self, params: Iterable[Any], lr: float = 0.01, damping: float = 0.0) -> None:
        check_positive("lr", lr)
        check_number("damping", damping, numbers.Real, 0)
        super().__init__(params, {"lr": lr, "damping": damping})
        for group in self.param_groups:
            _layers(group["params"])

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; a `closure` evaluates the loss and its gradient first."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for parameter, sums in _with_paths(group["params"]):
                paths = sums + group["damping"]
                if parameter.grad is not None:
                    steps = torch.where(paths > 0, parameter.grad / paths, 0.0)
                    parameter -= group["lr"] * steps
        return loss


def _layers(params: list[Tensor]) -> tuple[int, int]:
    """Positions of the two matrices of weights."""
    matrices = [k for k, parameter in enumerate(params) if parameter.ndim == 2]
    if len(matrices) != 2 or matrices[0] != 0 or params[matrices[1]].shape[1] != len(params[0]):
        shapes = [tuple(parameter.shape) for parameter in params]
        raise ValueError(
            f"params have shapes {shapes}, expected those of Sequential(Linear, ReLU, Linear)"
        )
    return matrices[0], matrices[1]


def _with_paths(params: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Each parameter with the sums over the paths through it, all from before the step."""
    _, second = _layers(params)
    inner, outer = params[0], params[second]
    before, after = params[1:second], params[second + 1 :]
    leaving = outer.square().sum(dim=0)
    arriving = inner.square().sum(dim=1) + sum(bias.square() for bias in before)
    pairs = [(inner, leaving[:, None]), (outer, arriving[None, :])]
    pairs += [(bias, leaving) for bias in before]
    return pairs + [(bias, torch.ones_like(bias)) for bias in after]
