r"""Training under linear constraints on outputs: the program and its dual.

**The program.** Over two-layer networks ``f`` of any width, with ``K`` outputs, and constraints ``l = 1, …, L``, each
on the outputs at one point ``z_l``::

    P = min  F(f) + (alpha/2) Σ_j (‖w̃_j‖² + ‖a_j‖²)      s.t.  A_l f(z_l) ≤ b_l,   or = b_l

``F`` is the loss on the samples, as for :class:`~convexrelu.TrainingProblem`. Let ``X̄`` have the distinct rows among
samples and points. Outputs on them are ``f̄ = Σ_j φ(X̄u_j) g_jᵀ + 1cᵀ`` with unit vectors ``g_j``, and balanced neurons
cost ``‖u_j‖``: constraints are linear in ``f̄``.

**The dual.** With multipliers ``λ_l ≥ 0`` of inequalities, and of any sign for equations::

    D = max_{V, λ}  −F*(−V) − bᵀλ      s.t.  M(W) = max_{‖u‖ ≤ 1} ‖Wᵀ φ(X̄u)‖ ≤ alpha,     1ᵀW = 0 with an intercept
    W = V at the samples, less λ_l A_l at the points, added where they are the same row of X̄

**Weak duality.** For a feasible network and a feasible dual point, ``Σ_l λ_l (A_l f(z_l) − b_l) ≤ 0``, Fenchel's
inequality ``F(f) ≥ −⟨V, f⟩ − F*(−V)``, and ``⟨W, f̄⟩ = Σ_j (Wᵀφ(X̄u_j))ᵀg_j ≤ alpha Σ_j ‖u_j‖`` give ``F(f) + alpha Σ_j
‖u_j‖ ≥ −F*(−V) − bᵀλ``.

**Strong duality.** The least penalty of outputs ``f̄`` up to constants is the gauge of the convex hull of the compact
symmetric set ``{φ(X̄u) gᵀ}``; with constants it is finite on a subspace of ``R^(N×K)`` and infinite elsewhere. ``F`` is
finite and convex, and constraints are polyhedral: if one network is feasible, ``P = D`` (Rockafellar, *Convex
Analysis*, Corollary 28.2.2). Homogeneous inequalities are met by ``f = 0``.

**Losses that couple outputs.** None of this needs a sum over outputs. What is needed is a point near a given one in
the domain of ``F*``, with the sums ``Aᵀλ`` as real numbers. For the multinomial loss, ``F*(−V) = Σ_i s_i Σ_k p_ik log
p_ik`` with ``V_i = s_i (e_{y_i} − p_i)``, where ``s`` are the weights of samples: rows sum to zero. With an intercept,
a constant that is the same for all outputs is free, so that the dual needs ``1ᵀAᵀλ = 0``: rows of ``A`` have to have
sums of zero, as differences of outputs do.

**More points.** A constraint on all points of a polytope implies that on some of them, so ``D`` for some points is a
lower bound for all.

**Rounding.** The products ``λ_l A_l`` and their sums are rounded: the difference adds ``Σ_i ‖ΔW_i‖ ‖x̄_i‖`` to the bound
on ``M``. With an intercept the sum of the ``W`` of real numbers has to be zero exactly. It is computed in fractions,
and what is left is taken from one entry of ``V`` per output, of which it is less than one rounding:
:meth:`~convexrelu.TrainingProblem.dual` allows for several, and :mod:`convexrelu.output_constraints.dual_points` finds
such points. Multiples ``t(V, λ)`` are feasible where ``t M ≤ alpha``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.output_constraints.dual_points import Domain, domain_of, exact_products
from convexrelu.output_constraints.rows import (
    OutputConstraints,
    checked_sets,
    inward,
    violation_of,
)
from convexrelu.problem.distinct_rows import distinct_rows
from convexrelu.problem.dual import best_on_ray
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["ConstrainedProblem"]

_EPS = float(np.finfo(np.float64).eps)
# A network that violates a constraint by more than this part of the outputs' spread does not meet it.
_FEASIBLE = 1e-6
# Nor is one known to meet it whose outputs are rounded by more: weights are then so large that nothing can be told.
_MOST_ROUNDING = 1e-4
# Dual points are shrunk by this, so that entries can be corrected by roundings without leaving the domain.
_INSIDE = 1e-10
_HALVINGS = 60
_CORRECTIONS = 4
# Multipliers of rows of length one below this fraction of the largest dual variable are zero: solvers do not resolve
# them.
_NO_MULTIPLIER = 1e-12


class ConstrainedProblem:
    """Objective, constraints and dual; dual points are flat vectors of ``V`` and ``λ``.

    Parameters
    ----------
    base : TrainingProblem
        Loss and penalty, without samples of weight zero.
    constraints : OutputConstraints or sequence of OutputConstraints

    Attributes
    ----------
    design : array of shape (N, d̃)
        ``X̄``, samples first.
    samples : integers of shape (n,)
        The row of ``X̄`` of every sample.
    rows : integers of shape (L,)
        The row of ``X̄`` of every constraint.
    A : array of shape (L, K)
    b : array of shape (L,)
    equal : boolean array of shape (L,)

    Raises
    ------
    ValueError
        For problems that are not supported, or constraints that do not fit; the message names the argument.

    Examples
    --------
    >>> base = TrainingProblem([[0.0], [1.0]], [0.0, 1.0], 0.1)
    >>> problem = ConstrainedProblem(base, [OutputConstraints([[1.0], [2.0]], [[1.0]], 0.5)])
    >>> problem.design[:, 0], problem.rows
    (array([0., 1., 2.]), array([1, 2]))
    """

    def __init__(
        self, base: TrainingProblem, constraints: OutputConstraints | Sequence[OutputConstraints]
    ) -> None:
        self._domain = _checked(base)
        self.base = base
        self.constraints = tuple(checked_sets(constraints, base.n_features, base.n_outputs))
        if not self.constraints:
            raise ValueError(
                "constraints is an empty list, expected at least one OutputConstraints"
            )
        self.n_outputs = base.n_outputs
        sets = self.constraints
        self.A = np.vstack([np.tile(part.A, (len(part.points), 1)) for part in sets])
        _check_differences(base, self.A)
        self.b = np.concatenate([part.b.ravel() for part in sets])
        self.equal = np.concatenate([np.full(part.b.size, part.equal) for part in sets])
        self.X, self.samples, places = _joined_rows(base.X, [part.points for part in sets])
        self.rows = np.concatenate(
            [np.repeat(place, len(part.A)) for place, part in zip(places, sets, strict=True)]
        )
        ones = np.ones((len(self.X), 1))
        self.design = np.hstack([self.X, ones]) if base.hidden_bias else self.X
        self.lengths = np.asarray(norms(self.design))
        self.lengths_of_A = np.asarray(norms(self.A))

    @cached_property
    def inward(self) -> Array | None:
        """A shift of the intercept that restores violated constraints, see :func:`inward`; None if there is none."""
        if self.equal.any() or not self.base.fit_intercept:
            return None
        return inward(np.unique(np.vstack([part.A for part in self.constraints]), axis=0))

    # Primal

    def objective(self, network: TwoLayerNetwork) -> float:
        """That of the problem without constraints."""
        return self.base.objective(network)

    def violation(self, network: TwoLayerNetwork) -> float:
        """Largest violation of a constraint, rounded up."""
        return violation_of(network, self.constraints)

    def is_met_by(self, network: TwoLayerNetwork) -> bool:
        """Whether constraints hold, up to rounding and a small part of the spread of targets, and of what binds.

        Outputs do not count by themselves: where constraints contradict each other, larger ones violate them by a
        smaller part. Sides of constraints that are far from binding may be as large as they like.
        """
        center, spread = self._center_and_spread
        size = spread + max(
            self._largest_binding(part, network, center) for part in self.constraints
        )
        for part in self.constraints:
            excess = part.excess(network)
            excess = np.abs(excess) if part.equal else excess
            unit, rounding = size * norms(part.A), part.rounding(network)
            is_proved = excess + rounding <= _FEASIBLE * unit
            is_seen = excess - rounding <= _FEASIBLE * unit
            if not (is_proved | (is_seen & (rounding <= _MOST_ROUNDING * unit))).all():
                return False
        return True

    def _largest_binding(
        self, part: OutputConstraints, network: TwoLayerNetwork, center: Any
    ) -> float:
        """The largest distance from the center to the side of a constraint that outputs are near, or beyond."""
        lengths = norms(part.A)
        sides = np.abs(part.b - part.A @ np.broadcast_to(center, self.n_outputs)) / lengths
        is_near = part.excess(network) / lengths >= -sides / 2
        return float(sides[is_near].max(initial=0.0))

    @cached_property
    def _center_and_spread(self) -> tuple[Any, float]:
        """The best constant, and the size of what it leaves of the targets; scores have the size one."""
        base = self.base
        if base.loss.degree is None:
            return 0.0, 1.0
        center = base.best_intercept(base.no_outputs())
        return center, base.loss.spread(base.y, center, base.weights)

    def repaired(self, network: TwoLayerNetwork) -> TwoLayerNetwork:
        """The network with its intercept shifted inward by the violation, where there is such a direction."""
        if self.inward is None:
            return network
        for _ in range(_CORRECTIONS):
            shift = 0.0
            for part in self.constraints:
                above = (part.excess(network) + part.rounding(network)) / norms(part.A)
                shift = max(shift, float(above.max()))
            if shift <= 0:
                break
            shifted = network.output_bias + 1.01 * shift * self.inward
            network = network.with_output_bias(shifted)
        return network

    # Dual

    def point(self, V: Array, multipliers: Array) -> Array:
        """A feasible dual point, but for ``M ≤ alpha``, near a given one.

        Examples
        --------
        >>> base = TrainingProblem([[0.0], [1.0]], [0.0, 1.0], 0.1)
        >>> problem = ConstrainedProblem(base, [OutputConstraints([[1.0]], [[1.0]], 0.5)])
        >>> v = problem.point(np.array([-0.2, 0.5]), np.array([0.25]))
        >>> round(float(problem.stacked(v)[0].sum()), 15)
        0.0
        """
        V = np.reshape(V, (-1, self.n_outputs))
        multipliers = np.where(self.equal, multipliers, np.maximum(multipliers, 0.0))
        size = float(np.abs(V).max(initial=0.0))
        sizes = np.abs(multipliers) * self.lengths_of_A
        multipliers = np.where(sizes > _NO_MULTIPLIER * size, multipliers, 0.0)
        if not self.base.fit_intercept:
            return self._joined(self._domain.nearest(V) * (1 - _INSIDE), multipliers)
        multipliers = multipliers * self._domain.part_within(multipliers @ self.A)
        for _ in range(_HALVINGS):
            near = self._domain.with_sums(V, multipliers @ self.A)
            if near is not None:
                inside = multipliers * (1 - _INSIDE)
                sums = exact_products(inside, self.A)
                exact = self._domain.corrected(near * (1 - _INSIDE), sums)
                if exact is not None:
                    return self._joined(exact, inside)
            multipliers = multipliers / 2
        return self.no_point()

    def no_point(self) -> Array:
        """The dual point zero."""
        return self._joined(self.base.no_outputs(), np.zeros(len(self.b)))

    def _joined(self, V: Array, multipliers: Array) -> Array:
        return np.concatenate([np.ravel(V), multipliers])

    def parts(self, v: Array) -> tuple[Array, Array]:
        """``V``, shaped like outputs of the samples, and ``λ``."""
        end = self.base.n_samples * self.n_outputs
        return v[:end].reshape(self.base.no_outputs().shape), v[end:]

    def stacked(self, v: Array) -> tuple[Array, float]:
        """``W``, of shape (N,) or (N, K), and a bound on what its rounding adds to ``M``."""
        V, multipliers = self.parts(v)
        products = multipliers[:, None] * self.A
        parts = np.vstack([np.reshape(V, (-1, self.n_outputs)), -products])
        places = np.concatenate([self.samples, self.rows])
        W, sizes = (_sums(places, each, len(self.design)) for each in (parts, np.abs(parts)))
        terms = 2 + np.bincount(places, minlength=len(W))
        # One rounding for each term, and one of V for its sum, see the module.
        error = 2 * _EPS * float(np.sum(terms * np.asarray(norms(sizes)) * self.lengths))
        return (W[:, 0] if self.n_outputs == 1 else W), error

    def dual(self, v: Array, t: float = 1.0) -> float:
        """``−F*(−tV) − t bᵀλ``, rounded down."""
        V, multipliers = self.parts(v)
        products = (self.b * multipliers)[multipliers != 0]
        linear = t * math.fsum(products)
        value = self.base.dual(t * V)
        rounding = 4 * _EPS * (abs(value) + abs(linear) + t * math.fsum(np.abs(products)))
        return value - linear - rounding - self._centring_error(t * V, t * multipliers)

    def _centring_error(self, V: Array, multipliers: Array) -> float:
        """Error of the dual objective where it centres targets although sums of ``V`` are not zero, but ``Aᵀλ``."""
        base = self.base
        if not (base.fit_intercept and base.loss.of_residuals and multipliers.any()):
            return 0.0
        columns = np.reshape(V, (-1, self.n_outputs)).T
        sums = np.array([math.fsum(column) for column in columns])
        if (np.abs(sums) > 2 * len(V) * _EPS * np.abs(columns).sum(axis=1)).any():
            return 0.0  # then it does not
        products = multipliers[:, None] * self.A
        off = np.abs(products.sum(axis=0)) + len(products) * _EPS * np.abs(products).sum(axis=0)
        centres = np.abs(np.median(np.reshape(base.y, (-1, self.n_outputs)), axis=0))
        return float(off @ centres) * (1 + 8 * _EPS)

    def lower_bound(self, v: Array, bound: float) -> float:
        """Best value over the ``t`` with ``t M̂ ≤ alpha`` for a bound ``M̂ ≥ M``; zero multipliers are worth 0."""
        if not v.any():  # all multiples are the same point
            return max(self.dual(v), 0.0)
        bound += self.stacked(v)[1]
        if not math.isfinite(bound):
            return 0.0
        alpha = self.base.alpha
        largest = (alpha / bound if bound > alpha * 1e-9 else 1e9) * (1 - 4 * _EPS)
        if not math.isfinite(self.dual(v, largest)):
            largest = min(largest, 1.0)
        V, multipliers = self.parts(v)
        linear = float(self.b @ multipliers)
        t = best_on_ray(lambda t: self.base.rough_dual(t * V) - t * linear, largest)
        return max(self.dual(v, t), 0.0)


def _sums(places: NDArray[np.intp], rows: Array, n: int) -> Array:
    """Sums of the rows that go to each of ``n`` places, in their order: several times faster than ``np.add.at``."""
    sums = np.zeros((n, rows.shape[1]))
    for k, column in enumerate(rows.T):
        sums[:, k] = np.bincount(places, column, n)
    return sums


def _joined_rows(
    X: Array, points: Sequence[Array]
) -> tuple[Array, NDArray[np.intp], list[NDArray[np.intp]]]:
    """Distinct rows among samples and points, samples first; the row of every sample, and of the points of each set."""
    sets = [X, *(each for each in points if not np.array_equal(each, X))]
    everything = np.vstack(sets) + 0.0  # −0.0 is 0.0
    first, place = distinct_rows(everything, np.zeros(len(everything)))
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(first))
    ends = np.cumsum([len(each) for each in sets])
    found = iter(np.split(rank[place], ends[:-1]))
    of_samples = next(found)
    # Constraints are often at the samples.
    return (
        everything[first[order]],
        of_samples,
        [of_samples if np.array_equal(each, X) else next(found) for each in points],
    )


def _checked(base: TrainingProblem) -> Domain:
    """The domain of the loss; a ValueError for problems that are not supported."""
    domain = domain_of(base)
    if base.activation not in ("relu", "leaky_relu"):
        lacking = f"activation={base.activation!r}; use 'relu' or 'leaky_relu'"
    elif base.free_bias:
        lacking = "hidden_bias='free'; use hidden_bias=True or False"
    elif base.skip:
        lacking = "skip=True; use skip=False"
    elif domain is None:
        lacking = f"loss={base.loss.name!r}, which couples outputs; use 'multinomial', or a sum over outputs"
    elif not base.loss.has_expression:
        lacking = f"loss={base.loss.name!r}, which has no expression in cvxpy"
    elif not isinstance(base.X, np.ndarray):
        lacking = "sparse X; use X.toarray()"
    else:
        return domain
    raise ValueError(f"constraints on outputs do not support {lacking}")


def _check_differences(base: TrainingProblem, A: Array) -> None:
    """Raise an error if a constant that is added to all outputs costs nothing, but changes what is constrained."""
    if not (base.loss.couples_outputs and base.fit_intercept):
        return
    sums = np.array([math.fsum(row) for row in A.tolist()])
    if sums.any():
        raise ValueError(
            f"A has a row with the sum {sums[sums != 0][0]:g}; loss={base.loss.name!r} with an intercept leaves "
            "outputs free up to a constant, so use differences of outputs: rows whose sums are exactly 0"
        )
