"""Regions around training samples over a training run: numbers in balls, and distances to the nearest boundary.

Zhu, Lin & Tang 2020 report that training moves boundaries away from the samples: there are fewer regions near them,
and the nearest boundary is farther away. This is measured here, for the run at hand; it need not be so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.arguments import as_float, finite_array, is_number, shown
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.regions.counting import ball_of, bound_in, count_in
from convexrelu.regions.hyperplanes import TOL, Hyperplanes
from convexrelu.regions.layers import Layers, layers_of

__all__ = ["RegionHistory", "boundary_distances", "region_history"]

_CHUNK = 2**22  # entries of Jacobians at a time


@dataclass(frozen=True, eq=False)
class RegionHistory:
    """Regions around ``n`` samples, for ``T`` networks of a training run.

    Attributes
    ----------
    steps : array of shape (T,)
        Training steps at which the networks were taken.
    radius : float
        Radius of the balls.
    distances : array of shape (T, n)
        From each sample to the nearest boundary of its region; infinite where there is none.
    counts : int array of shape (T, n), or None
        Exact numbers of regions in the balls; None if one of the networks has more than one hidden layer.
    bounds : array of shape (T, n) of Python integers, or None
        Bounds of Zhu, Lin & Tang on these numbers.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import region_history
    >>> run = [TwoLayerNetwork([[1.0]], [b], [[1.0]], [0.0]) for b in (0.0, 2.0)]
    >>> region_history(run, [[0.5]], radius=1.0).counts
    array([[2],
           [1]])
    """

    steps: Array
    radius: float
    distances: Array
    counts: NDArray[np.intp] | None
    bounds: NDArray[np.object_] | None

    def __str__(self) -> str:
        names = ["step", "median distance", "clear samples"]
        columns = [
            [f"{step:g}" for step in self.steps],
            [f"{np.median(row):.3g}" for row in self.distances],
            [f"{np.mean(row >= self.radius):.0%}" for row in self.distances],
        ]
        if self.counts is not None and self.bounds is not None:
            names += ["mean regions", "mean bound"]
            columns.append([f"{row.mean():.3g}" for row in self.counts])
            columns.append([f"{float(row.mean()):.3g}" for row in self.bounds])
        lines = [names, *map(list, zip(*columns, strict=True))]
        widths = [max(len(line[k]) for line in lines) for k in range(len(names))]
        table = [
            "  ".join(word.rjust(width) for word, width in zip(line, widths, strict=True))
            for line in lines
        ]
        return "\n".join(
            [f"Balls of radius {self.radius:g} around {len(self.distances[0])} samples", *table]
        )


def region_history(
    networks: Iterable[Any], X: ArrayLike, radius: float, *, steps: Sequence[float] | None = None
) -> RegionHistory:
    """Regions near samples in each network of a training run.

    Parameters
    ----------
    networks : iterable of TwoLayerNetwork or torch.nn.Sequential
        Copies of the network during training. A module that is trained further must be copied, or come from a
        generator that trains it before it yields the module again.
    X : array of shape (n, d)
        Samples. Balls around each are counted separately, so a few hundred are enough.
    radius : float
        Radius of the balls.
    steps : sequence of float, optional
        Training steps at which the networks were taken; by default 0, 1, 2, …

    Returns
    -------
    RegionHistory
        ``print`` shows it as a table; :class:`~convexrelu.displays.RegionHistoryDisplay` draws it.

    Raises
    ------
    ValueError
        If there are no networks, or arguments do not fit together.

    References
    ----------
    Zhu, Lin & Tang 2020, "Bounding the number of linear regions in local area for neural networks with ReLU
    activations".

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import region_history
    >>> run = [TwoLayerNetwork([[1.0], [1.0]], [b, -b], [[1.0, 1.0]], [0.0]) for b in (0.1, 0.5, 2.0)]
    >>> print(region_history(run, [[-0.3], [0.0], [0.3]], 0.25, steps=[0, 10, 20]))
    Balls of radius 0.25 around 3 samples
    step  median distance  clear samples  mean regions  mean bound
       0              0.2             0%          2.33        2.33
      10              0.2            33%          1.67        1.67
      20              1.7           100%             1           1
    """
    if not is_number(radius) or not 0 < as_float(radius) < np.inf:
        raise ValueError(f"radius={shown(radius)} is not a positive number")
    samples = finite_array("X", X, "n", "d")
    distances, counts, bounds = [], [], []
    for network in networks:
        layers = layers_of(network)
        distances.append(_distances(layers, _fitting(samples, layers)))
        if len(layers.layers) == 2 and layers.layers[1].slope == 1.0:
            planes = Hyperplanes.of(network)
            balls = [ball_of(planes, x, as_float(radius)) for x in samples]
            counts.append([count_in(*ball, TOL) for ball in balls])
            bounds.append([bound_in(*ball) for ball in balls])
    if not distances:
        raise ValueError("networks is empty, expected at least one network")
    times = (
        np.arange(len(distances)) if steps is None else finite_array("steps", steps, len(distances))
    )
    is_counted = len(counts) == len(distances)
    return RegionHistory(
        times.astype(np.float64),
        as_float(radius),
        np.array(distances),
        np.array(counts) if is_counted else None,
        np.array(bounds, dtype=object) if is_counted else None,
    )


def boundary_distances(network: Any, X: ArrayLike) -> Array:
    """Euclidean distance from each sample to the nearest boundary of its linear region.

    On a region all units are affine, ``z_i(x) = g_i·x + c_i``, and the region is where they keep their signs. So the
    distance is ``min_i |z_i(x)| / ‖g_i‖``, in a network of any depth.

    Parameters
    ----------
    network : TwoLayerNetwork or torch.nn.Sequential
        Of ``Linear`` and ``ReLU`` or ``LeakyReLU``; or a fitted estimator, whose ``network_`` is taken.
    X : array of shape (n, d)

    Returns
    -------
    array of shape (n,)
        Up to rounding. Infinite where no unit depends on the inputs.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import boundary_distances
    >>> cross = TwoLayerNetwork([[1.0, 0.0], [0.0, 2.0]], [0.0, 0.0], [[1.0, 1.0]], [0.0])
    >>> boundary_distances(cross, [[3.0, 4.0], [-1.0, 0.5]])
    array([3. , 0.5])
    """
    layers = layers_of(network)
    return _distances(layers, _fitting(finite_array("X", X, "n", "d"), layers))


def _fitting(X: Array, layers: Layers) -> Array:
    if X.shape[1] != layers.n_features:
        raise ValueError(f"X has shape {X.shape}, expected (n, {layers.n_features})")
    return X


def _distances(layers: Layers, X: Array) -> Array:
    widest = max(len(layer.bias) for layer in layers.layers)
    step = max(1, _CHUNK // max(1, widest * layers.n_features))
    return np.concatenate([_of_few(layers, X[i : i + step]) for i in range(0, len(X), step)])


def _of_few(layers: Layers, X: Array) -> Array:
    """Distances, with the values and Jacobians of all units of a layer at a time."""
    values, jacobians = X, np.broadcast_to(np.eye(X.shape[1]), (len(X), X.shape[1], X.shape[1]))
    nearest = np.full(len(X), np.inf)
    for weights, bias, slope in layers.layers:
        values = values @ weights.T + bias
        jacobians = weights @ jacobians
        if slope == 1.0:
            continue
        lengths = norms(jacobians.reshape(-1, X.shape[1])).reshape(values.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = np.where(lengths > 0, np.abs(values) / lengths, np.inf)
        nearest = np.minimum(nearest, apart.min(axis=1, initial=np.inf))
        factors = np.where(values > 0, 1.0, slope)
        values, jacobians = values * factors, jacobians * factors[:, :, None]
    return nearest
