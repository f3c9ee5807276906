r"""Gradient flow of a network with one feature, as the motion of its knots and slopes.

With weights ``θ = (w, b, a, c)`` and ``r = f(x) − y``, the flow ``θ' = −∇[(1/2n) Σ r² + (alpha/2) Σ_j (w_j² + b_j² +
a_j²)]`` is, neuron by neuron::

    w' = −a Σ_A r x / n − alpha w,    b' = −a Σ_A r / n − alpha b,    a' = −Σ_A r (wx + b) / n − alpha a

with the sums over the samples on which the neuron is active. Without a penalty ``w² + b² − a²`` stays what it is; with
one it decays as ``exp(−2 alpha t)``. The knot ``β = −b/w`` moves only by residuals of active samples.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import RK45

from convexrelu._utils.arguments import as_float, check_number, finite_array, is_number, shown
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.regions import variation_norm

__all__ = ["SplineMotion", "spline_motion"]

_SMALL = 1e-3  # absolute accuracy, as a part of the relative one times the largest weight
_SLOWEST = 1e-6  # first time at which the flow is recorded after its start, as a part of the whole


@dataclass(frozen=True, eq=False)
class SplineMotion:
    """Weights of a network with one feature along gradient flow, and its knots and slopes.

    Attributes
    ----------
    X, y : arrays of shapes (n, 1) and (n,)
    alpha : float
        Weight decay.
    times : array of shape (k,)
        From zero on.
    hidden_weights, hidden_bias, output_weights : arrays of shape (k, m)
    output_bias : array of shape (k,)
    data_fits, objectives : arrays of shape (k,)
        ``(1/2n) Σ r²``, and with the penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import initialisation, random_spline, spline_motion
    >>> X = np.linspace(-1, 1, 7)[:, None]
    >>> start = random_spline(initialisation("he", 10), random_state=0)
    >>> motion = spline_motion(start, X, np.abs(X[:, 0]), t_end=1.0, n_times=5)
    >>> motion.knots.shape, motion.network(-1).width
    ((5, 10), 10)
    """

    X: Array
    y: Array
    alpha: float
    times: Array
    hidden_weights: Array
    hidden_bias: Array
    output_weights: Array
    output_bias: Array
    data_fits: Array
    objectives: Array

    @property
    def knots(self) -> Array:
        """``−b_j/w_j``, of shape (k, m); not finite where ``w_j = 0``."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return -self.hidden_bias / self.hidden_weights

    @property
    def jumps(self) -> Array:
        """Changes of slope at the knots, ``|w_j| a_j``, of shape (k, m)."""
        return np.abs(self.hidden_weights) * self.output_weights

    def network(self, k: int) -> TwoLayerNetwork:
        """The network at a recorded time."""
        return TwoLayerNetwork(
            self.hidden_weights[k][:, None],
            self.hidden_bias[k],
            self.output_weights[k][None, :],
            self.output_bias[k : k + 1] if k >= 0 else [self.output_bias[k]],
        )

    def roughness(self) -> Array:
        """Total variation of the slope over time, of shape (k,), see :func:`~convexrelu.regions.variation_norm`."""
        return np.array([variation_norm(self.network(k)) for k in range(len(self.times))])

    def kernel(self, k: int) -> Array:
        """Tangent kernel ``∂f(x_i) ∂f(x_j)ᵀ`` of the samples at a recorded time, of shape (n, n)."""
        x = self.X[:, 0]
        seen = np.outer(x, self.hidden_weights[k]) + self.hidden_bias[k]
        active = seen > 0
        pull = active * self.output_weights[k]
        hidden = np.where(active, seen, 0.0)
        return (1 + np.outer(x, x)) * (pull @ pull.T) + hidden @ hidden.T + 1.0

    @property
    def kernel_change(self) -> float:
        """Change of the tangent kernel from start to end, relative to its size: near zero in the kernel regime."""
        start, end = self.kernel(0), self.kernel(len(self.times) - 1)
        return float(np.linalg.norm(end - start) / np.linalg.norm(start))

    @property
    def knot_movement(self) -> float:
        """Median distance that knots have moved, of those that begin between the samples, relative to their range."""
        x, start = self.X[:, 0], self.knots[0]
        inside = (start > x.min()) & (start < x.max())
        if not inside.any() or np.ptp(x) == 0:
            return 0.0
        moved = np.abs(self.knots[-1] - start)[inside]
        return float(np.median(moved) / np.ptp(x))


