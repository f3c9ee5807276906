"""Scales of the data, in which solvers work."""

from __future__ import annotations

from typing import Any, NamedTuple

from convexrelu._utils.typing import Array
from convexrelu.losses import Loss

__all__ = ["LARGEST_ALPHA", "Units"]

# In these units no penalty above one leaves a neuron, for least squares; larger ones are as good as this one.
LARGEST_ALPHA = 1e6


class Units(NamedTuple):
    """Scales in which data and targets are about one: ``X̃/ρ`` and ``(y − c₀)/τ``.

    Attributes
    ----------
    rho : float
        ``√(Σ_i s_i ‖x̃_i‖²)``, or 1 if that is zero.
    center : float or array of shape (K,)
        ``c₀``, the best constant output; zero without an intercept, or where the loss is not homogeneous.
    tau : float
        ``√(Σ_i s_i ‖y_i − c₀‖²)``, or 1 if that is zero or the loss is not homogeneous.
    value : float
        ``τ^p``, the scale of objectives, with ``p`` the degree of the loss.
    """

    rho: float
    center: Any
    tau: float
    value: float

    @property
    def alpha(self) -> float:
        """Scale of penalties: ``F(f) + alpha Σ‖u‖`` is `value` times the same at ``alpha`` over this."""
        return self.value * self.rho / self.tau

    def targets(self, loss: Loss, y: Array) -> Array:
        """Targets in these units; as they are for losses without a degree."""
        return y if loss.degree is None else loss.in_units(y, self.center, self.tau)
