"""Normalised gradient flow of a classification loss, and the margin on the way."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_number, check_positive, checked_flag, finite_array
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.torch_import import Tensor, torch
from convexrelu._utils.typing import Array
from convexrelu.baselines.margins import checked_labels, normalised_margin
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["NormalisedFlow", "NormalisedGradient", "follow_normalised_flow"]


class NormalisedGradient(torch.optim.Optimizer):
    """Gradient descent with steps of one length: Euler steps of ``dθ/dt = −∇L/‖∇L‖``.

    Parameters
    ----------
    params : iterable
        Parameters or groups; the norm is over all of them.
    lr : float
        Length of a step.

    Examples
    --------
    >>> import torch
    >>> from convexrelu.baselines import NormalisedGradient
    >>> x = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    >>> optimiser = NormalisedGradient([x], lr=1.0)
    >>> (x**2).sum().backward()
    >>> _ = optimiser.step()
    >>> x.detach()
    tensor([2.4000, 3.2000])
    """

    def __init__(self, params: Iterable[Any], lr: float = 0.01) -> None:
        check_positive("lr", lr)
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; a `closure` evaluates the loss and its gradient first. No step where the gradient is zero."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        moving = [
            (parameter, group["lr"])
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        squares = [p.grad.square().sum() for p, _ in moving if p.grad is not None]
        length = float(torch.stack(squares).sum().sqrt()) if squares else 0.0
        if length > 0:
            for parameter, rate in moving:
                parameter -= rate / length * parameter.grad
        return loss


@dataclass(frozen=True, eq=False)
class NormalisedFlow:
    """Result of :func:`follow_normalised_flow`.

    Attributes
    ----------
    network : TwoLayerNetwork
        After the last step.
    steps, margins, log_losses : arrays of shape (k,)
        Normalised margin and logarithm of the loss on the way.
    """

    network: TwoLayerNetwork
    steps: Array
    margins: Array
    log_losses: Array


def follow_normalised_flow(
    X: ArrayLike,
    y: ArrayLike,
    width: int,
    *,
    steps: int = 2000,
    rate: float = 0.01,
    scale: float = 0.3,
    hidden_bias: bool = True,
    fit_intercept: bool = True,
    every: int = 20,
    random_state: int | np.random.RandomState | None = None,
) -> NormalisedFlow:
    """Normalised gradient descent on the exponential loss, without weight decay.

    Where the classes are separated, the direction of the weights tends to a stationary point of the margin problem
    (Lyu & Li 2020). Its normalised margin ``min_i y_i f(x_i) / Σ_j ‖w̃_j‖ |a_j|`` is never above
    :func:`~convexrelu.baselines.maximum_margin`, and may be far below.

    Parameters
    ----------
    X : array of shape (n, d)
    y : array of shape (n,)
        Classes -1 and 1.
    width : int
        Number of hidden neurons.
    steps : int
        Number of steps.
    rate : float
        Length of a step in the space of weights.
    scale : float
        Factor of the first weights, which are Gaussian.
    hidden_bias, fit_intercept : bool
        Whether hidden neurons have biases, and the network an intercept.
    every : int
        Steps between records.
    random_state : int, RandomState or None
        Seed of the first weights.

    Returns
    -------
    NormalisedFlow

    References
    ----------
    Lyu & Li 2020, "Gradient descent maximizes the margin of homogeneous neural networks", ICLR.

    Examples
    --------
    >>> from convexrelu.baselines import follow_normalised_flow, maximum_margin
    >>> X, y = [[-2.0], [-1.0], [1.0], [2.0]], [-1, -1, 1, 1]
    >>> flow = follow_normalised_flow(X, y, 10, steps=200, random_state=0)
    >>> best = maximum_margin(X, y, random_state=0)
    >>> bool(flow.margins[-1] <= best.upper_bound), best.is_proof
    (True, True)
    """
    inputs = finite_array("X", X, "n", "d")
    labels = checked_labels(y, len(inputs))
    for name, value, least in (("width", width, 1), ("steps", steps, 0), ("every", every, 1)):
        check_number(name, value, numbers.Integral, least)
    check_positive("rate", rate)
    check_positive("scale", scale)
    hidden_bias = checked_flag("hidden_bias", hidden_bias)
    fit_intercept = checked_flag("fit_intercept", fit_intercept)
    random = checked_random_state(random_state)
    d = inputs.shape[1]
    arrays = {
        "W": random.standard_normal((width, d)) / np.sqrt(d + 1),
        "b": random.standard_normal(width) / np.sqrt(d + 1) * hidden_bias,
        "A": random.standard_normal((1, width)) / np.sqrt(width),
        "c": np.zeros(1),
    }
    moving = {"W": True, "b": hidden_bias, "A": True, "c": fit_intercept}
    weights = {
        name: torch.nn.Parameter(torch.tensor(scale * array), requires_grad=moving[name])
        for name, array in arrays.items()
    }
    optimiser = NormalisedGradient(weights.values(), lr=rate)
    X_t, y_t = torch.tensor(inputs), torch.tensor(labels)
    records: list[tuple[int, float, float]] = []
    for step in range(steps + 1):
        optimiser.zero_grad()
        log_loss = _log_loss(weights, X_t, y_t)
        if step % every == 0 or step == steps:
            margin = normalised_margin(_network(weights), inputs, labels)
            records.append((step, margin, log_loss.item()))
        if step < steps:
            log_loss.backward()
            optimiser.step()
    count, margins, losses = np.array(records).T
    return NormalisedFlow(_network(weights), count, margins, losses)


def _log_loss(weights: dict[str, torch.nn.Parameter], X: Tensor, y: Tensor) -> Tensor:
    """``log mean exp(−y f)``: its gradient points along that of the exponential loss, and does not underflow."""
    hidden = torch.relu(X @ weights["W"].T + weights["b"])
    outputs = hidden @ weights["A"][0] + weights["c"]
    return torch.logsumexp(-y * outputs, dim=0) - np.log(len(y))


def _network(weights: dict[str, torch.nn.Parameter]) -> TwoLayerNetwork:
    return TwoLayerNetwork(
        *(weights[name].detach().numpy().copy() for name in ("W", "b", "A", "c"))
    )
