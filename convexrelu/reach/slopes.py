r"""Upper bounds on the norm of a network's Jacobian where some rectifiers are not decided.

Undecided rectifiers have a slope anywhere in [0, 1]. Interval arithmetic bounds the entries, ``|J| ≤ M``, and ``‖J‖ ≤
‖M‖`` for the norms 1, 2 and ∞ of operators. In a two-layer network the Jacobians are also a zonotope, ``J_0 + Σ t_j
U_j`` with ``|t_j| ≤ 1``, whose largest norm has the bound ``‖J_0‖ + Σ ‖U_j‖``, and a sharper one with weights. Let
the generators, ``J_0`` among them, be the rows of ``U``. For the norm 2,

.. math::

   \max_{\|p\|_2 = 1, |t_j| \le 1} t^\top U p
   \le \Bigl( \sum_j w_j \Bigr)^{1/2} \, \| W^{-1/2} U \|_2 , \qquad W = \operatorname{diag}(w) ,

for any weights ``w > 0``, as ``‖W^{1/2} t‖² ≤ Σ w_j``. For the norm ∞, ``|p_i| ≤ 1`` is in the place of ``‖p‖ = 1``,
and has weights of its own: ``(Σ w_j Σ v_i)^{1/2} ‖W^{-1/2} U V^{-1/2}‖_2``. The best weights give the bounds of
semidefinite relaxations. Where there are few enough corners of the unit balls, the norms 1 and ∞ are bounded for one
corner at a time instead (:mod:`convexrelu.reach.functionals`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.deadlines import svd_fits
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.reach.functionals import Functionals
from convexrelu.reach.rectifiers import EPS, Rectifiers

__all__ = ["Slopes", "operator_norm", "rounding_of_squares", "unit_of_slopes"]

_ROUNDING = 1e-13  # relative, of norms and eigenvalues; `Slopes.rounding` is that of sums
_POWER = 12  # of eigenvalues, in the average over their vectors
_STEPS = 4  # of weights at a node
_KEPT = 0.75  # exponent of the old weights in a step; less and steps go back and forth
_LEAST = 1e-9  # of weights, whose sum is one
_LARGEST = 1000  # exponent of outer weights, in the unit of slopes


def operator_norm(jacobian: Array, norm: float) -> float:
    """``max ‖J x‖ / ‖x‖``: the largest sum of a column, singular value, or sum of a row."""
    return float(np.linalg.norm(jacobian, ord=norm))


def rounding_of_squares(A: Array) -> float:
    """What the eigenvalues of ``Aᵀ A`` may be wrong by: each entry by its terms, and all by their decomposition."""
    return 4 * sum(A.shape) * EPS * float(np.einsum("ij,ij->", A, A))


class Slopes:
    """Bounds for one network and norm; after the deadline those that take long are left out."""

    def __init__(self, network: Rectifiers, norm: float, deadline: float = math.inf) -> None:
        self.network, self.norm, self.deadline = network, norm, deadline
        self.is_zonotope = len(network.widths) <= 1
        m, d = network.n_units, network.n_features
        self.rounding = 4 * (m + d + 4) * EPS * operator_norm(_magnitudes(network), norm)
        if self.is_zonotope:
            self.generators = network.C.T[:, :, None] * network.P[:, None, :] / 2
            self.sizes = np.linalg.norm(self.generators, ord=norm, axis=(1, 2))
        self.has_corners = self.is_zonotope and Functionals.are_few(network, norm)
        self._corners: Functionals | None = None
        # One question for each output for the norm ∞, one for all outputs otherwise.
        n_questions, n_columns = (
            (network.n_outputs, d) if norm == np.inf else (1, network.n_outputs * d)
        )
        self.weights = [np.ones(m + 1) for _ in range(n_questions)]
        self.column_weights = [np.ones(n_columns) for _ in range(n_questions)]

    def at(self, signs: NDArray) -> float:
        """The norm where all rectifiers are decided."""
        return operator_norm(self.network.gradients(signs > 0), self.norm)

    def of_many(self, active: NDArray) -> Array:
        """Norms for many rows of activities."""
        if self.is_zonotope:
            jacobians = self.network.B + 2 * np.tensordot(active, self.generators, axes=1)
        else:
            jacobians = np.array([self.network.gradients(one) for one in active])
        return np.asarray(np.linalg.norm(jacobians, ord=self.norm, axis=(1, 2)))

    def along_steepest(self, parts: Array) -> Array:
        """Derivatives of the norms by the parts ``0 ≤ t_j ≤ 1`` of a zonotope, for many rows of parts."""
        jacobians = self.network.B + 2 * np.tensordot(parts, self.generators, axes=1)
        return 2 * np.tensordot(
            _subgradients(jacobians, self.norm), self.generators, axes=([1, 2], [1, 2])
        )

    def bound(self, signs: NDArray, enough: float, corner: int | None = None) -> float:
        """Upper bound on the norm for all slopes of undecided rectifiers, only as sharp as `enough` asks for.

        With a corner, that of one of the `questions`.
        """
        if corner is not None and self._corners is not None:
            return self._corners.bound(corner, signs)
        least, most = self._intervals(signs)
        bound = operator_norm(np.maximum(np.abs(least), np.abs(most)), self.norm)
        free = signs == 0
        if self.is_zonotope and free.any() and bound > enough:
            middle = self.middle(signs)
            bound = min(bound, self.by_sizes(middle, free))
            if self.norm != 1 and bound > enough:
                bound = min(bound, self._weighted(middle, free))
        elif not free.any():
            bound = self.at(signs)
        bound = bound * (1 + _ROUNDING) + self.rounding
        return bound if self._corners is None else min(bound, self._corners.most)

    def by_sizes(self, middle: Array, free: NDArray) -> float:
        """Upper bound on the norm of a zonotope, up to rounding: that of its middle and those of its generators."""
        return float(operator_norm(middle, self.norm) + self.sizes[free].sum())

    def questions(self, signs: NDArray, reached: float) -> Iterator[tuple[float, int | None]]:
        """Bounds that together are one on the norm, or on what is above a norm that is reached, with their corners."""
        corners = self.corners(reached)
        if corners is None:
            yield self.bound(signs, reached), None
        else:
            yield from zip(corners.bounds().tolist(), itertools.count())

    def corners(self, reached: float) -> Functionals | None:
        """The corners that may give more than a norm that is reached, if they are few."""
        if not self.has_corners:
            return None
        self._corners = Functionals(self.network, self.norm, reached, self.rounding)
        return self._corners if self._corners.is_complete else None

    def influence(self, signs: NDArray, units: NDArray, corner: int | None = None) -> Array:
        """How much each of these rectifiers matters for the bound."""
        if not self.is_zonotope:
            net = self.network
            weight = np.abs(net.C).sum(axis=0)
            for layer in reversed(list(net.layers())):
                weight = weight + np.abs(net.Q[layer]).T @ weight[layer]
            return np.asarray((weight * np.abs(net.P + net.Q @ net.P).sum(axis=1))[units])
        if corner is not None and self._corners is not None:
            return np.abs(self._corners.weights[corner, units])
        if self.norm != 2:
            return self.sizes[units]
        direction = self.middle(signs).ravel()
        flat = self.generators[units].reshape(len(units), -1)
        along = np.abs(flat @ direction) / max(float(norms(direction)), np.finfo(float).tiny)
        return along + 0.1 * self.sizes[units]

    def middle(self, signs: NDArray) -> Array:
        """The Jacobian where rectifiers that are not decided are active by half."""
        return self.network.gradients(np.where(signs == 0, 0.5, signs > 0))

    def _intervals(self, signs: NDArray) -> tuple[Array, Array]:
        """Bounds on the entries of the Jacobian."""
        net = self.network
        least, most = net.P.copy(), net.P.copy()
        on, free = (signs > 0)[:, None], (signs == 0)[:, None]
        for layer in list(net.layers())[1:]:
            before = slice(0, layer.start)
            low, high = _scaled(least[before], most[before], on[before], free[before])
            down, up = _product(net.Q[layer, before], low, high)
            least[layer] += down
            most[layer] += up
        down, up = _product(net.C, *_scaled(least, most, on, free))
        return net.B + down, net.B + up

    def _weighted(self, middle: Array, free: NDArray) -> float:
        """The bound with weights."""
        generators = np.concatenate([self.generators[free], middle[None]])
        if self.norm == 2:
            return self._with_weights(generators.reshape(len(generators), -1), free, 0)
        outputs = range(self.network.n_outputs)
        return max(self._with_weights(generators[:, k], free, k) for k in outputs)

    def _with_weights(self, U: Array, free: NDArray, question: int) -> float:
        """The bound of one question, with weights a little better than those of the last call."""
        kept = norms(U) > 0
        if not kept.any():
            return 0.0
        U, chosen = U[kept], np.append(np.flatnonzero(free), len(free))[kept]
        w, v, best = self.weights[question][chosen], self.column_weights[question], np.inf
        for _ in range(_STEPS):
            if not svd_fits((len(v), len(v)), self.deadline):
                break
            w, v = np.maximum(w / w.sum(), _LEAST), np.maximum(v / v.sum(), _LEAST)
            columns = np.sqrt(v) if self.norm == np.inf else np.ones(len(v))
            M = U / np.sqrt(w)[:, None] / columns
            values, directions = np.linalg.eigh(M.T @ M)
            total = w.sum() * (v.sum() if self.norm == np.inf else 1.0)
            bound = float(np.sqrt(total * (max(values[-1], 0.0) + rounding_of_squares(M))))
            if bound < best:
                best = bound
                self.weights[question][chosen], self.column_weights[question] = w, v
            shares = (values / values[-1]).clip(min=0.0) ** _POWER
            along = ((M @ directions) ** 2) @ shares
            w = w**_KEPT * (along / along.sum()) ** (1 - _KEPT)
            across = (directions**2) @ shares
            v = v**_KEPT * (across / across.sum()) ** (1 - _KEPT)
        return best


def unit_of_slopes(net: Rectifiers) -> float:
    """A power of two near the largest slopes: in this unit no square of a slope that counts over- or underflows."""
    largest = [np.abs(part).max(initial=0.0) for part in (_magnitudes(net), net.B, net.C)]
    if largest[0] == 0 or not np.isfinite(largest[0]):
        return 1.0
    with np.errstate(divide="ignore"):
        exponents = np.floor(np.log2(largest))
    return float(2.0 ** max(exponents[0], exponents[1:].max() - _LARGEST))


def _subgradients(jacobians: Array, norm: float) -> Array:
    """``q pᵀ`` with ``qᵀ J p = ‖J‖`` and vectors of dual norm and norm one."""
    if norm == 2:
        left, _, right = np.linalg.svd(jacobians, full_matrices=False)
        return np.asarray(left[:, :, 0, None] * right[:, 0, None, :])
    axis = 1 if norm == 1 else 2
    sums = np.abs(jacobians).sum(axis=axis, keepdims=True)
    return np.asarray(np.sign(jacobians) * (sums == sums.max(axis=3 - axis, keepdims=True)))


def _magnitudes(net: Rectifiers) -> Array:
    """Sums of the sizes of all terms of the Jacobian."""
    sizes = np.abs(net.P)
    for layer in list(net.layers())[1:]:
        sizes[layer] += np.abs(net.Q[layer, : layer.start]) @ sizes[: layer.start]
    return np.asarray(np.abs(net.B) + np.abs(net.C) @ sizes)


def _scaled(least: Array, most: Array, on: NDArray, free: NDArray) -> tuple[Array, Array]:
    """Slopes times an activity of 0, 1, or anywhere between."""
    low = np.where(on, least, np.where(free, np.minimum(least, 0.0), 0.0))
    high = np.where(on, most, np.where(free, np.maximum(most, 0.0), 0.0))
    return low, high


def _product(matrix: Array, low: Array, high: Array) -> tuple[Array, Array]:
    rise, fall = np.maximum(matrix, 0.0), np.minimum(matrix, 0.0)
    return rise @ low + fall @ high, rise @ high + fall @ low
