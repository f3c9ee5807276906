"""The rectified ellipsoid: the outputs of single neurons on the data, and the convex geometry of training."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import finite_array, shown
from convexrelu._utils.norms import lipschitz_constant, norms
from convexrelu._utils.typing import Array
from convexrelu.geometry.least_distance import least_distance_with_equations
from convexrelu.geometry.support import SupportFunctions, SupportPoint
from convexrelu.oracles import SpikeFreeTest, spike_free_margin
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["Radius", "RectifiedEllipsoid"]


_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Radius:
    """Length of a ray within the polar: ``lower ≤ radius ≤ upper``.

    Attributes
    ----------
    lower, upper : float
        Both proved, ``upper`` up to rounding; infinite where no constraint bounds the ray.
    is_proof : bool
        Whether they agree up to 0.1 %, as for :class:`SupportPoint`. Otherwise `upper` is the estimate.
    """

    lower: float
    upper: float
    is_proof: bool


class RectifiedEllipsoid:
    r"""``Q = {relu(X̃u) : ‖u‖ ≤ 1}``, a set in ``R^n``, with its symmetric hull ``conv(Q ∪ −Q)`` and the polar of that.

    ``Q`` is the set of outputs that a single neuron of unit length can have on ``n`` samples; it is the part of the
    ellipsoid ``{X̃u}`` in the nonnegative orthant, with spikes where parts in other orthants are folded onto its faces.
    It is star-shaped about zero and in general not convex. The outputs of networks without an intercept that have
    ``Σ_j ‖w̃_j‖ |a_j| ≤ t`` are ``t conv(Q ∪ −Q)`` (Ergen & Pilanci 2021, section 2). For ``v`` in ``R^n``::

        h_Q(v) = max_{z ∈ Q} vᵀz = max_{‖u‖ ≤ 1} vᵀ relu(X̃u) ≥ 0                       support of Q
        M(v) = max(h_Q(v), h_Q(−v)) = max_{‖u‖ ≤ 1} |vᵀ relu(X̃u)|                     support of conv(Q ∪ −Q)
        (Q ∪ −Q)° = {v : M(v) ≤ 1}                                                     polar

    The dual feasible set of training with one output and the penalty ``alpha`` is ``alpha (Q ∪ −Q)°``; with an
    intercept, its part where ``Σ v_i = 0``. At an optimum, neurons of unit length are points of ``Q`` at which
    ``|vᵀz|`` reaches ``M(v)``, for the optimal ``v``.

    Parameters
    ----------
    X : array of shape (n, d)
        Samples.
    hidden_bias : bool
        Whether ``x̃ = (x, 1)``, as for penalised biases.
    random_state : int, RandomState or None
        Seed of the searches.

    Attributes
    ----------
    design : array of shape (n, d̃)
        ``X̃``.
    rank : int
        Its numerical rank.

    Raises
    ------
    ValueError
        If `X` is not a dense, finite array with two axes, or `hidden_bias` is not True or False.

    Notes
    -----
    Support functions are proved from a list of all cells where there are at most 10 000, that is, 100 samples at rank 3
    and 5000 at rank 2, and from one cell on spike-free data. Elsewhere a sweep, branch and bound, or a search, chosen
    as by ``oracle="auto"`` of :func:`~convexrelu.oracles.selection.choose_oracles`, bounds both signs at once: this
    settles ``M(v)``, and ``h_Q(v)`` where it is the larger side. In general both are NP-hard.

    References
    ----------
    Ergen & Pilanci 2021, "Convex Geometry and Duality of Over-parameterized Neural Networks", JMLR 22.

    Examples
    --------
    Two samples at right angles: a quarter of the disc. The ellipsoid has no spikes.

    >>> import numpy as np
    >>> disc = RectifiedEllipsoid(np.eye(2))
    >>> farthest = disc.support(np.array([3.0, 4.0]))
    >>> round(farthest.value, 9), farthest.is_proof, farthest.point.round(9)
    (5.0, True, array([0.6, 0.8]))
    >>> disc.support(np.array([-3.0, 4.0])).point.round(9), disc.spike_free().is_spike_free
    (array([0., 1.]), True)
    """

    def __init__(
        self,
        X: ArrayLike,
        *,
        hidden_bias: bool = False,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        if isinstance(hidden_bias, str):
            raise ValueError(f"hidden_bias={shown(hidden_bias)} is not True or False")
        samples = finite_array("X", X)
        problem = TrainingProblem(
            samples, np.zeros(samples.shape[:1]), 1.0, hidden_bias=hidden_bias
        )
        # In the features, whatever coordinates training uses.
        rows = problem.X
        self.design = np.column_stack([rows, np.ones(len(rows))]) if hidden_bias else rows
        self._support = SupportFunctions(self.design, random_state)

    @property
    def rank(self) -> int:
        """Numerical rank of the design."""
        return self._support.space.rank

    def support(self, v: ArrayLike) -> SupportPoint:
        """``h_Q(v) = max_{‖u‖ ≤ 1} vᵀ relu(X̃u)``, for one sign only and at least zero, and the point that attains it.

        Where the maximiser is unique, it is an extreme point of ``conv Q``.

        Parameters
        ----------
        v : array of shape (n,)

        Examples
        --------
        >>> import numpy as np
        >>> farthest = RectifiedEllipsoid(np.array([[1.0], [-2.0]])).support(np.array([1.0, 1.0]))
        >>> farthest.direction, farthest.point, farthest.pattern  # u = −1 is active on it
        (array([-1.]), array([0., 2.]), array([False,  True]))
        """
        return self._support.one_sided(self._checked(v))

    def symmetric_support(self, v: ArrayLike, *, level: float = 0.0) -> SupportPoint:
        """``M(v) = max_{‖u‖ ≤ 1} |vᵀ relu(X̃u)|``, and the point of ``Q`` or ``−Q`` that attains it.

        Parameters
        ----------
        v : array of shape (n,)
        level : float
            A bound of this size is as good as any smaller one, see :class:`~convexrelu.oracles.Oracle`.

        Examples
        --------
        >>> import numpy as np
        >>> farthest = RectifiedEllipsoid(np.eye(2)).symmetric_support(np.array([-3.0, 2.0]))
        >>> round(farthest.value, 9), farthest.sign, farthest.point.round(9)
        (3.0, -1.0, array([-1., -0.]))
        """
        return self._support.symmetric(self._checked(v), level)

    def extreme_points(self, directions: ArrayLike) -> list[SupportPoint]:
        """:meth:`support` in several directions, rows of an array of shape (k, n).

        Examples
        --------
        >>> import numpy as np
        >>> corners = RectifiedEllipsoid(np.eye(3)).extreme_points(np.eye(3))
        >>> np.array([corner.point for corner in corners]).round(9)
        array([[1., 0., 0.],
               [0., 1., 0.],
               [0., 0., 1.]])
        """
        rows = finite_array("directions", directions, "k", len(self.design))
        return [self.support(row) for row in rows]

    def polar_radius(self, v: ArrayLike) -> Radius:
        """The largest ``t`` with ``tv`` in the polar, ``1/M(v)``.

        For the penalty ``alpha``, the ray along ``v`` stays dual feasible up to ``alpha`` times this.

        Parameters
        ----------
        v : array of shape (n,)

        Examples
        --------
        >>> import numpy as np
        >>> radius = RectifiedEllipsoid(np.eye(2)).polar_radius(np.array([3.0, 4.0]))
        >>> round(radius.lower, 9), round(radius.upper, 9), radius.is_proof
        (0.2, 0.2, True)
        """
        farthest = self.symmetric_support(v)
        lower, upper = (
            1 / size if size > 0 else math.inf for size in (farthest.bound, farthest.value)
        )
        return Radius(lower, upper, farthest.is_proof)

    def polar_contains(self, v: ArrayLike) -> bool | None:
        """Whether ``M(v) ≤ 1``, proved either way; None without a proof, as on the boundary, up to rounding.

        Parameters
        ----------
        v : array of shape (n,)

        Examples
        --------
        >>> import numpy as np
        >>> disc = RectifiedEllipsoid(np.eye(2))
        >>> disc.polar_contains(np.array([0.7, 0.7])), disc.polar_contains(np.array([0.8, 0.7]))
        (True, False)
        """
        v = self._checked(v)
        farthest = self.symmetric_support(v, level=1.0)
        if farthest.bound <= 1:
            return True
        rounding = 8 * sum(self.design.shape) * _EPS * lipschitz_constant(self.design, v)
        return False if farthest.value - rounding > 1 else None

    def gauge(self, z: ArrayLike) -> tuple[float, Array | None]:
        """``γ(z) = min {‖u‖ : relu(X̃u) = z}``, the smallest ``t`` with ``z`` in ``tQ``, and its ``u``.

        A quadratic program: ``x̃_iᵀu = z_i`` where ``z_i > 0``, ``x̃_iᵀu ≤ 0`` elsewhere.

        Parameters
        ----------
        z : array of shape (n,)
            Not negative.

        Returns
        -------
        gauge : float
            Infinite where no neuron has the outputs `z`.
        u : array of shape (d̃,) or None
            Its violation of equations and inequalities is at most 1e-9 of ``‖x̃_i‖‖u‖``.

        Raises
        ------
        ValueError
            If `z` has another shape or a negative entry.

        Examples
        --------
        The second row is at an obtuse angle to the first: a neuron with small outputs on both must be longer.

        >>> import numpy as np
        >>> ellipsoid = RectifiedEllipsoid(np.array([[1.0, 0.0], [-0.6, 0.8]]))
        >>> [round(ellipsoid.gauge(np.array(z))[0], 4) for z in ([1.0, 0.0], [1.0, 0.1])]
        [1.0, 1.3288]
        """
        z = self._checked(z, "z")
        if (z < 0).any():
            raise ValueError(
                f"z has a negative entry, {z.min():.3g}; outputs of ReLU neurons have none"
            )
        seen, dark = self.design[z > 0], self.design[z == 0]
        u = least_distance_with_equations(seen, z[z > 0], -dark, np.zeros(len(dark)))
        return (math.inf, None) if u is None else (float(norms(u)), u)

    def boundary(self, n_points: int) -> tuple[Array, Array]:
        """Points of ``Q`` for drawing: the images ``relu(X̃u)`` of unit vectors ``u`` in the row space.

        ``Q`` is star-shaped, and the far end of every ray in it is such an image. Where several ``u`` give multiples of
        the same point, as on spikes, the others are further inside.

        Parameters
        ----------
        n_points : int
            At least 1. At rank 2, ``u`` goes around the circle in equal steps; at rank 3, the points are spread
            evenly over the sphere along a spiral of golden angles.

        Returns
        -------
        points : array of shape (n_points, n)
        directions : array of shape (n_points, d̃)
            The ``u``.

        Raises
        ------
        ValueError
            At any other rank, or if `n_points` is not a positive integer.

        Examples
        --------
        >>> import numpy as np
        >>> points, directions = RectifiedEllipsoid(np.eye(2)).boundary(4)
        >>> bool(np.allclose(points, np.maximum(directions, 0)))
        True
        """
        if not isinstance(n_points, numbers.Integral) or n_points < 1:
            raise ValueError(f"n_points={shown(n_points)} is not an integer of at least 1")
        if self.rank not in (2, 3):
            raise ValueError(
                f"X has rank {self.rank} (with the bias, if there is one); boundaries are drawn at rank 2 or 3"
            )
        coordinates = _circle(n_points) if self.rank == 2 else _sphere(n_points)
        directions = coordinates @ self._support.space.basis.T
        return np.maximum(directions @ self.design.T, 0.0), directions

    def spike_free(self) -> SpikeFreeTest:
        """Whether ``Q`` is the ellipsoid's part in the orthant, see :func:`~convexrelu.oracles.spike_free_margin`."""
        return spike_free_margin(self.design)

    def _checked(self, v: ArrayLike, name: str = "v") -> Array:
        return finite_array(name, v, len(self.design))


def _circle(n_points: int) -> Array:
    angles = 2 * np.pi * np.arange(n_points) / n_points
    return np.column_stack([np.cos(angles), np.sin(angles)])


def _sphere(n_points: int) -> Array:
    """Equal steps in height, golden angles around (a Fibonacci lattice)."""
    heights = 1 - (2 * np.arange(n_points) + 1) / n_points
    angles = np.pi * (3 - 5**0.5) * np.arange(n_points)
    radii = np.sqrt(1 - heights**2)
    return np.column_stack([radii * np.cos(angles), radii * np.sin(angles), heights])
