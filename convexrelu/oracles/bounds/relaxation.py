"""A valid upper bound on ``M(v)`` in closed form, for any dimension: loose, cheap, a proof."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from scipy.linalg import eigvalsh

from convexrelu._utils.deadlines import is_brief, product_fits
from convexrelu._utils.norms import norms, sizes
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import OracleReport

__all__ = ["RelaxationOracle"]


_EPS = float(np.finfo(np.float64).eps)
_PART = 2**20  # entries of the design at a time: they stay in the cache


class RelaxationOracle:
    r"""Smallest of three closed-form bounds on ``M(v)``.

    For one sign, with ``p = max(v, 0)``; leaving out the negative ``v_i`` can only raise ``vᵀ
    relu(X̃u)``::

        vᵀ relu(X̃u) ≤ Σ p_i ‖x̃_i‖
        vᵀ relu(X̃u) ≤ √(Σ p_i) · √λ_max(X̃ᵀ diag(p) X̃)
        vᵀ relu(X̃u) ≤ ½ ‖X̃ᵀv‖ + ½ √(Σ p_i) · √λ_max(X̃ᵀ diag(p) X̃)

    The first gives every sample its own best ``u``, the second is Cauchy–Schwarz with weights ``p``, the
    third ``relu(z) = ½ z + ½ |z|``. Where the largest eigenvalue would not be found before the deadline, the third
    has ``½ Σ p_i ‖x̃_i‖`` for its last term, and the second is left out.

    For the other sign, replace ``v`` by ``−v``. The oracle returns no witnesses. It serves to prove that the
    zero network is optimal at large `alpha`, and as a proved but loose lower bound where the sharp one
    is only an estimate.

    **Other activations.** ``φ(z) ≤ |z|``, and ``−φ(z) ≤ max(slope, 0) |z|``: where ``v_i < 0``, the first two have
    ``p_i = max(slope, 0) |v_i|``. And ``φ(z) = ½ (1 + slope) z + ½ (1 − slope) |z|``, so that the two terms of the
    third get these factors, with ``p = max(v, 0)`` there.

    **Several outputs.** With ``p_i = ‖V_i‖``, and ``W_i = V_i/√p_i``::

        ‖Vᵀ φ(X̃u)‖ ≤ Σ p_i ‖x̃_i‖
        ‖Vᵀ φ(X̃u)‖ ≤ ‖W‖₂ · ‖diag(√p) X̃‖₂
        ‖Vᵀ φ(X̃u)‖ ≤ ½ (1 + slope) ‖X̃ᵀV‖₂ + ½ (1 − slope) ‖W‖₂ · ‖diag(√p) X̃‖₂

    since ``Vᵀ φ(z) = Wᵀ diag(√p) φ(z)`` and ``|φ(z_i)| ≤ |z_i|``. The two signs cannot be separated here.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    slope : float
        Negative slope of ``φ``, in ``[−1, 1]``.
    lengths : array of shape (n,), optional
        ``‖x̃_i‖``, if known.

    Examples
    --------
    >>> import numpy as np
    >>> report = RelaxationOracle(np.eye(2))(np.array([3.0, -4.0]))
    >>> report.is_proof and report.bound >= 4.0  # M(v) = 4
    True
    >>> float(round(RelaxationOracle(np.eye(2))(np.diag([3.0, 4.0])).bound, 12))  # M(V) = 4
    4.0
    """

    def __init__(self, design: Array, slope: float = 0.0, *, lengths: Array | None = None) -> None:
        self.design = design
        self.slope = slope
        self._norms = norms(design) if lengths is None else lengths
        self._last: tuple[Array, OracleReport] | None = None  # a question and its answer
        self._is_complete = True  # whether there was time for every bound

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Bound ``M(v)`` at the dual point ``v`` of shape (n,) or (n, K); the last answer is remembered."""
        if self._last is not None and np.array_equal(self._last[0], v):
            return self._last[1]
        self._is_complete = True
        report = self._bound(v, deadline)
        self._last = (v.copy(), report) if self._is_complete else None
        return report

    def _bound(self, v: Array, deadline: float) -> OracleReport:
        bound = self._one_output(v, deadline) if v.ndim == 1 else self._several(v, deadline)
        dim = self.design.shape[1]
        return OracleReport.without_witnesses(bound, v, dim, method="relaxation")

    def _one_output(self, v: Array, deadline: float) -> float:
        return max(self.one_sign(v, deadline), self.one_sign(-v, deadline))

    def one_sign(
        self, v: Array, deadline: float = math.inf, project: Callable[[Array], Array] | None = None
    ) -> float:
        """Bound ``max_{‖u‖ ≤ 1} vᵀ φ(X̃u)``, without the absolute value; where `u` is in a cone, with its projection.

        Over a cone, ``½ (1 + slope) ‖X̃ᵀv‖`` in the third bound becomes the length of the projection of ``X̃ᵀv`` on it.
        """
        positive = np.maximum(v, 0.0)
        counted = positive + max(self.slope, 0.0) * np.maximum(-v, 0.0)
        spectral = self._spectral(positive, deadline)
        whole = spectral if self.slope <= 0 else self._spectral(counted, deadline)
        linear = v @ self.design
        halved = self._halved(norms(project(linear) if project else linear), spectral)
        separate = float(counted @ self._norms)
        return float(min(separate, whole, halved)) + self._rounding(v)

    def _several(self, v: Array, deadline: float) -> float:
        p = sizes(v)
        roots = np.sqrt(np.where(p > 0, p, 1.0))[:, None]
        separate = float(p @ self._norms)
        scaled = self._largest_singular_value(roots * (p > 0)[:, None], deadline)
        spectral = min(float(np.linalg.norm(v / roots, 2)) * scaled, separate)
        halved = self._halved(float(np.linalg.norm(v.T @ self.design, 2)), spectral)
        return float(min(spectral, halved)) + self._rounding(v)

    def _spectral(self, weights: Array, deadline: float) -> float:
        """``√(Σ p_i) · √λ_max(X̃ᵀ diag(p) X̃)``, or ``Σ p_i ‖x̃_i‖`` if smaller: at least ``Σ p_i |x̃_iᵀu|``."""
        separate = float(weights @ self._norms)
        largest = self._largest_singular_value(np.sqrt(weights)[:, None], deadline)
        return min(float(np.sqrt(weights.sum())) * largest, separate)

    def _largest_singular_value(self, factors: Array, deadline: float) -> float:
        """Of the rows times `factors`, rounded up; infinite without the time for it.

        By the smaller Gram matrix, which is ten times faster than singular values. Its error is at most as many
        roundings of ``‖·‖_F²`` as its products have terms, and that of the eigenvalue as it has rows.
        """
        few = min(self.design.shape)
        with np.errstate(over="ignore"):
            unit = float((factors[:, 0] * self._norms).max(initial=0.0))
        if unit == 0:
            return 0.0
        if not math.isfinite(unit):
            return math.inf
        work = few * self.design.size + 2 * few**3
        if is_brief(work):
            deadline = math.inf
        gram = self._gram(factors, unit, deadline) if product_fits(work, deadline) else None
        if gram is None:
            self._is_complete = False
            return math.inf
        rounding = 4 * sum(self.design.shape) * _EPS * float(np.trace(gram))
        largest = eigvalsh(gram, subset_by_index=[few - 1, few - 1], overwrite_a=True)[0]
        return unit * math.sqrt(largest + rounding)

    def _gram(self, factors: Array, unit: float, deadline: float) -> Array | None:
        """The smaller Gram matrix of the rows times ``factors / unit``, in parts; None where time ends."""
        n, dim = self.design.shape
        gram = np.zeros((min(n, dim),) * 2)
        by_rows = dim <= n
        step = max(1, _PART // len(gram))
        for i in range(0, max(n, dim), step):
            if deadline < math.inf and time.perf_counter() > deadline:
                return None
            part = slice(i, i + step)
            scaled = (
                factors[part] * self.design[part] if by_rows else factors * self.design[:, part]
            )
            scaled /= unit
            gram += scaled.T @ scaled if by_rows else scaled @ scaled.T
        return gram

    def _halved(self, linear: float, absolute: float) -> float:
        return 0.5 * (1 + self.slope) * linear + 0.5 * (1 - self.slope) * absolute

    def _rounding(self, v: Array) -> float:
        size = sum(self.design.shape) + sum(v.shape[1:])
        return 8 * size * _EPS * float(sizes(v) @ self._norms)
