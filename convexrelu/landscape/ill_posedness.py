"""Why a training problem is ill-posed at a stationary point: the null space of its Hessian, by causes."""

from __future__ import annotations

import numbers
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_number, check_type, finite_array
from convexrelu._utils.typing import Array
from convexrelu.landscape.curvature import Curvature
from convexrelu.landscape.flat_directions import (
    CAUSES,
    Place,
    candidates,
    of_activation,
    orthonormal,
)
from convexrelu.landscape.loss_landscape import LossLandscape

__all__ = ["IllPosedness", "ill_posedness"]

# Directions within this angle of those already counted are not new.
_INDEPENDENT = 1e-2


@dataclass(frozen=True, eq=False)
class IllPosedness:
    """Null space of a Hessian, divided among causes.

    Attributes
    ----------
    loss, gradient_norm : float
        Of the point; null spaces mean little where the gradient is not small.
    eigenvalues : array of shape (p,)
        Of the Hessian, in increasing order.
    null_space : array of shape (p, k)
        Orthonormal columns.
    directions : dict of str to array of shape (p, k)
        Orthonormal columns for each cause, orthogonal to those of earlier causes; see :func:`ill_posedness`.
    flat_activation : array of shape (p, k)
        Part of the null space in the hidden weights of units that have no slope on any sample.
    jacobian_rank : int
        Rank of the derivatives of the outputs.
    n_kinks : int
        Pairs of a unit and a sample on its kink, where a rectifier has no second derivative.
    rtol, tol : float
        Tolerances.

    Examples
    --------
    >>> from convexrelu.landscape import LossLandscape, ill_posedness
    >>> landscape = LossLandscape([[1.0]], [1.0], width=1, hidden_bias=False, fit_intercept=False)
    >>> found = ill_posedness(landscape, [1.0, 1.0])
    >>> found.rank, found.nullity, found.dimensions["rescaling"]
    (1, 1, 1)
    """

    loss: float
    gradient_norm: float
    eigenvalues: Array
    null_space: Array
    directions: dict[str, Array]
    flat_activation: Array
    jacobian_rank: int
    n_kinks: int
    rtol: float
    tol: float

    @property
    def rank(self) -> int:
        """Rank of the Hessian."""
        return len(self.eigenvalues) - self.nullity

    @property
    def nullity(self) -> int:
        """Dimension of the null space."""
        return self.null_space.shape[1]

    @property
    def dimensions(self) -> dict[str, int]:
        """Dimension for each cause; the sum is `nullity`."""
        return {cause: basis.shape[1] for cause, basis in self.directions.items()}

    def __str__(self) -> str:
        parts = [f"{cause} {count}" for cause, count in self.dimensions.items() if count]
        causes = ": " + ", ".join(parts) if parts else ""
        kinks = f", {self.n_kinks} kinks" if self.n_kinks else ""
        return (
            f"rank {self.rank} of {len(self.eigenvalues)}, null space of dimension {self.nullity}{causes} "
            f"(loss {self.loss:.6g}, gradient {self.gradient_norm:.1e}{kinks}, eigenvalues below {self.rtol:g} of the "
            "largest count as zero)"
        )


