"""Heights between minima of a loss landscape, along nudged elastic paths."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_number, check_type, finite_array, float_array
from convexrelu._utils.typing import Array
from convexrelu.landscape.loss_landscape import LossLandscape
from convexrelu.landscape.symmetry import aligned

__all__ = ["PathHeights", "minimax_heights", "path_heights"]

# Adam's usual decays, and a smoothing of its denominator.
_FIRST, _SECOND, _SMALL = 0.9, 0.999, 1e-12
_LOOK_EVERY = 20  # iterations between two measurements of the paths
_BETWEEN = 5  # points measured on a segment during the search
# Afterwards the top of a path is looked for on a finer grid, and then closer and closer around it.
_FINE, _CLOSER, _ZOOM = 40, 3, 10


@dataclass(frozen=True, eq=False)
class PathHeights:
    """Paths between pairs of minima, and how high they rise.

    A height is the largest loss on a path, found on a grid and then closer around its top; it is not below the lowest
    pass but for what the grid misses.

    Attributes
    ----------
    heights : array of shape (k, k)
        Symmetric; on the diagonal are the losses of the minima.
    straight : array of shape (k, k)
        The same for straight lines.
    paths : dict of (int, int) to array of shape (q + 2, p)
        Path from minimum ``i`` to a copy of minimum ``j > i`` whose units are in another order.

    Examples
    --------
    >>> from convexrelu.landscape import LossLandscape, path_heights
    >>> landscape = LossLandscape([[-1.0], [1.0]], [1.0, 1.0], width=1, hidden_bias=False, fit_intercept=False)
    >>> found = path_heights(landscape, [[1.0, 1.0], [-1.0, 1.0]], n_iter=20)
    >>> bool((found.heights <= found.straight).all()), list(found.paths)
    (True, [(0, 1)])
    """

    heights: Array
    straight: Array
    paths: dict[tuple[int, int], Array]


def path_heights(
    landscape: LossLandscape,
    minima: ArrayLike,
    *,
    n_pivots: int = 9,
    n_iter: int = 300,
    step: float = 0.02,
    spring: float = 1.0,
    align: bool = True,
    progress: Callable[[int, float], None] | None = None,
) -> PathHeights:
    """Search low paths between all pairs of minima, by the nudged elastic band method.

    The pivots of a path move down the gradient perpendicular to the path, and springs along the path keep them apart.
    Of all paths seen on the way, the straight line among them, the lowest is kept.

    Parameters
    ----------
    landscape : LossLandscape
    minima : array of shape (k, p)
        Ends of the paths.
    n_pivots : int
        Points of a path that move.
    n_iter : int
        Iterations of Adam.
    step : float
        Its step, as a share of the mean distance between two minima, falling to zero.
    spring : float
        Strength of the springs, relative to the gradient.
    align : bool
        Order the units of one end, and choose their signs, as close to those of the other as possible. This changes
        no loss.
    progress : callable, optional
        Called with the iteration and the mean height of the paths, every 20 iterations.

    Returns
    -------
    PathHeights

    References
    ----------
    Jónsson, Mills & Jacobsen 1998, "Nudged elastic band method"; Draxler et al. 2018, "Essentially no barriers in
    neural network energy landscape".

    Notes
    -----
    12 minima, that is 66 paths, with 25 parameters and 20 samples take 1.5 s on one core.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import LossLandscape, path_heights
    >>> landscape = LossLandscape([[-1.0], [1.0]], [1.0, 1.0], width=1, hidden_bias=False, fit_intercept=False)
    >>> found = path_heights(landscape, [[1.0, 1.0], [-1.0, 1.0]], n_iter=50)
    >>> found.heights.round(3)  # either end fits one sample; between them w = 0 fits none
    array([[0.25, 0.5 ],
           [0.5 , 0.25]])
    """
    check_type("landscape", landscape, LossLandscape)
    minima = finite_array("minima", minima, "k", landscape.size)
    for name, value in (("n_pivots", n_pivots), ("n_iter", n_iter)):
        check_number(name, value, numbers.Integral, 1)
    check_number("step", step, numbers.Real, 0)
    check_number("spring", spring, numbers.Real, 0)
    pairs = list(combinations(range(len(minima)), 2))
    heights = np.diag(landscape.losses(minima))
    straight = heights.copy()
    if not pairs:
        return PathHeights(heights, straight, {})
    ends = [(minima[i], minima[j]) for i, j in pairs]
    if align:
        ends = [(start, aligned(landscape, start, end)) for start, end in ends]
    lines = np.linspace([a for a, _ in ends], [b for _, b in ends], n_pivots + 2, axis=1)
    best = _lowered(landscape, lines, n_iter, step, spring, progress)
    before, after = _precise_tops(landscape, lines), _precise_tops(landscape, best)
    best = np.where((before <= after)[:, None, None], lines, best)
    rows, columns = np.array(pairs).T
    # A path is no lower than its ends, also where those are computed with other rounding.
    least = np.maximum(heights[rows, rows], heights[columns, columns])
    for matrix, tops in ((straight, before), (heights, np.minimum(before, after))):
        matrix[rows, columns] = matrix[columns, rows] = np.maximum(tops, least)
    return PathHeights(heights, straight, dict(zip(pairs, best, strict=True)))


def minimax_heights(heights: ArrayLike) -> Array:
    """Heights of the lowest chains of paths: ``h_ij ← min(h_ij, max(h_ik, h_kj))`` over all ``k``.

    Examples
    --------
    >>> minimax_heights([[0.0, 9.0, 2.0], [9.0, 0.0, 3.0], [2.0, 3.0, 1.0]])[0]
    array([0., 3., 2.])
    """
    lowest = float_array("heights", heights)
    if lowest.ndim != 2 or len(lowest) != lowest.shape[1] or np.isnan(lowest).any():
        raise ValueError(f"heights has shape {lowest.shape} or NaN, expected (k, k) without")
    for k in range(len(lowest)):
        lowest = np.minimum(lowest, np.maximum(lowest[:, [k]], lowest[[k], :]))
    return lowest


def _lowered(
    landscape: LossLandscape,
    paths: Array,
    n_iter: int,
    step: float,
    spring: float,
    progress: Callable[[int, float], None] | None,
) -> Array:
    """The lowest of the paths of a run of Adam, for each pair."""
    best, tops = paths.copy(), _tops(landscape, paths)
    paths = paths.copy()
    length = np.linalg.norm(paths[:, -1] - paths[:, 0], axis=1).mean() / landscape.size**0.5
    mean, square = np.zeros((2, *paths[:, 1:-1].shape))
    for t in range(1, n_iter + 1):
        force = _force(landscape, paths, spring)
        mean += (1 - _FIRST) * (force - mean)
        square += (1 - _SECOND) * (force**2 - square)
        size = np.sqrt(square / (1 - _SECOND**t)) + _SMALL
        rate = step * length * (1 - (t - 1) / n_iter)
        paths[:, 1:-1] += rate * mean / (1 - _FIRST**t) / size
        if t % _LOOK_EVERY == 0 or t == n_iter:
            now = _tops(landscape, paths)
            lower = now < tops
            best[lower], tops[lower] = paths[lower], now[lower]
            if progress is not None:
                progress(t, float(tops.mean()))
    return best


def _force(landscape: LossLandscape, paths: Array, spring: float) -> Array:
    """Descent perpendicular to the path, and springs along it."""
    losses, gradients = landscape.gradients(paths)
    ahead, behind = paths[:, 2:] - paths[:, 1:-1], paths[:, 1:-1] - paths[:, :-2]
    # Along the side that goes up; at a top or a bottom, along both (Henkelman & Jónsson 2000).
    rises = (losses[:, 2:] > losses[:, :-2])[..., None]
    between = (losses[:, 1:-1] > losses[:, :-2]) == (losses[:, 2:] > losses[:, 1:-1])
    tangent = np.where(between[..., None], np.where(rises, ahead, behind), ahead + behind)
    lengths = np.linalg.norm(tangent, axis=-1, keepdims=True)
    tangent = tangent / np.where(lengths > 0, lengths, 1.0)
    down = -gradients[:, 1:-1]
    down = down - (down * tangent).sum(axis=-1, keepdims=True) * tangent
    far, near = (np.linalg.norm(side, axis=-1, keepdims=True) for side in (ahead, behind))
    total = far + near
    pull = (far - near) / np.where(total > 0, total, 1.0)
    strength = spring * np.linalg.norm(gradients, axis=-1).max(axis=1)[:, None, None]
    return down + strength * pull * tangent


def _tops(landscape: LossLandscape, paths: Array) -> Array:
    """Largest loss on each path, at the pivots and at points between them."""
    shares = np.arange(_BETWEEN)[:, None, None, None] / _BETWEEN
    between = paths[:, :-1] + shares * (paths[:, 1:] - paths[:, :-1])
    inside = landscape.losses(between).max(axis=(0, 2))
    return np.maximum(inside, landscape.losses(paths[:, -1]))


def _precise_tops(landscape: LossLandscape, paths: Array) -> Array:
    """Largest loss on each path, closer and closer around the highest point of a grid."""
    last = paths.shape[1] - 1
    places = np.tile(np.linspace(0.0, last, _FINE * last + 1), (len(paths), 1))
    spacing = 1.0 / _FINE
    for _ in range(_CLOSER):
        losses = landscape.losses(_at(paths, places))
        top = np.take_along_axis(places, losses.argmax(axis=1)[:, None], axis=1)
        places = np.clip(top + spacing * np.linspace(-1.0, 1.0, 2 * _ZOOM + 1), 0.0, last)
        spacing /= _ZOOM
    return landscape.losses(_at(paths, places)).max(axis=1)


def _at(paths: Array, places: Array) -> Array:
    """Points of paths; place ``i + s`` is between pivots ``i`` and ``i + 1``."""
    pivot = np.minimum(places.astype(int), paths.shape[1] - 2)
    rows = np.arange(len(paths))[:, None]
    share = (places - pivot)[..., None]
    return (1 - share) * paths[rows, pivot] + share * paths[rows, pivot + 1]
