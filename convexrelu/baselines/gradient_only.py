"""Line search without values of the loss: a step ends where the directional derivative changes its sign."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from convexrelu._utils.arguments import check_positive
from convexrelu._utils.torch_import import Tensor, torch

__all__ = ["GradientOnlyLineSearch"]

# Doublings and halvings of a step: from the default step of 0.01 to 1e7 and to 1e-11.
_MOST_EVALUATIONS = 30


class GradientOnlyLineSearch(torch.optim.Optimizer):
    """Steepest descent with steps to the point where the derivative along the direction changes from minus to plus.

    The step is doubled until the derivative is not negative, and then found by bisection. Only gradients are used. On
    losses that jump, as with batches that change, minima of the values along a line are often artefacts of the jumps,
    while changes of sign are not.

    Parameters
    ----------
    params : iterable
        Parameters or groups, as for every optimiser of torch.
    lr : float
        First step to try; then the last step is tried first.
    rtol : float
        Bisection ends where the step is known up to this fraction.

    Notes
    -----
    ``step`` needs a closure. It is called about ten times. The weights end on the near side of the change of sign,
    where the derivative is still negative: for a loss that is convex along the line, values do not rise.

    References
    ----------
    Kafka & Wilke 2019, "Gradient-only line searches: an alternative to probabilistic line searches", arXiv:1903.09383.

    Examples
    --------
    >>> import torch
    >>> from convexrelu.baselines import GradientOnlyLineSearch
    >>> x = torch.nn.Parameter(torch.tensor([3.0]))
    >>> optimiser = GradientOnlyLineSearch([x], rtol=1e-4)
    >>> def closure():
    ...     optimiser.zero_grad()
    ...     loss = (x**2).sum()
    ...     loss.backward()
    ...     return loss
    >>> _ = optimiser.step(closure)
    >>> abs(x.item()) < 1e-3  # one step to the minimum
    True
    """

    def __init__(self, params: Iterable[Any], lr: float = 0.01, rtol: float = 0.05) -> None:
        for name, value in (("lr", lr), ("rtol", rtol)):
            check_positive(name, value)
        super().__init__(params, {"lr": lr, "rtol": rtol})

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """One step of steepest descent over all groups together; returns the loss before it."""
        loss = closure()
        line = _Line(self.param_groups, closure)
        if line.length == 0:
            return loss
        first = self.param_groups[0]
        step = line.change_of_sign(first["lr"], first["rtol"])
        line.move(step)
        for group in self.param_groups:
            group["lr"] = step
        return loss


class _Line:
    """The loss along the negative gradient at the current weights."""

    def __init__(self, groups: list[dict[str, Any]], closure: Callable[[], Any]) -> None:
        self._closure = closure
        parameters = [p for group in groups for p in group["params"] if p.grad is not None]
        self._start: list[tuple[Tensor, Tensor, Tensor]] = [
            (p, p.detach().clone(), -p.grad.detach().clone()) for p in parameters
        ]
        self.length = float(sum(direction.square().sum() for _, _, direction in self._start))

    def move(self, step: float) -> None:
        with torch.no_grad():
            for parameter, origin, direction in self._start:
                parameter.copy_(origin + step * direction)

    def descends(self, step: float) -> bool:
        """Whether the derivative is negative there; not where it is not finite."""
        self.move(step)
        self._closure()
        products = [
            (parameter.grad * direction).sum()
            for parameter, _, direction in self._start
            if parameter.grad is not None
        ]
        return bool(sum(products) < 0)

    def change_of_sign(self, step: float, rtol: float) -> float:
        """The largest step found at which the derivative is negative, before one where it is not."""
        low, high = 0.0, step
        for _ in range(_MOST_EVALUATIONS):
            if not self.descends(high):
                break
            low, high = high, 2 * high
        else:
            return low
        for _ in range(_MOST_EVALUATIONS):
            if low > 0 and high - low <= rtol * high:
                break
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self.descends(middle) else (low, middle)
        return low or high