def spline_motion(
    network: TwoLayerNetwork,
    X: ArrayLike,
    y: ArrayLike,
    *,
    t_end: float,
    alpha: float = 0.0,
    n_times: int = 200,
    rtol: float = 1e-4,
    progress: Callable[[float, float], None] | None = None,
) -> SplineMotion:
    """Follow the gradient flow of the squared error of a network with one feature.

    Parameters
    ----------
    network : TwoLayerNetwork
        The start: ReLU, one feature, one output, no skip connection.
    X : array of shape (n, 1)
    y : array of shape (n,)
    t_end : float
        Time at which to stop.
    alpha : float
        Weight decay, of hidden weights and biases and of outer weights, as in :class:`~convexrelu.TrainingProblem`.
    n_times : int
        Recorded times: zero, and others that are equidistant on a logarithmic scale, from a millionth of `t_end`.
    rtol : float
        Accuracy of the steps of :class:`scipy.integrate.RK45`. The flow bends where a knot passes a sample. Knots may
        stay at samples, where a smaller `rtol` takes shorter steps.
    progress : callable, optional
        Called with the time and the objective at each recorded time.

    Returns
    -------
    SplineMotion

    Raises
    ------
    ValueError
        If the network is not of this kind, or the data do not fit it or are not finite.
    RuntimeError
        If the integration fails.

    References
    ----------
    Sahs, Pyle, Damaraju, Caro, Tavaslioglu, Lu, Anselmi & Patel 2022, "Shallow univariate ReLU networks as splines:
    initialization, loss surface, Hessian, and gradient flow dynamics", Frontiers in Artificial Intelligence 5.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import initialisation, random_spline, spline_motion
    >>> X = np.linspace(-1, 1, 11)[:, None]
    >>> start = random_spline(initialisation("he", 20), random_state=0)
    >>> motion = spline_motion(start, X, np.abs(X[:, 0]), t_end=100.0)
    >>> bool(motion.data_fits[-1] < 0.01 * motion.data_fits[0])
    True
    """
    inputs = finite_array("X", X, "n", 1)
    targets = finite_array("y", y, len(inputs))
    _check_network(network)
    for name, value, least in (("t_end", t_end, 0), ("alpha", alpha, 0), ("rtol", rtol, 1e-13)):
        check_number(name, value, numbers.Real, least)
    if not is_number(t_end) or as_float(t_end) == 0:
        raise ValueError(f"t_end={shown(t_end)} is not a positive number")
    check_number("n_times", n_times, numbers.Integral, 2)
    flow = _Flow(inputs[:, 0], targets, float(alpha), network.width)
    times = np.append(0.0, np.geomspace(_SLOWEST * t_end, t_end, n_times - 1))
    states = []
    for state in _integrated(flow, flow.state_of(network), times, rtol):
        states.append(state)
        if progress is not None:
            progress(float(times[len(states) - 1]), float(flow.objectives(state[None])[1][0]))
    theta = np.array(states)
    fits, objectives = flow.objectives(theta)
    w, b, a = np.split(theta[:, :-1], 3, axis=1)
    return SplineMotion(
        inputs, targets, float(alpha), times, w, b, a, theta[:, -1], fits, objectives
    )


def _check_network(network: Any) -> None:
    if not isinstance(network, TwoLayerNetwork):
        raise ValueError(f"network is a {type(network).__name__}, expected a TwoLayerNetwork")
    if network.n_features != 1 or network.n_outputs != 1 or network.width == 0:
        raise ValueError(f"network is {network!r}, expected one feature, one output and neurons")
    if network.negative_slope != 0 or network.skip_weights is not None:
        raise ValueError(
            f"network has negative_slope={network.negative_slope:g} and "
            f"{'no' if network.skip_weights is None else 'a'} skip connection, expected ReLU and none"
        )


def _integrated(flow: _Flow, theta: Array, times: Array, rtol: float) -> Iterator[Array]:
    """States at these times, the first of which is the start."""
    yield theta
    size = float(np.abs(theta).max())
    solver = RK45(flow.velocity, 0.0, theta, times[-1], rtol=rtol, atol=_SMALL * rtol * size)
    for time in times[1:]:
        while solver.t < time:
            message = solver.step()
            if solver.status == "failed":
                raise RuntimeError(
                    f"the flow could not be followed beyond t={solver.t:g}: {message}"
                )
        yield solver.dense_output()(time)


class _Flow:
    """The vector field of gradient flow."""

    def __init__(self, x: Array, y: Array, alpha: float, width: int) -> None:
        self.x = x
        self.y = y
        self.alpha = alpha
        self.width = width

    @staticmethod
    def state_of(network: TwoLayerNetwork) -> Array:
        """``θ = (w, b, a, c)``."""
        parts = network.hidden_weights[:, 0], network.hidden_bias, network.output_weights[0]
        return np.concatenate([*parts, network.output_bias])

    def velocity(self, t: float, theta: Array) -> Array:
        """``−∇`` of the objective."""
        m = self.width
        w, b, a = theta[:m], theta[m : 2 * m], theta[2 * m : -1]
        hidden = np.maximum(np.outer(self.x, w) + b, 0.0)
        residuals = (hidden @ a + theta[-1] - self.y) / len(self.x)
        active = hidden > 0
        sums = np.stack([residuals * self.x, residuals]) @ active
        velocity = -np.concatenate(
            [a * sums[0], a * sums[1], residuals @ hidden, [residuals.sum()]]
        )
        velocity[:-1] -= self.alpha * theta[:-1]
        return velocity

    def objectives(self, theta: Array) -> tuple[Array, Array]:
        """Data fits and objectives of states, as rows."""
        w, b, a = np.split(theta[:, :-1], 3, axis=1)
        hidden = np.maximum(self.x[None, :, None] * w[:, None, :] + b[:, None, :], 0.0)
        outputs = np.einsum("kij,kj->ki", hidden, a) + theta[:, -1:]
        fits = 0.5 * np.square(outputs - self.y).mean(axis=1)
        return fits, fits + 0.5 * self.alpha * np.square(theta[:, :-1]).sum(axis=1)
