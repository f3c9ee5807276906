"""Numbers of regions in which random points were found: lower bounds on the exact ones."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_number
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.regions.counting import checked_ball, checked_box
from convexrelu.regions.hyperplanes import TOL, Hyperplanes

__all__ = ["sample_regions_in_ball", "sample_regions_in_box"]

_EPS = float(np.finfo(np.float64).eps)
_INSIDE = 1 - 1e-9  # of the radius, so that rounding takes no sample out of the ball
_CHUNK = 2**20  # signs at a time


def sample_regions_in_ball(
    network: Any,
    center: ArrayLike,
    radius: float,
    n_samples: int = 10_000,
    *,
    of: str = "neurons",
    tol: float = TOL,
    random_state: int | np.random.Generator | None = None,
) -> int:
    """Number of regions in which uniform samples of a ball lie, at most the exact number.

    Samples closer to a hyperplane than the rounding of their distance do not count.

    Parameters
    ----------
    network, center, radius, of, tol
        As for :func:`~convexrelu.regions.count_regions_in_ball`.
    n_samples : int
    random_state : int, Generator or None

    Returns
    -------
    int

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import sample_regions_in_ball
    >>> cross = TwoLayerNetwork([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [[1.0, 1.0]], [0.0])
    >>> sample_regions_in_ball(cross, [0.1, 0.1], 1.0, n_samples=200, random_state=0)
    4
    """
    check_number("n_samples", n_samples, numbers.Integral, 1)
    planes = Hyperplanes.of(network, of=of, tol=tol)
    middle, reach = checked_ball(center, radius, planes.n_features)
    rng = np.random.default_rng(random_state)
    directions = rng.standard_normal((n_samples, planes.n_features))
    directions /= norms(directions)[:, None]
    lengths = reach * rng.random(n_samples) ** (1 / planes.n_features)
    points = middle + lengths[:, None] * directions
    return _regions_of(planes, points[norms(points - middle) < reach * _INSIDE])


def sample_regions_in_box(
    network: Any,
    lower: ArrayLike,
    upper: ArrayLike,
    n_samples: int = 10_000,
    *,
    of: str = "neurons",
    tol: float = TOL,
    random_state: int | np.random.Generator | None = None,
) -> int:
    """Number of regions in which uniform samples of a box lie, at most the exact number.

    Parameters
    ----------
    network, lower, upper, of, tol
        As for :func:`~convexrelu.regions.count_regions_in_box`.
    n_samples, random_state
        As for :func:`sample_regions_in_ball`.

    Returns
    -------
    int

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import sample_regions_in_box
    >>> cross = TwoLayerNetwork([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [[1.0, 1.0]], [0.0])
    >>> sample_regions_in_box(cross, [-1.0, 0.5], [1.0, 1.0], n_samples=200, random_state=0)
    2
    """
    check_number("n_samples", n_samples, numbers.Integral, 1)
    planes = Hyperplanes.of(network, of=of, tol=tol)
    low, high = checked_box(lower, upper, planes.n_features)
    points = np.random.default_rng(random_state).uniform(low, high, (n_samples, len(low)))
    return _regions_of(planes, points[((low < points) & (points < high)).all(axis=1)])


def _regions_of(planes: Hyperplanes, points: Array) -> int:
    """Number of sign vectors of points, without those that rounding may have changed; one if there are none."""
    found: set[bytes] = set()
    step = max(1, _CHUNK // max(1, len(planes)))
    for start in range(0, len(points), step):
        rows = points[start : start + step]
        sides = rows @ planes.weights.T + planes.bias
        sizes = np.abs(rows) @ np.abs(planes.weights).T + np.abs(planes.bias)
        sure = np.abs(sides) > 2 * (planes.n_features + 2) * _EPS * sizes
        signs = np.packbits(sides[sure.all(axis=1)] > 0, axis=1)
        found.update(line.tobytes() for line in signs)
    return max(1, len(found))
