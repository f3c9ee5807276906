"""The neural tangent kernel of two-layer ReLU networks of infinite width."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.kernels.inputs import augmented_pair

__all__ = ["tangent_kernel"]


def tangent_kernel(X: ArrayLike, Z: ArrayLike | None = None, *, hidden_bias: bool = True) -> Array:
    """Neural tangent kernel of ReLU networks with one hidden layer.

    For ``f(x) = m^{-1/2} Σ_j a_j relu(w̃_jᵀ x̃)`` with ``m → ∞`` standard normal weights, all of them trained, with
    ``t`` the angle of ``x̃`` and ``z̃``::

        K(x, z) = E[relu(w̃ᵀx̃) relu(w̃ᵀz̃)] + x̃ᵀz̃ P[w̃ᵀx̃ ≥ 0, w̃ᵀz̃ ≥ 0]
                = ‖x̃‖ ‖z̃‖ (sin t + (π − t) cos t)/(2π) + x̃ᵀz̃ (π − t)/(2π)

    Parameters
    ----------
    X : array of shape (n, d)
        Inputs.
    Z : array of shape (m, d), optional
        Other inputs; ``None`` means `X`.
    hidden_bias : bool
        Whether ``x̃ = (x, 1)``, as for neurons with a bias, or ``x̃ = x``.

    Returns
    -------
    array of shape (n, m)
        Symmetric without `Z`, with ``‖x̃_i‖²`` on the diagonal.

    Raises
    ------
    ValueError
        For anything but a matrix of finite numbers, or if the two differ in their features.

    Notes
    -----
    With ``δ = π − t`` this is ``‖x̃‖ ‖z̃‖ (sin δ − 2δ cos δ)/(2π)``. For unit vectors ``p`` and ``q``, the angle is ``δ
    = 2 arctan2(‖p + q‖, ‖p − q‖)`` (Kahan 2006, "How Futile are Mindless Assessments of Roundoff in Floating-Point
    Computation?"), which is accurate everywhere; the arc cosine has only half of the digits near 0 and ``π``. It takes
    ``O(nmd)`` operations. With the factor ``√(2/m)``, another convention, the kernel is twice this one.

    References
    ----------
    Jacot, Gabriel & Hongler 2018, "Neural Tangent Kernel: Convergence and Generalization in Neural Networks"; the two
    expectations are the arc-cosine kernels of degree 1 and 0 of Cho & Saul 2009, "Kernel Methods for Deep Learning".

    Examples
    --------
    >>> import numpy as np
    >>> tangent_kernel([[1.0, 0.0], [0.0, 2.0]], hidden_bias=False) * np.pi
    array([[ 3.14159265,  1.        ],
           [ 1.        , 12.56637061]])
    """
    rows, others = augmented_pair(X, Z, hidden_bias)
    lengths, other_lengths = norms(rows), norms(others)
    p, q = _units(rows, lengths), _units(others, other_lengths)
    supplement = 2 * np.arctan2(cdist(p, -q), cdist(p, q))
    angular = (np.sin(supplement) - 2 * supplement * np.cos(supplement)) / (2 * np.pi)
    return np.outer(lengths, other_lengths) * angular


def _units(rows: Array, lengths: Array) -> Array:
    """Unit vectors; zero rows stay zero, as their angle does not matter."""
    return rows / np.where(lengths > 0, lengths, 1.0)[:, None]
