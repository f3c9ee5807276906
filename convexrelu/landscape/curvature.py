"""Curvature of a loss landscape: classes of points by the eigenvalues of their Hessians."""

from __future__ import annotations

import numbers
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.arguments import check_number, check_type, finite_array
from convexrelu._utils.typing import Array
from convexrelu.landscape.loss_landscape import LossLandscape

__all__ = ["CURVATURES", "Curvature", "curvature", "hessian_null_space"]

CURVATURES = ("convex", "saddle", "concave", "singular")
# Hessians at a time: eigenvalues of 64 MiB of them.
_BATCH = 2**23


@dataclass(frozen=True, eq=False)
class Curvature:
    """Eigenvalues of Hessians, and classes that follow from them and from a tolerance.

    An eigenvalue is zero if ``|λ| ≤ max(rtol · max|λ|, atol)``. Classes depend on this tolerance, which
    should be stated wherever shares are compared.

    Attributes
    ----------
    eigenvalues : array of shape (..., p)
        In increasing order.
    rtol, atol : float
        The tolerance.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import Curvature
    >>> found = Curvature(np.array([[-1.0, 2.0], [0.0, 3.0]]), rtol=1e-6, atol=1e-12)
    >>> found.classes, found.ranks
    (array(['saddle', 'singular'], dtype='<U8'), array([2, 1]))
    """

    eigenvalues: Array
    rtol: float
    atol: float

    @property
    def is_zero(self) -> NDArray[np.bool_]:
        """Which eigenvalues count as zero, of shape (..., p)."""
        sizes = np.abs(self.eigenvalues)
        return sizes <= np.maximum(self.rtol * sizes.max(axis=-1, keepdims=True), self.atol)

    @property
    def ranks(self) -> NDArray[np.int_]:
        """Ranks of the Hessians."""
        return (~self.is_zero).sum(axis=-1)

    @property
    def classes(self) -> NDArray[np.str_]:
        """``"singular"`` with a zero eigenvalue, ``"saddle"`` with both signs, else ``"convex"`` or ``"concave"``."""
        positive = (self.eigenvalues > 0).all(axis=-1)
        negative = (self.eigenvalues < 0).all(axis=-1)
        regular = np.where(positive, "convex", np.where(negative, "concave", "saddle"))
        return np.where(self.is_zero.any(axis=-1), "singular", regular)

    def shares(self) -> dict[str, float]:
        """Share of the points in each class."""
        classes = self.classes
        return {name: float(np.mean(classes == name)) for name in CURVATURES}


def curvature(
    landscape: LossLandscape, points: ArrayLike, *, rtol: float = 1e-6, atol: float = 1e-12
) -> Curvature:
    """Curvature at points, such as those of a walk.

    Parameters
    ----------
    landscape : LossLandscape
    points : array of shape (..., p)
        Points of the landscape.
    rtol, atol : float
        Eigenvalues up to ``max(rtol · max|λ|, atol)`` count as zero. Those of float64 are off by about
        ``1e-16 · p · max|λ|``.

    Notes
    -----
    9000 points of XOR with 9 parameters take 0.1 s on one core, 3850 points of the iris data with 35 parameters 4 s.

    Bosman, Engelbrecht & Helbig find that ReLU has the most convex points. This is not reproduced here. Without weight
    decay, the Hessian of ``m`` rectifiers and one output on ``n`` samples has a rank of at most ``n + 2m``: ``n`` from
    the loss, and 2 from each unit, whose weights and outer weight are multiplied. Where this is less than the number of
    parameters, all points are singular, as for XOR with two units. Elsewhere the class depends on the tolerance.

    References
    ----------
    Bosman, Engelbrecht & Helbig 2020, "Loss surface modality of feed-forward neural network architectures".

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import LossLandscape, curvature
    >>> line = LossLandscape([[-1.0], [1.0]], [0.0, 1.0], width=1, activation="sigmoid", alpha=0.1)
    >>> curvature(line, np.zeros(4)).classes
    array('saddle', dtype='<U8')
    """
    _check(landscape, rtol, atol)
    points = finite_array("points", points)
    if points.ndim == 0 or points.shape[-1] != landscape.size:
        raise ValueError(f"points has shape {points.shape}, expected (..., {landscape.size})")
    rows = points.reshape(-1, landscape.size)
    pieces = np.array_split(rows, max(1, len(rows) * landscape.size**2 // _BATCH + 1))
    values = [np.linalg.eigvalsh(landscape.hessians(piece)) for piece in pieces if len(piece)]
    eigenvalues = np.concatenate(values) if values else np.empty((0, landscape.size))
    return Curvature(eigenvalues.reshape(points.shape), rtol, atol)


def hessian_null_space(
    landscape: LossLandscape, point: ArrayLike, *, rtol: float = 1e-6, atol: float = 1e-12
) -> Array:
    """Orthonormal basis of the null space of the Hessian at a point.

    Parameters
    ----------
    landscape : LossLandscape
    point : array of shape (p,)
    rtol, atol : float
        As for :func:`curvature`.

    Returns
    -------
    array of shape (p, k)

    Examples
    --------
    To first order, the output ``w a`` does not change along ``(1, −1)`` where ``w = a``:

    >>> from convexrelu.landscape import LossLandscape, hessian_null_space
    >>> line = LossLandscape([[1.0]], [1.0], width=1, hidden_bias=False, fit_intercept=False)
    >>> abs(hessian_null_space(line, [1.0, 1.0])).round(3)
    array([[0.707],
           [0.707]])
    """
    _check(landscape, rtol, atol)
    point = finite_array("point", point, landscape.size)
    values, vectors = np.linalg.eigh(landscape.hessians(point))
    return vectors[:, Curvature(values, rtol, atol).is_zero]


def _check(landscape: LossLandscape, rtol: float, atol: float) -> None:
    check_type("landscape", landscape, LossLandscape)
    check_number("rtol", rtol, numbers.Real, 0)
    check_number("atol", atol, numbers.Real, 0)
