"""Columns of a program without a penalty: intercepts, and directions in which the softmax is constant."""

from __future__ import annotations

from dataclasses import dataclass

from convexrelu._utils.torch_import import Tensor, torch

__all__ = ["FreeColumns"]


@dataclass(frozen=True, eq=False)
class FreeColumns:
    """``E = [C, I ⊗ 1]``, without an array of the columns that samples have of their own.

    Attributes
    ----------
    intercepts : tensor of shape (N, m)
        ``C``, possibly without columns.
    of_a_sample : int
        Outputs ``K`` of a sample, to which one column of its own adds the same; 0 if samples have none.

    Examples
    --------
    >>> import torch
    >>> E = FreeColumns(torch.tensor([[0.0], [1.0], [0.0], [1.0]]), 2)
    >>> E.push(torch.tensor([5.0, 1.0, 2.0]))
    tensor([1., 6., 2., 7.])
    >>> E.pull(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    tensor([6., 3., 7.])
    """

    intercepts: Tensor
    of_a_sample: int = 0

    @classmethod
    def of(cls, like: Tensor, n_outputs: int, *, intercept: bool, of_samples: bool) -> FreeColumns:
        """Those of all `n_outputs` of the samples whose flat outputs are of the shape of `like`."""
        columns = torch.eye(n_outputs, dtype=like.dtype, device=like.device)
        # A constant for all outputs is a constant for all samples: one column too many.
        columns = columns[:, int(of_samples) if intercept else n_outputs :]
        return cls(columns.repeat(len(like) // n_outputs, 1), n_outputs if of_samples else 0)

    def push(self, c: Tensor) -> Tensor:
        """``E c``, of shape (N,)."""
        m, k = self.intercepts.shape[1], self.of_a_sample
        outputs = self.intercepts @ c[:m]
        return outputs + c[m:].repeat_interleave(k) if k else outputs

    def pull(self, zeta: Tensor) -> Tensor:
        """``Eᵀζ``."""
        first, k = self.intercepts.T @ zeta, self.of_a_sample
        return torch.cat([first, zeta.reshape(-1, k).sum(dim=1)]) if k else first

    def of_constant(self, outputs: Tensor) -> Tensor:
        """``c`` with ``E c`` equal to outputs that are the same for all samples, and zero if there is no intercept."""
        m, k = self.intercepts.shape[1], self.of_a_sample
        if not k:
            return outputs[:m]
        # The first output has no intercept, but for the columns of samples.
        return torch.cat([outputs[k - m : k] - outputs[0], outputs[:1].expand(len(outputs) // k)])
