r"""The pricing function of a class as one without constraints, on a few more samples.

``K_s`` is cut out by half-spaces, and a ReLU is a penalty for leaving one. With ``E = {k : m_k ≠ 0}`` and any ``Λ_k ≥
0``::

    h_s(u) = s vᵀφ(X̃u) − Σ_{k ∈ E} Λ_k relu(−s m_k u_k)

equals ``s vᵀφ(X̃u)`` on ``K_s``. So ``max {h_s(u) : ‖u‖ ≤ 1} ≥ max {s vᵀφ(X̃u) : u ∈ K_s, ‖u‖ ≤ 1}``: **every upper bound
on h_s, by any method, is one over the class.** In branch and bound, the slopes in ``[0, 1]`` that it chooses for the
added kinks are Lagrange multipliers of the constraints in ``[0, Λ_k]``.

**No bound is lost** with ``Λ_k = Σ_i max(−v_i m_k x̃_ik, 0)``. Where ``s m_k u_k < 0``, the derivative of ``s vᵀφ(X̃u)``
along ``s m_k e_k`` is ``Σ_i v_i m_k x̃_ik φ'(t_i)`` with ``φ' ∈ [0, 1]``, at least ``−Λ_k``. So ``h_s`` does not fall
if all such ``u_k`` move to zero one after the other, and ``‖u‖`` becomes smaller: both maxima are equal, as they are
not negative and the functions positively homogeneous.

``h_s(u) = v_sᵀ relu(X̃_s u)`` with rows ``−s m_k e_k`` and entries ``−Λ_k`` in addition to ``X̃`` and ``s v``. For leaky
ReLU, ``φ(t) = relu(t) − slope relu(−t)`` adds rows ``−X̃`` with entries ``−slope s v``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convexrelu._utils.norms import lipschitz_constant, norms, unit_rows
from convexrelu._utils.typing import Array
from convexrelu.constrained.neuron_class import NeuronClass
from convexrelu.oracles.base import OracleReport, moments, strongest_first
from convexrelu.oracles.bounds.relaxation import RelaxationOracle
from convexrelu.patterns.activation import first_of_each

__all__ = ["Penalised"]

_EPS = float(np.finfo(np.float64).eps)


class Penalised:
    """Rows and dual points of the penalised functions ``h_s`` of a class.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    neuron_class : NeuronClass
    slope : float
        Negative slope of ``φ``, in ``[0, 1)``.

    Attributes
    ----------
    signs : tuple of float
        The ``s``.
    limits : array of shape (d̃,)
        ``m``.

    Examples
    --------
    >>> import numpy as np
    >>> penalised = Penalised(np.eye(2), NeuronClass([1, 0]), 0.0)
    >>> v = np.array([-3.0, 2.0])
    >>> penalised.rows(1.0) @ np.array([-1.0, 0.0]), penalised.weights(1.0, v)
    (array([-1.,  0.,  1.]), array([-3.,  2., -3.]))
    """

    def __init__(self, design: Array, neuron_class: NeuronClass, slope: float) -> None:
        self.design = design
        self.slope = slope
        self.neuron_class = neuron_class
        self.signs = neuron_class.signs
        self.limits = neuron_class.limits(design.shape[1])
        self._relaxation = RelaxationOracle(design, slope)
        # In units of the longest row: the rank is not decided by units.
        self.unit = float(norms(design).max(initial=0.0)) or 1.0
        constrained = np.flatnonzero(self.limits)
        self._walls = (self.unit * self.limits[:, None] * np.eye(len(self.limits)))[constrained]
        self._slopes = self.limits[constrained] * (design[:, constrained] / self.unit)
        self.samples = np.vstack([design, -design]) if slope else design

    def rows(self, sign: float) -> Array:
        """The rows of ``h_s``."""
        return np.vstack([self.samples, -sign * self._walls])

    def weights(self, sign: float, v: Array) -> Array:
        """The dual point of ``h_s``."""
        entries = [sign * v, -np.maximum(-v[:, None] * self._slopes, 0.0).sum(axis=0)]
        if self.slope:
            entries.insert(1, -self.slope * sign * v)
        return np.concatenate(entries)

    def closed_form(self, sign: float, v: Array, deadline: float) -> float:
        """A loose proved bound on ``s vᵀφ(X̃u)`` in ``K_s``, see :class:`~convexrelu.oracles.RelaxationOracle`."""
        return self._relaxation.one_sign(sign * v, deadline, self._projection(sign))

    def relaxation(self, v: Array, deadline: float) -> OracleReport:
        """The same for all signs: a report without witnesses."""
        bound = max(self.closed_form(sign, v, deadline) for sign in self.signs)
        dim, scope = self.design.shape[1], self.neuron_class.scope
        return OracleReport.without_witnesses(bound, v, dim, method="relaxation", scope=scope)

    def rounding(self, v: Array) -> float:
        """Of the products ``slope · v``."""
        return _EPS * lipschitz_constant(self.design, v) if self.slope else 0.0

    def largest(self, v: Array, directions: Array, signs: Array) -> float:
        """The largest value at directions of the class: a lower bound on ``M(v)``."""
        units = unit_rows(self.neuron_class.project(directions, signs))
        return float((signs * moments(self.design, v, units, self.slope)).max(initial=0.0))

    def report(self, v: Array, directions: Array, signs: Array) -> OracleReport:
        """Witnesses from directions, cut off to those of the class, strongest first; without a bound."""
        units = unit_rows(self.neuron_class.project(directions, signs))
        values = signs * moments(self.design, v, units, self.slope)
        masks = units @ self.design.T >= 0
        order = strongest_first(values)
        order = order[values[order] > 0]
        order = order[first_of_each(np.column_stack([masks, signs > 0])[order])]
        return OracleReport(
            bound=np.inf,
            is_proof=False,
            scope=self.neuron_class.scope,
            method="",
            masks=masks[order],
            signs=signs[order],
            directions=units[order],
            values=values[order],
        )

    def _projection(self, sign: float) -> Callable[[Array], Array]:
        def project(gradient: Array) -> Array:
            return np.where(sign * self.limits * gradient < 0, 0.0, gradient)

        return project
