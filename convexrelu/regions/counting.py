"""Exact numbers of linear regions of two-layer networks: everywhere, in a ball and in a box.

A *region* is a cell of the arrangement of the neurons' hyperplanes: a largest connected open set on which no neuron
changes between active and inactive. The network is affine on it. With ``of="function"``, hyperplanes across which the
gradient does not jump are left out: those of neurons whose outer weights are zero, or whose jumps cancel, as
those of ``relu(t) − relu(−t) = t``. Across a hyperplane the gradient of every output jumps by the same ``Σ_j (1 − s)
|w_j| a_j w/|w|`` everywhere on it but where it crosses others. So the function is differentiable exactly off the
hyperplanes whose jump is not zero, and their cells are the largest connected open sets on which it is affine.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import as_float, finite_array, is_number, shown
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.regions.arrangement import count_cells
from convexrelu.regions.bounds import zaslavsky
from convexrelu.regions.domains import Ball, Domain, Everywhere, Polytope
from convexrelu.regions.hyperplanes import TOL, Hyperplanes, checked_tol

__all__ = [
    "ball_of",
    "ball_region_bound",
    "bound_in",
    "box_of",
    "checked_ball",
    "checked_box",
    "count_in",
    "count_regions",
    "count_regions_in_ball",
    "count_regions_in_box",
]


def count_regions(network: Any, *, of: str = "neurons", tol: float = TOL) -> int:
    """Exact number of linear regions of a two-layer network.

    Computed by deletion and restriction in integer arithmetic, see :mod:`convexrelu.regions.arrangement`. Neurons with
    the same hyperplane count once, and neurons without weights not at all.

    Parameters
    ----------
    network : TwoLayerNetwork, GatedNetwork or ThresholdNetwork
        Or a fitted estimator, whose ``network_`` is taken, a torch module or an MLP of scikit-learn that
        :class:`~convexrelu.TwoLayerNetwork` can be made from. With any slope of the activation; with a slope of 1
        the network is affine.
    of : {"neurons", "function"}
        Regions of constant activation, or the fewer ones on which the function is affine, where neurons without
        outer weight, or whose effects cancel, make no boundary.
    tol : float
        Relative difference up to which hyperplanes, and their intersections, count as the same, and as parallel: that
        of their rows ``(w, b)``, with units in which these are about one. The default is for rounded weights; for
        networks that were trained to an accuracy, take that. It does not depend on the scales of neurons, features
        and inputs. With 0, the floats are taken as they are.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If `network` is of another kind, or an option is not known.

    Notes
    -----
    Takes ten to thirty microseconds for each region; there are at most ``Σ_{i≤d} C(m, i)``, by
    ``region_bound([d, m])``.

    Examples
    --------
    Three lines in the plane, two of them parallel; a fourth neuron repeats one of them:

    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import count_regions
    >>> weights, bias = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -0.3]], [0.0, 1.0, 0.0, 0.0]
    >>> network = TwoLayerNetwork(weights, bias, [[1.0, 1.0, 1.0, 1.0]], [0.0])
    >>> count_regions(network)
    6
    >>> line = TwoLayerNetwork([[1.0, 0.0], [-1.0, 0.0]], [0.0, 0.0], [[1.0, -1.0]], [0.0])
    >>> count_regions(line), count_regions(line, of="function")
    (2, 1)
    """
    planes = Hyperplanes.of(network, of=of, tol=tol)
    return count_in(planes, Everywhere(), tol)


def count_regions_in_ball(
    network: Any, center: ArrayLike, radius: float, *, of: str = "neurons", tol: float = TOL
) -> int:
    """Exact number of linear regions of a two-layer network that meet the open ball around a point.

    The recursion of :func:`count_regions`, with the ball cut to the radius ``√(R² − dist²)`` on each hyperplane.
    Whether a hyperplane meets the ball is decided exactly; one that only touches it does not. What counts as the same
    is as for all regions.

    Parameters
    ----------
    network : TwoLayerNetwork
        Or what :func:`count_regions` takes.
    center : array of shape (d,)
    radius : float
        Positive.
    of, tol
        As for :func:`count_regions`.

    Returns
    -------
    int
        One for a radius below the distance of the nearest hyperplane, all regions for a large one.

    Raises
    ------
    ValueError
        If `center` does not fit the network, or `radius` is not a positive number.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import count_regions_in_ball
    >>> cross = TwoLayerNetwork([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [[1.0, 1.0]], [0.0])
    >>> [count_regions_in_ball(cross, [3.0, 4.0], radius) for radius in (3.0, 4.0, 4.5, 5.0, 5.5)]
    [1, 2, 3, 3, 4]
    """
    planes = Hyperplanes.of(network, of=of, tol=tol)
    planes, ball = ball_of(planes, *checked_ball(center, radius, planes.n_features))
    return count_in(planes, ball, tol)


def count_regions_in_box(
    network: Any, lower: ArrayLike, upper: ArrayLike, *, of: str = "neurons", tol: float = TOL
) -> int:
    """Exact number of linear regions of a two-layer network that meet the interior of a box.

    Parameters
    ----------
    network : TwoLayerNetwork
        Or what :func:`count_regions` takes.
    lower, upper : arrays of shape (d,)
        Finite, ``lower < upper``.
    of, tol
        As for :func:`count_regions`.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If the bounds do not fit the network, are not finite, or leave nothing between them.

    Notes
    -----
    The recursion keeps the vertices of the box and of its sections: ``2^d`` of them, at first. With ten features this
    takes about ten seconds for ten neurons; a ball has no such limit.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import count_regions_in_box
    >>> cross = TwoLayerNetwork([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [[1.0, 1.0]], [0.0])
    >>> count_regions_in_box(cross, [-1.0, -1.0], [1.0, 1.0]), count_regions_in_box(cross, [0, -1], [1, 1])
    (4, 2)
    """
    planes = Hyperplanes.of(network, of=of, tol=tol)
    box = box_of(planes, *checked_box(lower, upper, planes.n_features))
    return count_in(planes, box, tol)


def ball_region_bound(
    network: Any, center: ArrayLike, radius: float, *, of: str = "neurons", tol: float = TOL
) -> int:
    """Upper bound on the number of linear regions in a ball (Zhu, Lin & Tang 2020).

    ``Σ_{i≤d} C(k, i)``, where ``k = #{j : |w_jᵀx_0 + b_j| < R ‖w_j‖}`` hyperplanes meet the ball.

    Parameters
    ----------
    network, center, radius, of, tol
        As for :func:`count_regions_in_ball`.

    Returns
    -------
    int

    References
    ----------
    Zhu, Lin & Tang 2020, "Bounding the number of linear regions in local area for neural networks with ReLU
    activations".

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import ball_region_bound
    >>> cross = TwoLayerNetwork([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [[1.0, 1.0]], [0.0])
    >>> ball_region_bound(cross, [3.0, 4.0], 4.5)  # the corner between the lines is outside
    4
    """
    planes = Hyperplanes.of(network, of=of, tol=tol)
    return bound_in(*ball_of(planes, *checked_ball(center, radius, planes.n_features)))


def count_in(planes: Hyperplanes, domain: Domain, tol: float) -> int:
    """Number of cells of the hyperplanes in a set."""
    return count_cells(planes.rows, domain, checked_tol(tol)) if len(planes) else 1


def bound_in(planes: Hyperplanes, ball: Ball) -> int:
    """As many cells as the hyperplanes that meet a ball have in general position."""
    crossing = sum(ball.meets(row, index) for index, row in enumerate(planes.rows))
    return zaslavsky(crossing, planes.n_features)


def ball_of(planes: Hyperplanes, center: Array, radius: float) -> tuple[Hyperplanes, Ball]:
    """Hyperplanes near a ball, and the ball."""
    sides = np.abs(planes.weights @ center + planes.bias)
    sizes = np.abs(planes.weights) @ np.abs(center) + np.abs(planes.bias)
    # Generous, as those that are kept are examined exactly.
    reach = 1.001 * radius * norms(planes.weights) + 1e-9 * sizes
    planes = planes.select(np.flatnonzero(sides <= reach))
    middle = [Fraction(x) for x in center.tolist()]
    return planes, Ball.around(middle, Fraction(radius), planes.unscaled_rows())


def box_of(planes: Hyperplanes, lower: Array, upper: Array) -> Polytope:
    """A box in the coordinates of the rows."""
    corners = [
        [Fraction(end) / scale for end, scale in zip(ends.tolist(), planes.powers(), strict=True)]
        for ends in (lower, upper)
    ]
    return Polytope.box(*corners)


def checked_ball(center: ArrayLike, radius: float, d: int) -> tuple[Array, float]:
    """A centre with `d` coordinates and a positive radius."""
    if not is_number(radius) or not 0 < as_float(radius) < np.inf:
        raise ValueError(f"radius={shown(radius)} is not a positive number")
    return finite_array("center", center, d), as_float(radius)


def checked_box(lower: ArrayLike, upper: ArrayLike, d: int) -> tuple[Array, Array]:
    """Bounds with `d` coordinates, finite and increasing."""
    low, high = finite_array("lower", lower, d), finite_array("upper", upper, d)
    if not (low < high).all():
        k = int(np.argmin(low < high))
        raise ValueError(
            f"lower={low[k]:g} is not below upper={high[k]:g} in coordinate {k}; the box must have an interior"
        )
    return low, high
