r"""A dual point at which affine rules prove more: ascent on the lower bound over dual points and rules together.

Every dual point ``v`` in the domain of ``F*`` gives the lower bound ``−F*(−tv)`` with ``t = alpha/M̂(v)``, whatever
``M̂(v) ≥ M(v)`` is. That of training has nearly the smallest ``M(v)``; one with a smaller ``M̂(v)`` may prove more.
With the rules of :mod:`convexrelu.oracles.bounds.affine_rules` the best one is the solution of::

    maximise  −F*(−v)   over  v, γ, Γ, λ   subject to   √(Σλ · λ_max(E)) ≤ alpha   for v and for −v.

For fixed signs of the ``v_i`` this is a convex program, in ``v``, ``c_j = γ_j |v_j|`` and ``C_ji = Γ_ji |v_j|``: the
directions ``d_0 = ½ Σ v_i x̃_i − Σ c_j x̃_j``, ``d_i = ½ v_i x̃_i − Σ_j C_ji x̃_j`` are linear, and so are both sides of
``|c_j − ½|v_j|| + Σ_i |C_ji| ≤ ½ |v_j|``, but for absolute values on the smaller one.

**Ascent.** Signs stay if steps are on ``z = log |v|``. With ``B(z)`` the larger bound of both signs, ``w = tv`` and
``ℓ_i = w_i ∂(−F*(−w))/∂w_i``, the value ``−F*(−tv)`` at ``t = alpha/B`` has the gradient::

    ∂/∂z_i = ℓ_i − (Σℓ) ∂ log B/∂z_i,

without the second term where a smaller ``t`` is best. With an intercept, ``Σv = 0`` is kept by one factor for all
positive and one for all negative entries. The rules of each sign descend on its own bound, with Adam.

**Soundness.** What is returned is a point in the domain, and the bound of the last rules computed anew at it, with the
padding of affine rules; nothing depends on how they were found.
"""

from __future__ import annotations

import math
import time

import numpy as np

from convexrelu._utils.norms import lipschitz_constant
from convexrelu._utils.typing import Array
from convexrelu.oracles import OracleReport
from convexrelu.oracles.bounds.adam import Adam
from convexrelu.oracles.bounds.affine_rules import AffineRules, Gradients, n_steps_for, padded
from convexrelu.patterns.enumerate import RowSpace
from convexrelu.problem.dual import best_scale
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["MOST_ASCENT_STEPS", "easier_dual_point"]

MOST_ASCENT_STEPS = 3000
_FIXED = 300  # steps of the rules alone, at most; a fifth of all if there are fewer
_TRIAL, _HOPE = (
    100,
    6.0,
)  # after so many steps, the gap should be within this multiple of the one that is wanted
_LENGTH = 0.2  # of steps on the logarithms of the dual point, relative to those of the rules
_SHARPNESS = 100.0  # of the smooth maximum over both signs
_DIFFERENCE = 1e-6  # relative, for the derivative of conjugates


def easier_dual_point(
    problem: TrainingProblem,
    v: Array,
    *,
    wanted: float = math.inf,
    objective: float = math.inf,
    worth: float = -math.inf,
    n_steps: int = MOST_ASCENT_STEPS,
    max_work: float = math.inf,
    deadline: float = math.inf,
) -> tuple[Array, OracleReport] | None:
    """Dual point with a proved bound ``M̂``, such that their lower bound is as large as ascent from ``v`` makes it.

    Parameters
    ----------
    problem : TrainingProblem
        With one output, rectifiers, and neither free biases nor a skip connection; see
        :meth:`~convexrelu.TrainingProblem.condensed`.
    v : array of shape (n,)
        Dual point, such as the best one of training.
    wanted : float
        Lower bound that is as good as any larger one.
    objective : float
        That of the network. If it is given, ascent ends early where it seems unlikely to reach what is wanted.
    worth : float
        Ascent ends early where its lower bound is below that after a hundred steps.
    n_steps : int
        Largest number of steps.
    max_work : float
        As for :class:`~convexrelu.oracles.AffineOracle`, for both signs together.
    deadline : float
        Value of :func:`time.perf_counter` at which to end.

    Returns
    -------
    pair of an array and an OracleReport, or None
        None where too few steps fit.

    Examples
    --------
    >>> from convexrelu import train
    >>> from convexrelu.problem import lower_bound
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((20, 7))
    >>> result = train(TrainingProblem(X, X[:, 0] + np.abs(X[:, 1]), alpha=0.1), oracle="affine", max_iter=3)
    >>> problem = result.problem.condensed()
    >>> v, report = easier_dual_point(problem, problem.dual_point(result.network.predict(problem.X)))
    >>> report.is_proof, lower_bound(problem, v, report.bound) > 0.99 * result.certificate.objective
    (True, True)
    """
    n_steps = n_steps_for(0.5 * max_work, problem.design, v, n_steps)
    if n_steps == 0 or time.perf_counter() >= deadline:
        return None
    with np.errstate(all="ignore"):
        ascent = _Ascent(problem, v, n_steps)
        if not ascent.is_finite:
            return None
        ascent.run(wanted, objective, worth, deadline)
        return ascent.outcome()


class _Side:
    """The rules for one sign, whose rows are multiples of those of the first dual point."""

    def __init__(self, rows: Array, v: Array) -> None:
        self.where_up, self.where_down = v > 0, v < 0
        self._rows_up, self._rows_down = rows[self.where_up], rows[self.where_down]
        self.rules = AffineRules(*self._multiples(v))
        self.best = [part.copy() for part in self.rules.parts]

    def move(self, v: Array) -> None:
        self.rules.up, self.rules.down = self._multiples(v)

    def keep(self) -> None:
        for kept, part in zip(self.best, self.rules.parts, strict=True):
            kept[:] = part

    def restore(self) -> None:
        for kept, part in zip(self.best, self.rules.parts, strict=True):
            part[:] = kept

    def _multiples(self, v: Array) -> tuple[Array, Array]:
        up = v[self.where_up, None] * self._rows_up
        return up, -v[self.where_down, None] * self._rows_down


