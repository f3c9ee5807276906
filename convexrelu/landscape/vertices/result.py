"""Result of vertex descent."""

from __future__ import annotations

from dataclasses import dataclass

from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["VertexDescent"]


@dataclass(frozen=True, eq=False)
class VertexDescent:
    """One run of vertex descent.

    Attributes
    ----------
    network : TwoLayerNetwork
        The last vertex.
    losses : array of shape (k,)
        Mean absolute errors: of the start, of the ends of the steps of phase 1, and of the vertices of phase 2.
    n_first_phase : int
        Steps of phase 1; where neurons were brought back, of all times that it ran.
    is_local_minimum : bool
        Whether the vertex test proves, up to the rounding of float64, that no network nearby with the same outer
        layer has a smaller loss.
    reason : str
        Why the run ended.
    n_active_kinks, n_weights : int
        Kinks that are active in the end, and ``N``, the weights of neurons that contribute. With more kinks than
        weights the vertex is degenerate, and the certificate is refused.
    n_silent : int
        Neurons that contribute nothing in the end.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import random_network, vertex_descent
    >>> X = np.random.RandomState(0).standard_normal((30, 2))
    >>> y = np.abs(X[:, 0])
    >>> run = vertex_descent(random_network(X, y, width=2, random_state=0), X, y, random_state=0)
    >>> run.n_vertices == len(run.losses) - 1, bool(run.loss <= run.losses[0])
    (True, True)
    """

    network: TwoLayerNetwork
    losses: Array
    n_first_phase: int
    is_local_minimum: bool
    reason: str
    n_active_kinks: int
    n_weights: int
    n_silent: int

    @property
    def loss(self) -> float:
        """Mean absolute error in the end."""
        return float(self.losses[-1])

    @property
    def n_vertices(self) -> int:
        """Points that the run visited after its start."""
        return len(self.losses) - 1

    def __str__(self) -> str:
        verdict = "local minimum (tested)" if self.is_local_minimum else "no certificate"
        return f"{verdict}: loss {self.loss:.6g} after {self.n_vertices} vertices; {self.reason}"
