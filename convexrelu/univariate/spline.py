r"""Networks with one feature as linear splines, and linear splines as networks of the smallest penalty.

A neuron ``a φ(wx + b)`` with ``w ≠ 0`` is linear but for a knot at ``β = −b/w``, where its slope jumps by ``(1 − s)
|w| a``, with ``s`` the slope of ``φ`` on the left, 0 for ReLU. This does not depend on the side that the neuron
faces. Many networks are one spline, therefore, and :func:`from_spline` has to choose among them.

**The smallest penalty.** Let the hidden biases be free, and take ReLU and one output. The best balanced network with
given ``u_j = |w_j| a_j`` has the penalty ``Σ_j |u_j|``. At a point ``β_k`` let ``p_k`` be the sum of ``u_j`` of
neurons that face right, ``w_j > 0``, and ``q_k`` that of neurons that face left; to join the former into one neuron,
and the latter, does not raise the penalty. With the jumps ``δ_k`` of the spline, which are zero where it has no knot,
and its outermost slopes, ``l`` on the left and ``r`` on the right, the network is the spline, up to a constant, iff::

    p_k + q_k = δ_k  for all k,      Σ_k p_k = r,      Σ_k q_k = −l

and of the last two, one follows from the other, as ``Σ_k δ_k = r − l``. Put ``d_k = p_k − q_k``. As ``|p| + |q| =
max(|p + q|, |p − q|)``, all that is left is::

    min_d  Σ_k max(|δ_k|, |d_k|)     s.t.     Σ_k d_k = l + r

No sum of this kind is below ``V = Σ_k |δ_k|`` or below ``|l + r|``, and one of them is reached: if ``|l + r| ≤ V``, by
any ``d`` with ``|d_k| ≤ |δ_k|`` and this sum, otherwise by ``d_k = ±|δ_k|``, all of one sign, plus the excess ``|l + r|
− V`` at any one point. So the smallest penalty is::

    max(V, |l + r|)

(Savarese, Evron, Soudry & Srebro 2019). The line ``x = relu(x) − relu(−x)`` has ``V = 0`` and costs 2.

**The fewest neurons at this penalty.** A knot has one neuron iff ``d_k = ±δ_k``, and two otherwise. With ``k ≥ 1``
knots, ``k + 1`` neurons are always enough: at all knots but one, only one side has a neuron. ``k`` are enough iff
some of the jumps, or none, sum to ``−l``: those that face left. This is the subset sum problem, NP-hard in general
and fast for few knots. A line that is not constant takes two neurons.

References
----------
Savarese, Evron, Soudry & Srebro 2019, "How do infinite width bounded norm networks look in function space?" Conditions:
one feature, one output, ReLU, no penalty on biases.

Sahs, Pyle, Damaraju, Caro, Tavaslioglu, Lu, Anselmi & Patel 2022, "Shallow univariate ReLU networks as splines:
initialization, loss surface, Hessian, and gradient flow dynamics".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PPoly

from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["Knots", "from_spline", "knots", "to_spline"]


_EPS = float(np.finfo(np.float64).eps)
# Positions −b/w of one knot differ by their own rounding, and that of a balanced neuron's w and b.
_SAME_KNOT = 8 * _EPS
# Rounding errors of jumps that cancel, or of two equal slopes.
_NO_JUMP = 4 * _EPS
# Rounding errors of a sum of jumps that is zero.
_NO_REST = 16 * _EPS
# Gap between two pieces, relative to the largest value at a breakpoint, that counts as rounding.
_NO_GAP = 1e-9
# Fraction of a number that can be subtracted from it with many digits left.
_BEYOND_ROUNDING = 1e-6
# Above this many knots, not all sums of jumps are tried; at it, 2¹⁶ for each half of them are.
_FEW_KNOTS = 32


class Knots(NamedTuple):
    """Positions at which the slope of a network with one feature jumps, and the jumps.

    Attributes
    ----------
    positions : array of shape (k,)
        Increasing.
    jumps : array of shape (k,) for one output, (k, K) otherwise
        Slope on the right minus slope on the left.
    """

    positions: Array
    jumps: Array


def knots(network: TwoLayerNetwork) -> Knots:
    """Knots ``β = −b/w`` of a network with one feature, and the slope jumps ``(1 − s) |w| a`` there.

    Jumps of neurons with the same knot are summed; positions that differ by less than ``8 eps |β|`` count as equal.
    If the sum is zero, up to rounding, there is no knot. Neurons with ``w = 0`` have none.

    Parameters
    ----------
    network : TwoLayerNetwork
        With one feature; any slope ``s`` of the activation, any number of outputs, optionally a skip connection.

    Returns
    -------
    Knots

    Raises
    ------
    ValueError
        For more than one feature, or a knot beyond the largest number.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.univariate import knots
    >>> net = TwoLayerNetwork([[2.0], [-1.0], [3.0]], [-2.0, 1.0, 6.0], [[0.5, 1.0, -1.0]], [0.0])
    >>> knots(net)
    Knots(positions=array([-2.,  1.]), jumps=array([-3.,  2.]))
    """
    sides = _sides(network)
    jumps = (sides.right + sides.left)[sides.is_knot]
    return Knots(sides.positions[sides.is_knot], jumps[:, 0] if network.n_outputs == 1 else jumps)


def to_spline(network: TwoLayerNetwork) -> PPoly:
    """The function of a network with one feature, as a linear spline.

    Parameters
    ----------
    network : TwoLayerNetwork
        As for :func:`knots`.

    Returns
    -------
    scipy.interpolate.PPoly
        Of degree one. Its breakpoints are the knots and one point beyond either end; without knots, −1 and 1. It
        extrapolates, and so is the network on the whole line: of an array ``x`` of shape (n,) it is
        ``network.predict(x[:, None])``, up to rounding. Rounding errors are relative to the values at ``x`` and at
        the breakpoint to the left of it, as a PPoly starts its pieces there.

    Raises
    ------
    ValueError
        As for :func:`knots`.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.univariate import to_spline
    >>> absolute_value = TwoLayerNetwork([[1.0], [-1.0]], [0.0, 0.0], [[1.0, 1.0]], [0.0])
    >>> spline = to_spline(absolute_value)
    >>> spline.x, spline.c[0]  # breakpoints and slopes
    (array([-1.,  0.,  1.]), array([-1.,  1.]))
    >>> spline([-30.0, 0.5])
    array([30. ,  0.5])
    """
    sides = _sides(network)
    common = network.negative_slope * (network.output_weights @ network.hidden_weights)[:, 0]
    if network.skip_weights is not None:
        common = common + network.skip_weights[:, 0]
    # Active neurons are summed, from either end, so that slopes of zero are zero.
    nothing = np.zeros((1, network.n_outputs))
    right = np.vstack([nothing, np.cumsum(sides.right, axis=0)])
    left = np.vstack([np.cumsum(sides.left[::-1], axis=0)[::-1], nothing])
    slopes = (common + right - left)[np.append(True, sides.is_knot)]
    breakpoints = _with_ends(sides.positions[sides.is_knot])
    coefficients = np.stack([slopes, network.forward(breakpoints[:-1, None])])
    return PPoly(coefficients[..., 0] if network.n_outputs == 1 else coefficients, breakpoints)


def from_spline(spline: PPoly) -> TwoLayerNetwork:
    """A ReLU network that equals the given linear spline, of the smallest penalty for free hidden biases.

    For one output, the penalty ``½ Σ_j (w_j² + a_j²)`` is ``max(Σ_k |δ_k|, |l + r|)``, with jumps ``δ_k`` and outermost
    slopes ``l`` and ``r``: no ReLU network that is this spline on the whole line has a smaller one (Savarese et al.
    2019; proof in the docstring of this module). Networks that are the spline on an interval only may have one.

    Parameters
    ----------
    spline : scipy.interpolate.PPoly
        Continuous and piecewise linear, with values of shape () or (K,): of degree one, or a higher one with
        coefficients of zero. The network continues the outermost pieces, whatever ``spline.extrapolate`` says.

    Returns
    -------
    TwoLayerNetwork
        Balanced, ``|w_j| = ‖a_j‖``. For one output and ``k`` knots it has at most ``k + 1`` neurons, two for a line.
        With at most 32 knots it has the fewest that this penalty allows: ``k``, if some jumps sum to ``−l`` up to
        rounding. With more knots, ``k`` is sure only where ``l`` or ``r`` is zero.

        For several outputs it has at most ``k + 1`` neurons, too, but its penalty need not be the smallest one: all
        knots but one face the same side, and the penalty is between ``max(Σ_k ‖δ_k‖, ‖l + r‖)``, below which there
        is none, and ``Σ_k ‖δ_k‖ + 2 min(‖l‖, ‖r‖)``. The best split of jumps between the sides is a second-order cone
        program.

    Raises
    ------
    ValueError
        If the spline is no PPoly of this kind: discontinuous, by more than 1e-9 of its largest value at a breakpoint,
        curved, not finite, with decreasing breakpoints, or with values that are no vectors. The message says
        what was found.

    Examples
    --------
    A hat, the linear interpolant of four points:

    >>> from scipy.interpolate import PPoly, make_interp_spline
    >>> from convexrelu.univariate import from_spline
    >>> hat = PPoly.from_spline(make_interp_spline([-2, -1, 0, 1, 2], [0, 0, 1, 0, 0], k=1))
    >>> network = from_spline(hat)
    >>> network.width, network.penalty(free_bias=True)  # jumps of 1, −2 and 1
    (3, 4.0)
    >>> network.predict([[-5.0], [0.0], [0.5]])
    array([0. , 1. , 0.5])
    """
    breakpoints, slopes, values = _checked_pieces(spline)
    positions, jumps = breakpoints[1:-1], np.diff(slopes, axis=0)
    sizes = np.maximum(np.abs(slopes[:-1]), np.abs(slopes[1:]))
    is_knot = (np.abs(jumps) > _NO_JUMP * sizes).any(axis=1)
    positions, jumps = positions[is_knot], jumps[is_knot]
    if not positions.size:  # a line: any point will do
        positions, jumps = breakpoints[:1], np.zeros((1, slopes.shape[1]))
    if slopes.shape[1] == 1:
        right = _right_part(jumps[:, 0], slopes[0, 0], slopes[-1, 0])[:, None]
    else:
        right = _right_part_of_several(jumps, slopes[0], slopes[-1])
    facing = np.repeat([1.0, -1.0], len(positions))
    network = TwoLayerNetwork(
        facing[:, None],
        -facing * np.tile(positions, 2),
        np.vstack([right, jumps - right]).T,
        np.zeros(slopes.shape[1]),
    ).balance(free_bias=True)
    middle = len(values) // 2
    rest = values[middle] - network.forward(breakpoints[middle : middle + 1, None])[0]
    return network.with_output_bias(rest)


class _Sides(NamedTuple):
    """Neurons by their knots, possibly none; jumps of right-facing ones, and of left-facing ones, of shape (g, K)."""

    positions: Array
    right: Array
    left: Array
    is_knot: NDArray[np.bool_]


def _sides(network: TwoLayerNetwork) -> _Sides:
    if network.n_features != 1:
        raise ValueError(f"network takes {network.n_features} features, expected 1")
    w, b = network.hidden_weights[:, 0], network.hidden_bias
    alive = np.flatnonzero(w)
    with np.errstate(over="ignore"):
        positions = 0.0 - b[alive] / w[alive]
    if not np.isfinite(_with_ends(np.sort(positions))).all():
        raise ValueError(
            f"network has a knot −b/w at {positions[np.argmax(np.abs(positions))]:g}, "
            "too large for a breakpoint"
        )
    order = np.argsort(positions, kind="stable")
    alive, positions = alive[order], positions[order]
    starts = np.flatnonzero(np.diff(positions, prepend=-np.inf) > _SAME_KNOT * np.abs(positions))
    jumps = (1 - network.negative_slope) * (np.abs(w) * network.output_weights).T[alive]

    def of_groups(rows: Array) -> Array:
        return np.add.reduceat(rows, starts, axis=0)

    faces_right = w[alive, None] > 0
    right, left = of_groups(jumps * faces_right), of_groups(jumps * ~faces_right)
    is_jump = np.abs(right + left) > _NO_JUMP * of_groups(np.abs(jumps))
    return _Sides(positions[starts], right, left, np.asarray(is_jump.any(axis=1)))


def _with_ends(positions: Array) -> Array:
    """Sorted positions and a point beyond either end, about as far away as they are from each other."""
    if not positions.size:
        return np.array([-1.0, 1.0])
    ends = positions[[0, -1]]
    with np.errstate(over="ignore", invalid="ignore"):
        gap = np.median(np.diff(positions)) if len(positions) > 1 else abs(ends[0]) or 1.0
        low, high = ends + np.array([-1, 1]) * np.maximum(gap, _BEYOND_ROUNDING * np.abs(ends))
    return np.concatenate([[low], positions, [high]])


def _checked_pieces(spline: PPoly) -> tuple[Array, Array, Array]:
    """Breakpoints of shape (m + 1,), slopes of the pieces and their values on the left, both of shape (m, K)."""
    if not isinstance(spline, PPoly):
        raise ValueError(
            f"spline is a {type(spline).__name__}, expected a scipy.interpolate.PPoly; "
            "PPoly.from_spline makes one of a BSpline"
        )
    x, c = spline.x, spline.c
    if c.ndim > 3 or np.iscomplexobj(c):
        raise ValueError(
            f"spline has {c.dtype} values of shape {c.shape[2:]}, expected real ones of shape () or (K,)"
        )
    if not (np.isfinite(c).all() and np.isfinite(x).all()):
        raise ValueError("spline contains NaN or infinity; breakpoints and pieces must be finite")
    if x[0] > x[-1]:
        raise ValueError("spline has decreasing breakpoints, expected increasing ones")
    # Pieces of no length count at the ends only, from which they are extrapolated; B-splines have some.
    kept = np.diff(x) > 0
    kept[[0, -1]] = True
    x, c = x[np.append(True, kept)], c.reshape(*c.shape[:2], -1)[:, kept]
    curved = np.argwhere(c[:-2])
    if curved.size:
        row, piece, output = curved[0]
        raise ValueError(
            f"spline is curved: its piece on [{x[piece]:g}, {x[piece + 1]:g}] has the coefficient "
            f"{c[row, piece, output]:g} of degree {len(c) - 1 - row}, expected 0 above degree 1"
        )
    values = c[-1]
    slopes = c[-2] if len(c) > 1 else np.zeros_like(values)
    ends = values + slopes * np.diff(x)[:, None]
    gaps = np.abs(ends[:-1] - values[1:]).max(axis=1, initial=0.0)
    if gaps.max(initial=0.0) > _NO_GAP * max(np.abs(values).max(), np.abs(ends).max()):
        worst = int(np.argmax(gaps))
        raise ValueError(
            f"spline is discontinuous: its value changes by {gaps[worst]:g} at {x[worst + 1]:g}, "
            "expected a continuous one"
        )
    return x, slopes, values


def _right_part(jumps: Array, left: float, right: float) -> Array:
    """``p``: the right-facing part of the jumps, for the smallest penalty and then the fewest neurons."""
    faces_left = _subset_of_sum(jumps, -left) if len(jumps) <= _FEW_KNOTS else None
    if faces_left is not None:
        return np.where(faces_left, 0.0, jumps)
    # All knots face the side that is closer to right, and some turn, the last one in part, until Σd = l + r.
    d, change = (jumps, 2 * left) if abs(left) <= abs(right) else (-jumps, 2 * right)
    room = np.where(d * change < 0, 2 * np.abs(d), 0.0)
    d = d + np.sign(change) * np.clip(abs(change) - (np.cumsum(room) - room), 0.0, room)
    d[0] += np.sign(change) * max(abs(change) - room.sum(), 0.0)
    return (jumps + d) / 2


def _right_part_of_several(jumps: Array, left: Array, right: Array) -> Array:
    """The same for several outputs: all jumps on one side, and the rest of the outermost slope at one knot."""
    if np.linalg.norm(left) <= np.linalg.norm(right):
        part, rest, others = jumps.copy(), left, jumps + left
    else:
        part, rest, others = np.zeros_like(jumps), right, jumps - right
    cheapest = np.argmin(np.linalg.norm(others, axis=1) - np.linalg.norm(jumps, axis=1))
    part[cheapest] += rest
    return part


def _subset_of_sum(terms: Array, wanted: float) -> NDArray[np.bool_] | None:
    """Mask of terms with the given sum, up to rounding, or None (Horowitz & Sahni 1974)."""
    half = len(terms) // 2
    first, second = _subset_sums(terms[:half]), _subset_sums(terms[half:])
    order = np.argsort(second)
    after = np.searchsorted(second[order], wanted - first).clip(1, len(order) - 1)
    near = np.stack([after - 1, after])
    errors = np.abs(first + second[order[near]] - wanted)
    which, i = np.unravel_index(np.argmin(errors), errors.shape)
    if errors[which, i] > _NO_REST * (np.abs(terms).sum() + abs(wanted)):
        return None
    subset = int(i) + (int(order[near[which, i]]) << half)
    return np.array([subset >> j & 1 for j in range(len(terms))], dtype=bool)


def _subset_sums(terms: Array) -> Array:
    """Sums of all subsets, in the order of their binary numbers."""
    sums = np.zeros(1)
    for term in terms:
        sums = np.append(sums, sums + term)
    return sums