class _Ascent:
    """Dual point and rules, and the best ones so far."""

    def __init__(self, problem: TrainingProblem, v: Array, n_steps: int) -> None:
        self._problem, self._n_steps = problem, n_steps
        self._space = RowSpace.of(problem.design)
        self._first, self._logs = v, np.zeros_like(v)
        self._size = lipschitz_constant(self._space.coordinates, v)
        self.is_finite = math.isfinite(self._size) and self._size > 0
        if not self.is_finite:
            return
        self._signs = [sign for sign in (1.0, -1.0) if (sign * v > 0).any()]
        self._sides = [_Side(self._space.coordinates, s * v / self._size) for s in self._signs]
        self._adams = [Adam(side.rules.parts, side.rules.lengths, n_steps) for side in self._sides]
        self._adam = Adam([self._logs], [_LENGTH], n_steps)
        self._best, self._best_value = v, -math.inf

    def run(self, wanted: float, objective: float, worth: float, deadline: float) -> None:
        """Steps until the bound is reached, or seems out of reach, or time ends."""
        n_fixed = min(_FIXED, self._n_steps // 5)
        for k in range(self._n_steps):
            v = self._balanced(self._first * np.exp(self._logs))
            bounds, gradients = self._bounds(v)
            if not all(np.isfinite(part).all() for each in gradients for part in each.parts):
                break
            scale, value = self._value(v, bounds)
            if value > self._best_value:
                self._best, self._best_value = v, value
                for side in self._sides:
                    side.keep()
            if self._best_value >= wanted or time.perf_counter() >= deadline:
                break
            far = objective - self._best_value > _HOPE * (objective - wanted)
            if k == _TRIAL and (far or self._best_value < worth):
                break
            if k >= n_fixed:
                gradient = self._gradient(v, scale, bounds, gradients)
                if not np.isfinite(gradient).all():  # such as at the scale zero
                    break
                self._adam.step([-gradient])
            for adam, each in zip(self._adams, gradients, strict=True):
                adam.step(each.parts)

    def outcome(self) -> tuple[Array, OracleReport] | None:
        """The best point, made feasible, and the bound of its rules there; None if that changes a sign."""
        v = self._problem.feasible(self._best)
        if ((v != 0) & (np.sign(v) != np.sign(self._first))).any():
            return None  # rules are for these signs
        size, bound = lipschitz_constant(self._space.coordinates, v), 0.0
        for sign, side in zip(self._signs, self._sides, strict=True):
            side.restore()
            side.move(sign * v / size)
            largest, _ = side.rules.bound()
            bound = max(bound, padded(largest, size, self._space.coordinates.shape))
        bound += float(np.abs(v) @ self._space.residual)
        bound = bound if math.isfinite(bound) else math.inf
        dim = self._problem.design.shape[1]
        return v, OracleReport.without_witnesses(bound, v, dim, method="affine")

    def _balanced(self, v: Array) -> Array:
        """With an intercept, positive and negative entries with the same sum; logarithms are moved, too."""
        if not self._problem.fit_intercept:
            return v
        parts = [self._first > 0, self._first < 0]
        sums = [float(np.abs(v[part]).sum()) for part in parts]
        for part, one in zip(parts, sums, strict=True):
            factor = 0.5 * sum(sums) / one
            self._logs[part] += math.log(factor)
            v[part] *= factor
        return v

    def _bounds(self, v: Array) -> tuple[Array, list[Gradients]]:
        """The bounds of both signs, and their gradients."""
        bounds, gradients = [], []
        for sign, side in zip(self._signs, self._sides, strict=True):
            side.move(sign * v / self._size)
            bound, gradient = side.rules.bound()
            bounds.append(self._size * bound)
            gradients.append(gradient)
        return np.array(bounds), gradients

    def _value(self, v: Array, bounds: Array) -> tuple[float, float]:
        """The best scale of a dual point, negative where bounds do not limit it, and about its lower bound."""
        largest = self._problem.alpha / float(bounds.max())
        scale = best_scale(self._problem, v, largest)
        value = self._problem.rough_dual(scale * v)
        return (scale if scale > largest * (1 - _DIFFERENCE) else -scale), value

    def _gradient(self, v: Array, scale: float, bounds: Array, gradients: list[Gradients]) -> Array:
        """Of the value, with respect to the logarithms."""
        problem = self._problem
        w = abs(scale) * v
        z = -w / problem.weights
        inner = problem.loss.conjugate((1 - _DIFFERENCE) * z, problem.y)
        along = problem.weights * (inner - problem.loss.conjugate(z, problem.y)) / _DIFFERENCE
        if scale > 0:
            along -= along.sum() * self._of_log_bound(bounds, gradients)
        return self._tangent(along, w) if problem.fit_intercept else along

    def _of_log_bound(self, bounds: Array, gradients: list[Gradients]) -> Array:
        shares = (bounds / bounds.max()) ** _SHARPNESS
        out = np.zeros_like(self._first)
        for share, side, gradient in zip(
            shares / shares.sum(), self._sides, gradients, strict=True
        ):
            out[side.where_up] += 0.5 * share * gradient.log_up
            out[side.where_down] += 0.5 * share * gradient.log_down
        return out

    def _tangent(self, along: Array, w: Array) -> Array:
        """The gradient through the factors that balance positive and negative entries, which are balanced here."""
        sign = np.sign(w)
        return along - w / np.abs(w).sum() * float(sign @ along)
