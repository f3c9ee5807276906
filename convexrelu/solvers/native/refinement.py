"""Iterative refinement of linear systems that are solved by elimination."""

from __future__ import annotations

from collections.abc import Callable

from convexrelu._utils.torch_import import Tensor

__all__ = ["refined"]

# Steps at most, and the relative change after which there are no more. With two steps always, 12 of 240 small programs
# of losses with kinks ended above a relative gap of 1e-8; with up to twelve, none of these and 1 of 160 others.
_MOST, _NO_CHANGE = 12, 1e-7

Parts = tuple[Tensor, ...]


def refined(solve: Callable[..., Parts], rests: Callable[..., Parts], right: Parts) -> Parts:
    """The solution of a linear system, refined until it does not change.

    Parameters
    ----------
    solve : callable
        The parts of an approximate solution, from the parts of a right-hand side.
    rests : callable
        What an approximate solution leaves of the right-hand side.
    right : tuple of tensors
        The right-hand side.

    Returns
    -------
    tuple of tensors

    Examples
    --------
    >>> import torch
    >>> x, = refined(lambda b: (b / 3.1,), lambda x: (6 - 3 * x,), (torch.tensor([6.0]).double(),))
    >>> round(float(x), 7)
    2.0
    """
    found = solve(*right)
    for _ in range(_MOST):
        more = solve(*rests(*found))
        found = tuple(part + change for part, change in zip(found, more, strict=True))
        if all(b.norm() <= _NO_CHANGE * a.norm() for a, b in zip(found, more, strict=True)):
            break
    return found