def ill_posedness(
    landscape: LossLandscape, point: ArrayLike, *, rtol: float = 1e-6, tol: float = 1e-5
) -> IllPosedness:
    """Divide the null space of the Hessian at a stationary point among its causes.

    The causes, in this order; a direction that has several counts for the first:

    * ``"dead"``: weights of units that have no output on any sample, or no outer weight;
    * ``"rescaling"``: ``(w̃_j, −a_j)``, for rectifiers;
    * ``"permutation"``: differences of two equal units, which their exchange reverses;
    * ``"duplicate"``: weight that passes from one unit to a multiple of it;
    * ``"inputs"``: changes of ``w̃_j`` that change no hidden input, ``X̃δ = 0``;
    * ``"activation"``: changes of ``w̃_j`` that change hidden inputs only where ``φ' = 0``: ``φ'(z_ij) x̃_iᵀδ = 0`` for
      all ``i``;
    * ``"features"``: outer weights that cancel, since hidden outputs are linearly dependent on the samples;
    * ``"samples"``: all other directions in which no output changes to first order, as if there are more parameters
      than samples;
    * ``"rest"``: all else. Outputs change to first order, the loss not even to second.

    A permutation is not a direction: it moves a point elsewhere. It appears here at points that it fixes.

    Parameters
    ----------
    landscape : LossLandscape
    point : array of shape (p,)
        A stationary point, such as one from :func:`find_minima`.
    rtol : float
        Eigenvalues below this share of the largest count as zero.
    tol : float
        Directions within this angle of the null space count as in it; also, relative size of weights, outputs and
        slopes that count as zero.

    Returns
    -------
    IllPosedness

    References
    ----------
    O'Leary-Roseberry & Ghattas 2020, "Ill-posedness and optimization geometry for nonlinear neural network training".

    Notes
    -----
    100 parameters and 100 samples take 0.1 s on one core.

    Examples
    --------
    Two equal units fit a line, and one is dead:

    >>> import numpy as np
    >>> from convexrelu.landscape import LossLandscape, ill_posedness
    >>> X = np.array([[1.0], [2.0], [3.0]])
    >>> landscape = LossLandscape(X, [2.0, 4.0, 6.0], width=3, fit_intercept=False)
    >>> point = landscape.point([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], [1.0, 1.0, 1.0])
    >>> {cause: count for cause, count in ill_posedness(landscape, point).dimensions.items() if count}
    {'dead': 3, 'rescaling': 2, 'permutation': 2}
    """
    check_type("landscape", landscape, LossLandscape)
    check_number("rtol", rtol, numbers.Real, 0)
    check_number("tol", tol, numbers.Real, 0)
    point = finite_array("point", point, landscape.size)
    losses, gradient = landscape.gradients(point)
    values, vectors = np.linalg.eigh(landscape.hessians(point))
    null = vectors[:, Curvature(values, rtol, 1e-12).is_zero]
    place = Place(landscape, point, tol)
    directions, found = {}, np.zeros((landscape.size, 0))
    for cause in CAUSES:
        directions[cause] = _new(_within(null, candidates(place, cause), tol), found)
        found = np.hstack([found, directions[cause]])
    # The Hessian has squares of the Jacobian's singular values, so its tolerance is the root.
    _, sizes, right = np.linalg.svd(landscape.jacobians(point).reshape(-1, landscape.size))
    rank = int(np.sum(sizes > rtol**0.5 * sizes[0]))
    directions["samples"] = _new(_within(null, right[rank:].T, max(tol, rtol**0.5)), found)
    found = np.hstack([found, directions["samples"]])
    directions["rest"] = _new(null, found, null.shape[1] - found.shape[1])
    flat = orthonormal(of_activation(place), landscape.size, tol)
    return IllPosedness(
        loss=float(losses),
        gradient_norm=float(np.linalg.norm(gradient)),
        eigenvalues=values,
        null_space=null,
        directions=directions,
        flat_activation=_within(null, flat, tol),
        jacobian_rank=rank,
        n_kinks=_kinks(landscape, point),
        rtol=rtol,
        tol=tol,
    )


def _within(space: Array, basis: Array, tol: float) -> Array:
    """The part of the span of `basis` that is in a space but for an angle of `tol`; both have orthonormal columns."""
    if basis.shape[1] == 0:
        return basis
    outside = basis - space @ (space.T @ basis)
    _, sines, right = np.linalg.svd(outside, full_matrices=False)
    inside = basis @ right[sines <= tol].T
    return inside


def _new(basis: Array, found: Array, count: int | None = None) -> Array:
    """Orthonormal columns for what `basis` has beside the columns of `found`."""
    left, sizes, _ = np.linalg.svd(basis - found @ (found.T @ basis), full_matrices=False)
    return left[:, : np.sum(sizes > _INDEPENDENT) if count is None else count]


def _kinks(landscape: LossLandscape, point: Array) -> int:
    if landscape.negative_slope is None:
        return 0
    z = np.abs(landscape.hidden_inputs(point))
    hidden, _, _ = landscape.parts(point)
    sizes = np.linalg.norm(landscape.design, axis=1)[:, None] * np.linalg.norm(hidden, axis=1)
    return int(np.sum((z <= 1e-12 * sizes) & (sizes > 0)))
