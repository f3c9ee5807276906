"""Normalised margins of networks, and the largest one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_type, finite_array
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.interpolation.minimum_norm import minimum_norm
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.results.result import Result

__all__ = ["MaximumMargin", "maximum_margin", "normalised_margin"]


@dataclass(frozen=True, eq=False)
class MaximumMargin:
    """The largest normalised margin of networks of any width.

    Attributes
    ----------
    margin : float
        That of `network`.
    upper_bound : float
        No network has a larger one, if `is_proof`.
    is_proof : bool
        Whether the bound is proved or an estimate.
    network : TwoLayerNetwork
    result : Result
        Of :func:`~convexrelu.interpolation.minimum_norm`.
    """

    margin: float
    upper_bound: float
    is_proof: bool
    network: TwoLayerNetwork
    result: Result


def normalised_margin(network: TwoLayerNetwork, X: ArrayLike, y: ArrayLike) -> float:
    """Smallest ``y_i f(x_i)`` over ``Σ_j ‖w̃_j‖ |a_j|``; the scales of neurons and of the network do not matter.

    Parameters
    ----------
    network : TwoLayerNetwork
        With one output; an intercept is not counted in the norm.
    X : array of shape (n, d)
    y : array of shape (n,)
        Classes -1 and 1.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.baselines import normalised_margin
    >>> network = TwoLayerNetwork([[1.0], [-1.0]], [0.0, 0.0], [[1.0, -1.0]], [0.0])
    >>> normalised_margin(network, [[-1.0], [2.0]], [-1, 1])
    0.5
    """
    check_type("network", network, TwoLayerNetwork)
    inputs = finite_array("X", X, "n", network.n_features)
    labels = checked_labels(y, len(inputs))
    size = float(norms(network.augmented_weights()) @ norms(network.output_weights.T))
    margin = float((labels * network.predict(inputs)).min())
    return margin / size if size > 0 else float(np.sign(margin)) * np.inf


def maximum_margin(
    X: ArrayLike,
    y: ArrayLike,
    *,
    hidden_bias: bool = True,
    fit_intercept: bool = True,
    tol: float = 1e-6,
    time_limit: float | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> MaximumMargin:
    """The largest normalised margin, one over the smallest norm of a network with ``y_i f(x_i) ≥ 1``.

    Parameters
    ----------
    X : array of shape (n, d)
    y : array of shape (n,)
        Classes -1 and 1, both of them.
    hidden_bias, fit_intercept : bool
        Whether hidden neurons have biases, and the network an intercept.
    tol : float
        Relative gap to reach.
    time_limit : float, optional
        Seconds. Afterwards the margin is the largest that was found, and `upper_bound` may be above it.
    random_state : int, RandomState or None
        Seed of first patterns and searches.

    Returns
    -------
    MaximumMargin

    Raises
    ------
    ValueError
        For bad data, and where no network that separates the classes was found, or not in time.

    Examples
    --------
    >>> from convexrelu.baselines import maximum_margin
    >>> best = maximum_margin([[-1.0], [1.0]], [-1, 1], hidden_bias=False, fit_intercept=False, random_state=0)
    >>> round(best.margin, 6), best.is_proof  # two neurons, one for each sample
    (0.5, True)
    """
    inputs = finite_array("X", X, "n", "d")
    result = minimum_norm(
        inputs,
        checked_labels(y, len(inputs)),
        loss="hinge",
        hidden_bias=hidden_bias,
        fit_intercept=fit_intercept,
        tol=tol,
        time_limit=time_limit,
        random_state=random_state,
    )
    bound = result.certificate.lower_bound
    upper = float(np.nextafter(1 / bound, np.inf)) if bound > 0 else np.inf  # rounded up
    network = result.network
    assert isinstance(network, TwoLayerNetwork)
    margin = normalised_margin(network, X, y)
    return MaximumMargin(margin, upper, result.certificate.is_proof, network, result)


def checked_labels(y: ArrayLike, n: int) -> Array:
    """Classes -1 and 1 of so many samples, as floats."""
    labels = finite_array("y", y, n)
    if not np.isin(labels, (-1.0, 1.0)).all():
        raise ValueError("y has entries other than the classes -1 and 1")
    return labels
