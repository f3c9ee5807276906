"""Loss and gradients of the smoothed objective on an accelerator: :meth:`RoundedObjective.sums` in torch.

The rows stay on the device, in double precision. Products are made in single precision where NumPy's are, losses in
double precision. A call sends the weights there; sums over chunks stay there.
"""

from __future__ import annotations

from collections.abc import Callable

from convexrelu._utils.torch_import import Tensor, torch
from convexrelu._utils.typing import Array
from convexrelu.losses import Loss
from convexrelu.losses.on_tensors import loss_on_tensors

__all__ = ["TensorSums"]


class TensorSums:
    """The loss of some chunks of samples and its gradients; a chunk may be filled up with samples of weight zero.

    Parameters
    ----------
    design : tensor of shape (b, l, d̃)
        Rows of each chunk in double precision, on the device.
    y : array of shape (b l,) or (b l, K)
        Targets, and columns below, in the units of the objective.
    weights : array of shape (b l,)
        Those of a chunk sum to one.
    columns : array of shape (d̃,)
        Units of the columns.
    loss : Loss
    rounded : callable
        Values and gradients of the loss for arrays of outputs and targets, with kinks smoothed over a width.
    slope : float
        Negative slope of the activation.
    n_outputs : int
    single : bool
        Whether products are made in single precision.
    """

    def __init__(
        self,
        design: Tensor,
        y: Array,
        weights: Array,
        *,
        columns: Array,
        loss: Loss,
        rounded: Callable[[Array, Array, float], tuple[Array, Array]],
        slope: float,
        n_outputs: int,
        single: bool,
    ) -> None:
        device = str(design.device)
        self._design, self._slope, self._n_outputs = design, slope, n_outputs
        self._dtype = torch.float32 if single else torch.float64
        self._columns = torch.tensor(columns, device=device)
        self._weights = torch.tensor(weights, device=device).view(*design.shape[:2], 1)
        self._terms = loss_on_tensors(loss, y, device, rounded)

    def __call__(self, z: Array, width: float) -> Array:
        """The sums of the only chunk, as an array."""
        found: Array = self.of_chunks(z, width)[0].cpu().numpy()
        return found

    def of_chunks(self, z: Array, width: float) -> Tensor:
        """Sums for each chunk, as of :mod:`~convexrelu.solvers.nonconvex.hidden_layer`."""
        point = torch.as_tensor(z, device=self._columns.device)
        return self._sums(*self._split(point), width)

    def _split(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Inner weights (m, d̃), outer weights (m, K), and intercepts (K,)."""
        dim, n_outputs = len(self._columns), self._n_outputs
        end = (len(z) - n_outputs) // (dim + n_outputs) * dim
        inner, outer = z[:end].view(-1, dim), z[end:-n_outputs].view(-1, n_outputs)
        return inner, outer, z[-n_outputs:]

    def _sums(self, inner: Tensor, outer: Tensor, intercept: Tensor, width: float) -> Tensor:
        """The sums; formulas and names are those of `RoundedObjective`."""
        slope, weights = self._slope, self._weights
        s = width * (inner.norm(dim=1) + 1e-300)
        rows = (self._design / self._columns).to(self._dtype)
        q = rows @ (inner / (2 * s[:, None])).T.to(self._dtype)
        t = 2 * slope * q if slope else None
        q += 0.5
        p = q.clamp(0.0, 1.0)
        q.mul_(2.0).sub_(p).mul_(p)
        hidden = q if t is None else (1.0 - slope) * q + t
        outputs = (hidden @ (s[:, None] * outer).to(self._dtype)).double() + intercept
        values, pull = self._terms(outputs.flatten(0, 1), width)
        pull = weights * pull.view(outputs.shape)
        pulled = pull.to(self._dtype)
        by_outer = pulled.mT @ hidden
        by_hidden = pulled @ outer.T.to(self._dtype)
        by_slope = by_hidden * p
        by_width = (1.0 - slope) * (by_slope.sum(dim=1) - p.mul_(by_slope).sum(dim=1))
        by_seen = by_slope if t is None else (1.0 - slope) * by_slope + slope * by_hidden
        by_inner = by_seen.mT @ rows
        value = (weights[:, :, 0] * values.view(outputs.shape[:2])).sum(dim=1)
        parts = by_width, by_outer, by_inner, pull.sum(dim=1), value
        return torch.cat([part.double().reshape(len(value), -1) for part in parts], dim=1)
