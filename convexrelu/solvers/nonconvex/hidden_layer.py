"""A hidden layer with smoothed kinks: outputs of the network on some rows, and gradients back.

With ``q = t + 1/2`` and ``p`` that is ``q`` clipped to ``[0, 1]``, a neuron with the input ``2s t`` has the output
``s h``, where::

    h = slope · 2t + (1 − slope) p (2q − p)

Its derivative in the input is ``slope + (1 − slope) p``, and that in ``s``, at a fixed input,
``(1 − slope) p (1 − p)``. In NumPy these steps on arrays of shape (n, m) take as long as the matrix products around
them. Compiled code takes each way in one pass, and lets other threads run meanwhile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import cython_blas

from convexrelu._utils.typing import Array

try:
    from convexrelu.solvers.nonconvex import _kinks
except ImportError:  # installed without a compiler
    _kinks = None  # type: ignore[assignment]

__all__ = ["HiddenLayer"]

_MAY_OWN = True  # whether compiled code may do without BLAS, where that is faster


class HiddenLayer:
    """Neurons with smoothed kinks, and the weights of the outputs.

    Parameters
    ----------
    inner : array of shape (m, d̃)
    outer : array of shape (m, K)
    s : array of shape (m,)
        Half of the widths of the kinks, positive.
    slope : float
        Negative slope of the activation.
    dtype : dtype
        Of matrix products, and of what has the shape (n, m); sums over neurons, and over more than some rows, are made
        in double precision.
    """

    def __init__(self, inner: Array, outer: Array, s: Array, slope: float, dtype: Any) -> None:
        self._s, self._slope, self.dtype = s, slope, dtype
        # Neurons that do nothing are added up to a full number of lanes.
        n_lanes = _kinks.LANES if _kinks else 1
        m = -(-len(s) // n_lanes) * n_lanes
        self._inner = np.zeros((m, inner.shape[1]), dtype)
        self._inner[: len(s)] = inner / (2 * s[:, None])
        self._outer, self._scaled = np.zeros((2, outer.shape[1], m), dtype)
        self._outer[:, : len(s)] = outer.T
        self._scaled[:, : len(s)] = s * outer.T

    @property
    def width(self) -> int:
        """Number of neurons, with those that are added."""
        return len(self._inner)

    @property
    def is_compiled(self) -> bool:
        """Whether there is compiled code."""
        return _kinks is not None

    def outputs(self, rows: Array, t: Array) -> Array:
        """Outputs in double precision, of shape (n, K), without an intercept; writes `t`, of shape (n, width)."""
        if _kinks is None:
            np.matmul(rows, self._inner.T, out=t)
            return (_hidden(t, self._slope) @ self._scaled.T).astype(np.float64)
        found = np.empty((len(rows), len(self._outer)))
        self._pass_over(rows, self._scaled, t, b"", found)
        return found

    def gradients(self, rows: Array, t: Array, pull: Array) -> tuple[Array, Array, Array]:
        """Gradients of a loss whose gradient in the outputs is `pull`, of shape (n, K). Overwrites `t`.

        Returns
        -------
        by_inner : array of shape (m, d̃)
            At a fixed `s`.
        by_outer : array of shape (m, K)
        by_width : array of shape (m,)
            In `s`, at fixed inner weights.
        """
        pull = np.ascontiguousarray(pull, t.dtype)
        if _kinks is None:
            by_width, by_outer, by_inner = _gradients(rows, t, self._outer, self._slope, pull)
            return self._shaped(by_width, by_outer, by_inner)
        sums = np.zeros(self.width + self._outer.size + self._inner.size)
        self._pass_over(rows, self._outer, t, pull, sums)
        return self._shaped(*self._split(sums))

    def least_squares(
        self, rows: Array, target: Array, weights: Array, intercept: Array
    ) -> tuple[float, Array, Array, Array, Array]:
        """Half of the weighted squares of residuals, and its gradients, all in one pass of compiled code.

        Parameters
        ----------
        rows : array of shape (n, d̃)
        target : array of shape (n,) or (n, K)
        weights : array of shape (n,)
        intercept : array of shape (K,)

        Returns
        -------
        value : float
        by_inner, by_outer, by_width : arrays
            As those of :meth:`gradients`.
        by_intercept : array of shape (K,)
        """
        gemm, is_single, sizes = self._product(rows)
        n_outputs = len(intercept)
        sums = np.zeros(self.width + self._outer.size + self._inner.size + n_outputs + 1)
        layer = self._inner, self._outer, self._scaled
        _kinks.least_squares(
            gemm,
            is_single,
            _MAY_OWN,
            self._slope,
            *sizes,
            rows,
            *layer,
            target,
            weights,
            intercept,
            sums,
        )
        gradients, by_intercept = sums[: -n_outputs - 1], sums[-n_outputs - 1 : -1]
        return float(sums[-1]), *self._shaped(*self._split(gradients)), by_intercept

    def _split(self, sums: Array) -> tuple[Array, Array, Array]:
        """Sums of compiled code: in ``s``, in `outer`, and in inner weights."""
        m, end = self.width, self.width + self._outer.size
        return sums[:m], sums[m:end], sums[end:]

    def _shaped(
        self, by_width: Array, by_outer: Array, by_inner: Array
    ) -> tuple[Array, Array, Array]:
        """The gradients of :meth:`gradients`, without neurons that were added."""
        m = len(self._s)
        by_outer = by_outer.reshape(len(self._outer), -1)[:, :m]
        by_inner = by_inner.reshape(self._inner.shape)[:m]
        return by_inner, self._s[:, None] * by_outer.T, by_width[:m]

    def _pass_over(self, rows: Array, outer: Array, t: Array, pull: Any, out: Array) -> None:
        gemm, is_single, sizes = self._product(rows)
        _kinks.pass_over(
            gemm, is_single, _MAY_OWN, self._slope, *sizes, rows, self._inner, outer, t, pull, out
        )

    def _product(self, rows: Array) -> tuple[Any, bool, tuple[int, int, int, int]]:
        """BLAS's product for these rows, whether it is in single precision, and the sizes n, d̃, width, K."""
        is_single = rows.dtype == np.float32
        gemm = cython_blas.__pyx_capi__["sgemm" if is_single else "dgemm"]
        return gemm, is_single, (*rows.shape, self.width, len(self._outer))


def _gradients(
    rows: Array, t: Array, outer: Array, slope: float, pull: Array
) -> tuple[Array, Array, Array]:
    """Gradients in ``s``, in `outer`, and in inner weights."""
    by_outer = pull.T @ _hidden(t, slope)
    t += t.dtype.type(0.5)
    p = np.clip(t, 0.0, 1.0)
    np.matmul(pull, outer, out=t)
    bent = t * p
    by_width = (1.0 - slope) * (bent.sum(axis=0) - np.einsum("ij,ij->j", bent, p))
    t *= slope
    bent *= 1.0 - slope
    t += bent
    by_inner = t.T @ rows
    return by_width.astype(np.float64), by_outer.astype(np.float64), by_inner.astype(np.float64)


def _hidden(t: Array, slope: float) -> Array:
    q = t + t.dtype.type(0.5)
    p = np.clip(q, 0.0, 1.0)
    q *= 2.0
    q -= p
    q *= p
    return (1.0 - slope) * q + 2.0 * slope * t if slope else q
