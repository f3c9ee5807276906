"""A hidden layer with smoothed kinks: outputs of the network on some rows, and gradients back.

With ``q = t + 1/2`` and ``p`` that is ``q`` clipped to ``[0, 1]``, a neuron with the input ``2s t`` has the output
``s h``, where::

    h = slope · 2t + (1 − slope) p (2q − p)

Its derivative in the input is ``slope + (1 − slope) p``, and that in ``s``, at a fixed input,
``(1 − slope) p (1 − p)``. Compiled code takes each way in one pass, and lets other threads run meanwhile. In NumPy each
operation on arrays of shape (n, m) is a pass, and takes a third of the time of a matrix product. There are few of them:
what is linear in the inputs is a product with a small matrix, and with one output the gradient in inner weights,
``Σ_i pull_i p_ij x_i`` times the outer weight, is a product with ``p`` itself.

Sums over rows are vectors, of which those of several runs of rows are added up: gradients in ``s`` of shape (m,), in
outer weights (K, m), in units of ``s``, in inner weights (m, d̃) and in intercepts (K,), and the value of the loss.
:func:`split_sums` gives them their shapes.
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

__all__ = ["HiddenLayer", "adam_steps", "is_compiled", "split_sums"]

_Settings = tuple[Any, bool, bool, float, int, int, int, int]

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

    in_numpy = False  # whether compiled code is left alone

    def __init__(self, inner: Array, outer: Array, s: Array, slope: float, dtype: Any) -> None:
        self._s, self._slope, self.dtype = s, slope, dtype
        # Neurons that do nothing are added up to a full number of lanes of compiled code.
        n_lanes = 1 if self._is_in_numpy else _kinks.LANES
        m = -(-len(s) // n_lanes) * n_lanes
        self._inner = np.zeros((m, inner.shape[1]), dtype)
        self._inner[: len(s)] = inner / (2 * s[:, None])
        self._outer, self._scaled = np.zeros((2, outer.shape[1], m), dtype)
        self._outer[:, : len(s)] = outer.T
        self._scaled[:, : len(s)] = s * outer.T

    @property
    def width(self) -> int:
        """Entries of memory for a row: a hidden neuron has one in compiled code, and two in NumPy."""
        return len(self._inner) * (2 if self._is_in_numpy else 1)

    @property
    def _is_in_numpy(self) -> bool:
        return self.in_numpy or _kinks is None

    def outputs(self, rows: Array, t: Array) -> Array:
        """Outputs in double precision, of shape (n, K), without an intercept; writes `t`, of shape (n, width)."""
        if self._is_in_numpy:
            return self._outputs(rows, t).astype(np.float64)
        found = np.empty((rows.shape[0], len(self._outer)))
        self._pass_over(rows, self._scaled, t, b"", found)
        return found

    def gradients(self, rows: Array, t: Array, pull: Array, sums: Array) -> None:
        """Gradients of a loss whose gradient in the outputs is `pull`, of shape (n, K). Overwrites `t`.

        Adds them to the first :attr:`n_gradients` entries of `sums`: those in `s` at fixed inner weights, in outer
        weights, and in inner weights at a fixed `s`.
        """
        pull = np.ascontiguousarray(pull, t.dtype)
        out = sums[: self.n_gradients]
        if self._is_in_numpy:
            out += np.concatenate(self._gradients(rows, t, pull), axis=None)
        else:
            self._pass_over(rows, self._outer, t, pull, out)

    @property
    def n_gradients(self) -> int:
        """Number of partial derivatives."""
        return len(self._s) * (1 + len(self._outer) + self._inner.shape[1])

    def least_squares(self, rows: Array, target: Array, weights: Array, intercept: Array) -> Array:
        """Sums of half of the weighted squares of residuals, with its gradients, in one pass of compiled code.

        Parameters
        ----------
        rows : array of shape (n, d̃)
        target : array of shape (n,) or (n, K)
        weights : array of shape (n,)
        intercept : array of shape (K,)
        """
        sums = np.zeros(self.n_gradients + len(intercept) + 1)
        layer = self._inner, self._outer, self._scaled
        settings, samples = self._settings(rows), (target, weights, intercept)
        _kinks.least_squares(*settings, rows, *layer, *samples, sums)
        return sums

    # In NumPy

    def _outputs(self, rows: Array, t: Array) -> Array:
        p, hidden = self._halves(t)
        self._multiply(rows, hidden)
        hidden += 0.5
        np.clip(hidden, 0.0, 1.0, out=p)
        hidden *= 2.0
        hidden -= p
        hidden *= p  # without the part that is linear in the inputs
        outputs = hidden @ ((1.0 - self._slope) * self._scaled.T)
        if self._slope:
            outputs += rows @ (2.0 * self._slope * (self._inner.T @ self._scaled.T))
        return outputs

    def _gradients(self, rows: Array, t: Array, pull: Array) -> tuple[Array, Array, Array]:
        """Gradients in ``s``, in outer, and in inner weights."""
        slope, outer, bent = self._slope, self._outer, 1.0 - self._slope
        p, hidden = self._halves(t)
        by_outer = bent * (pull.T @ hidden)
        if len(outer) == 1:
            by_inner = bent * outer.T * (p.T @ self._weighted(rows, pull))
            np.multiply(p, p, out=hidden)
            np.subtract(p, hidden, out=hidden)
            by_width = bent * outer[0] * (pull[:, 0] @ hidden)
        else:
            np.matmul(pull, outer, out=hidden)
            hidden *= p
            by_inner = bent * (hidden.T @ rows)
            p *= hidden
            hidden -= p
            by_width = bent * hidden.sum(axis=0)
        if slope:
            pulled = pull.T @ rows
            by_outer += 2.0 * slope * (pulled @ self._inner.T)
            by_inner += slope * (outer.T @ pulled)
        return by_width, by_outer, by_inner

    def _multiply(self, rows: Any, hidden: Array) -> None:
        np.matmul(rows, self._inner.T, out=hidden)

    def _weighted(self, rows: Any, pull: Array) -> Any:
        return pull * rows

    def _halves(self, t: Array) -> tuple[Array, Array]:
        """Two arrays of shape (n, m) in the memory `t`."""
        p, hidden = t.reshape(2, len(t), len(self._inner))
        return p, hidden

    # In compiled code

    def _pass_over(self, rows: Array, outer: Array, t: Array, pull: Any, out: Array) -> None:
        _kinks.pass_over(*self._settings(rows), rows, self._inner, outer, t, pull, out)

    def _settings(self, rows: Array) -> _Settings:
        """What the functions of compiled code begin with."""
        n, dim = rows.shape
        return *_product(rows), self._slope, n, dim, len(self._s), len(self._outer)


def is_compiled() -> bool:
    """Whether there is compiled code.

    Examples
    --------
    >>> is_compiled() in (True, False)
    True
    """
    return _kinks is not None


def adam_steps(
    samples: tuple[Array, Array, Array],
    slope: float,
    sizes: tuple[int, int, int, int],
    width: float,
    decays: tuple[float, float, float],
    fits_intercept: bool,
    arrays: tuple[Any, Array, Array, Array],
) -> None:
    """Steps of Adam in compiled code.

    Parameters
    ----------
    samples : Samples
    slope : float
    sizes : tuple of int
        Samples of a batch, inputs, neurons and outputs.
    width : float
        Of the kinks, in units of the lengths of inner weights.
    decays : tuple of float
        Of the means of gradients and of their squares, and what is added to the root of the latter.
    fits_intercept : bool
    arrays : tuple
        First samples of the batches, 64-bit integers; step sizes, and factors of the root, of shape (k, 2); what the
        point is multiplied by in the gradient of the penalty; point, means of gradients and of squares, which move on.
    """
    options = width, decays, fits_intercept
    _kinks.adam(*_product(samples[0]), slope, *sizes, *options, *samples, *arrays)


def _product(rows: Array) -> tuple[Any, bool, bool]:
    """BLAS's product for these rows, whether it is in single precision, and whether others may be used."""
    is_single = rows.dtype == np.float32
    return cython_blas.__pyx_capi__["sgemm" if is_single else "dgemm"], is_single, _MAY_OWN


def split_sums(sums: Array, dim: int, n_outputs: int) -> tuple[Array, Array, Array, Array, float]:
    """Parts of sums over rows.

    Parameters
    ----------
    sums : array
    dim : int
        Number ``d̃`` of inputs.
    n_outputs : int

    Returns
    -------
    by_width : array of shape (m,)
    by_outer : array of shape (m, K)
        To be multiplied by ``s``.
    by_inner : array of shape (m, d̃)
    by_intercept : array of shape (K,)
    value : float

    Examples
    --------
    >>> split_sums(np.arange(6.0), dim=2, n_outputs=1)  # of a neuron
    (array([0.]), array([[1.]]), array([[2., 3.]]), array([4.]), 5.0)
    """
    end = len(sums) - n_outputs - 1
    m = end // (1 + n_outputs + dim)
    start = m * (1 + n_outputs)
    by_outer, by_inner = sums[m:start].reshape(n_outputs, m).T, sums[start:end].reshape(m, dim)
    return sums[:m], by_outer, by_inner, sums[end:-1], float(sums[-1])
