"""Loss-gradient clouds of walks, and what their widths say about valleys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.landscape.walks import Walks

__all__ = ["CloudWidths", "cloud_widths", "valley_widths"]


@dataclass(frozen=True, eq=False)
class CloudWidths:
    """A quantity at several levels of the loss, by three quantiles.

    Attributes
    ----------
    edges : array of shape (k + 1,)
        Losses between which the levels lie; about as many points are in each.
    low, median, high : arrays of shape (k,)
        Quantiles of the quantity in a level.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import CloudWidths
    >>> CloudWidths(np.array([0.0, 1.0]), np.array([0.1]), np.array([1.0]), np.array([10.0])).decades
    array([2.])
    """

    edges: Array
    low: Array
    median: Array
    high: Array

    @property
    def decades(self) -> Array:
        """Width of a level in powers of ten: ``log10(high / low)``; infinite where `low` is zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log10(self.high / self.low)


def cloud_widths(walks: Walks, n_levels: int = 8, *, coverage: float = 0.9) -> CloudWidths:
    """Lengths of gradients at several levels of the loss.

    A wide cloud at a low level has steep and flat points at the same loss: narrow valleys beside wide ones.

    Parameters
    ----------
    walks : Walks
        Walks of any kind.
    n_levels : int
        Number of levels, each with about as many points.
    coverage : float
        Share of the points of a level that lie between its outer quantiles.

    Examples
    --------
    >>> from convexrelu.landscape import LossLandscape, cloud_widths, walk
    >>> X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    >>> xor = LossLandscape(X, [0.0, 1.0, 1.0, 0.0], width=2, activation="tanh")
    >>> widths = cloud_widths(walk(xor, n_steps=100, random_state=0), 4)
    >>> widths.median.shape
    (4,)
    """
    return _by_level(walks.losses.ravel(), walks.gradient_norms.ravel(), n_levels, coverage)


def valley_widths(
    walks: Walks, floor: float = 0.0, n_levels: int = 8, *, coverage: float = 0.9
) -> CloudWidths:
    """Widths of the valleys that walks have met, at several levels of the loss.

    The width at a point is ``(L − floor) / ‖∇L‖``: the distance to the floor at the present slope. It is small
    where a valley is narrow, since its walls are steep at low losses.

    Parameters
    ----------
    walks : Walks
        Walks of any kind.
    floor : float
        Loss of the bottom, such as the lower bound of a certificate.
    n_levels, coverage
        As for :func:`cloud_widths`.

    Examples
    --------
    >>> from convexrelu.landscape import LossLandscape, valley_widths, walk
    >>> X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    >>> xor = LossLandscape(X, [0.0, 1.0, 1.0, 0.0], width=2, activation="tanh")
    >>> widths = valley_widths(walk(xor, n_steps=100, random_state=0), floor=0.0, n_levels=4)
    >>> bool((widths.low <= widths.high).all())
    True
    """
    losses, norms = walks.losses.ravel(), walks.gradient_norms.ravel()
    if losses.min() < floor:
        raise ValueError(f"floor={floor!r} is above a loss of the walks, {losses.min():.6g}")
    moving = norms > 0
    return _by_level(losses[moving], (losses[moving] - floor) / norms[moving], n_levels, coverage)


def _by_level(losses: Array, values: Array, n_levels: int, coverage: float) -> CloudWidths:
    if not 1 <= n_levels <= len(losses):
        raise ValueError(f"n_levels={n_levels!r} is not between 1 and {len(losses)}, the points")
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage={coverage!r} is not a share in (0, 1]")
    order = np.argsort(losses, kind="stable")
    outside = (1 - coverage) / 2
    levels = np.array_split(order, n_levels)
    quantiles = [np.quantile(values[level], (outside, 0.5, 1 - outside)) for level in levels]
    edges = np.append([losses[level[0]] for level in levels], losses[order[-1]])
    low, median, high = np.array(quantiles).T
    return CloudWidths(edges, low, median, high)
