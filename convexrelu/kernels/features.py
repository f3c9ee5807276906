"""The kernel of a network's learned features, and the alignment of kernels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.preprocessing import KernelCenterer

from convexrelu._utils.arguments import finite_array
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["kernel_alignment", "network_kernel"]


def network_kernel(
    network: TwoLayerNetwork, X: ArrayLike, Z: ArrayLike | None = None, *, free_bias: bool = False
) -> Array:
    """Kernel of the hidden features of a trained network.

    For features ``φ_j(x) = relu(w̃_jᵀx̃)/‖w̃_j‖``, each with the weight of its neuron in the penalty::

        K(x, z) = Σ_j ‖w̃_j‖ ‖a_j‖ φ_j(x) φ_j(z)

    It does not change when neurons are rescaled: it is the inner product of the neurons' outputs when these are
    balanced.

    Parameters
    ----------
    network : TwoLayerNetwork
    X : array of shape (n, d)
        Inputs; may be a sparse matrix.
    Z : array of shape (m, d), optional
        Other inputs; ``None`` means `X`.
    free_bias : bool
        Whether hidden biases are unpenalised: lengths are then ``‖w_j‖``, and neurons with zero weights do not count.

    Returns
    -------
    array of shape (n, m)
        Of rank at most the width. Excludes intercept and skip connection.

    Notes
    -----
    With one output, ``f − c = Σ_j a_j ‖w̃_j‖ φ_j`` has a norm of ``‖f − c‖²_K ≤ Σ_j ‖w̃_j‖ |a_j|``, its penalty, with
    equality where features are linearly independent. The outer weights of an optimal network, with the inner ones
    fixed, satisfy the optimality conditions of ``min F(f + c) + (alpha/2) ‖f‖²_K``: kernel ridge regression with
    this kernel reproduces the network.

    References
    ----------
    Ergen & Pilanci 2021, "Convex Geometry and Duality of Over-parameterized Neural Networks", compare the features of
    optimal networks with kernels that do not depend on targets; the weights are those of
    :func:`~convexrelu.kernels.reweighted_kernel`.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> network = TwoLayerNetwork([[3.0]], [4.0], [[-2.0]], [0.0])
    >>> network_kernel(network, [[0.0], [1.0]])  # (2/5) relu(3x + 4) relu(3z + 4)
    array([[ 6.4, 11.2],
           [11.2, 19.6]])
    """
    balanced = network.balance(free_bias=free_bias)
    features = balanced.hidden_features(X)
    return features @ (features if Z is None else balanced.hidden_features(Z)).T


def kernel_alignment(K: ArrayLike, L: ArrayLike) -> float:
    """Centred alignment of two kernel matrices, ``⟨HKH, HLH⟩/(‖HKH‖ ‖HLH‖)`` with ``H = I − 11ᵀ/n``.

    Parameters
    ----------
    K, L : arrays of shape (n, n)
        Kernel matrices on the same samples. For targets ``y`` the ideal one is ``yyᵀ``.

    Returns
    -------
    float
        Between 0 and 1 for positive semidefinite matrices; 1 where the centred ones are proportional.

    Raises
    ------
    ValueError
        If a matrix is not square, not finite, of another size, or zero when centred.

    References
    ----------
    Cortes, Mohri & Rostamizadeh 2012, "Algorithms for Learning Kernels Based on Centered Alignment", JMLR 13,
    definition 4.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([1.0, 2.0, 4.0])
    >>> round(kernel_alignment(np.outer(y, y), 3 * np.outer(y - 5, y - 5)), 12)
    1.0
    """
    first, second = _centred("K", K), _centred("L", L)
    if first.shape != second.shape:
        raise ValueError(f"L has shape {second.shape}, expected {first.shape}, that of K")
    return float(np.vdot(first, second))


def _centred(name: str, matrix: ArrayLike) -> Array:
    """``HKH`` of norm one."""
    kernel = finite_array(name, matrix)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"{name} has shape {kernel.shape}, expected (n, n)")
    centred = KernelCenterer().fit_transform(kernel)
    size, rounding = np.linalg.norm(centred), 1e-14 * np.linalg.norm(kernel)
    if size <= rounding:
        raise ValueError(f"{name} is zero when centred, so that its alignment is undefined")
    return centred / size
