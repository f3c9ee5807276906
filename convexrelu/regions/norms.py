"""Norms that measure the complexity of a network: of its function, and of its weights along paths."""

from __future__ import annotations

from typing import Any

import numpy as np

from convexrelu._utils.arguments import as_float, is_number, shown
from convexrelu._utils.norms import norms
from convexrelu.regions.hyperplanes import TOL, Hyperplanes, as_two_layer
from convexrelu.regions.layers import layers_of

__all__ = ["path_norm", "variation_norm"]


def variation_norm(network: Any, *, tol: float = TOL) -> float:
    """Total jump of the gradient of a two-layer network over all hyperplanes, a norm of its function.

    On the hyperplane of ``w/‖w‖`` and ``b/‖w‖`` the gradient jumps by ``(1 − s) Σ_j ‖w_j‖ a_j``, summed over the
    neurons that have this hyperplane, and the norm is the sum of the lengths of the jumps. No two-layer network with
    the same function and activation has a smaller ``(1 − s) Σ_j ‖w_j‖ ‖a_j‖``, which is ``1 − s`` times its penalty
    with free hidden biases after :meth:`~convexrelu.TwoLayerNetwork.balance`. It is zero for affine functions; with
    one feature it is the total variation of the slope.

    Parameters
    ----------
    network : TwoLayerNetwork
        Or what :func:`~convexrelu.regions.count_regions` takes, but for networks of gates.
    tol : float
        As for :func:`~convexrelu.regions.count_regions`.

    Returns
    -------
    float

    References
    ----------
    Ongie, Willett, Soudry & Srebro 2020, "A function space view of bounded norm infinite width ReLU nets: the
    multivariate case".

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import variation_norm
    >>> variation_norm(TwoLayerNetwork([[3.0, 4.0], [-3.0, -4.0]], [0.0, 0.0], [[1.0, 1.0]], [0.0]))
    10.0
    >>> variation_norm(TwoLayerNetwork([[3.0, 4.0], [-3.0, -4.0]], [0.0, 0.0], [[1.0, -1.0]], [0.0]))
    0.0
    """
    network = as_two_layer(network)
    planes = Hyperplanes.of(network, tol=tol)
    jumps = np.zeros((len(planes), network.n_outputs))
    known = planes.neurons >= 0
    sizes = norms(network.hidden_weights) * network.output_weights
    np.add.at(jumps, planes.neurons[known], sizes.T[known])
    return float((1 - network.negative_slope) * norms(jumps).sum())


def path_norm(network: Any, p: float = 1.0) -> float:
    """Path norm ``(Σ_paths Π |weights|^p)^{1/p}`` of a network of any depth (Neyshabur, Tomioka & Srebro 2015).

    A path leads from an input, or from the bias of a hidden neuron, to an output. Biases of the output are left out.
    With one hidden layer and ``p = 1`` it is ``Σ_j (‖w_j‖₁ + |b_j|) ‖a_j‖₁``.

    Parameters
    ----------
    network : TwoLayerNetwork or torch.nn.Sequential
        Of ``Linear`` and ``ReLU`` or ``LeakyReLU``; or a fitted estimator, whose ``network_`` is taken.
    p : float
        At least 1.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If `p` is not a number of at least 1, or `network` is of another kind.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import path_norm
    >>> path_norm(TwoLayerNetwork([[3.0, -4.0]], [1.0], [[2.0]], [7.0]))
    16.0
    >>> round(path_norm(TwoLayerNetwork([[3.0, -4.0]], [0.0], [[2.0]], [7.0]), p=2), 12)
    10.0
    """
    if not is_number(p) or not 1 <= as_float(p) < np.inf:
        raise ValueError(f"p={shown(p)} is not a number of at least 1")
    layers = layers_of(network)
    paths = np.ones(layers.n_features)
    for weights, bias, _ in layers.layers[:-1]:
        paths = np.abs(weights) ** p @ paths + np.abs(bias) ** p
    total = float((np.abs(layers.layers[-1].weights) ** p @ paths).sum())
    if layers.skip is not None:
        total += float((np.abs(layers.skip) ** p).sum())
    return total ** (1 / p)
