"""Counts with exposure, as a weighted problem of rates.

A sample that is watched for a time, an area or a population ``e`` has a count ``y`` with mean ``μ = e exp(f)``. Half
the Poisson deviance of the count is ``e`` times that of its rate ``r = y/e``, and nothing is left over::

    y log(y/μ) − y + μ  =  e (exp(f) − r f + r log r − r)

So the loss of counts with an offset ``log e`` is that of rates with weights ``e``: training, bounds and proofs are
those of a weighted problem.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import finite_array
from convexrelu._utils.typing import Array
from convexrelu.estimators.missing_targets import numbers_or_nan

__all__ = ["checked_exposure", "rates_of"]


def checked_exposure(exposure: ArrayLike, n_samples: int) -> Array:
    """Exposures of shape (n,), or a ValueError if they are not positive and finite."""
    values = finite_array("exposure", exposure)
    if values.shape != (n_samples,):
        raise ValueError(f"exposure has shape {values.shape}, expected ({n_samples},)")
    if (values <= 0).any():
        raise ValueError(f"exposure has the entry {values.min():g}; it must be positive")
    return values


def rates_of(
    y: ArrayLike, sample_weight: ArrayLike | None, exposure: ArrayLike
) -> tuple[Array, Array]:
    """Rates and weights of the same objective as counts with exposures, but for its scale.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, K)
        Counts; NaN stays NaN.
    sample_weight : array-like of shape (n,) or None
        Weights ``s`` of the samples.
    exposure : array-like of shape (n,)
        Positive exposures ``e``.

    Returns
    -------
    rates : array shaped like `y`
        ``y/e``.
    weights : array of shape (n,)
        ``s e``.

    Examples
    --------
    >>> rates_of([2.0, 3.0], None, [1.0, 2.0])
    (array([2. , 1.5]), array([1., 2.]))
    """
    counts = numbers_or_nan(y)
    if counts.ndim not in (1, 2):
        raise ValueError(f"y has shape {counts.shape}, expected (n,) or (n, K)")
    if (counts < 0).any():
        raise ValueError(
            f"y has the entry {np.nanmin(counts):g}; with exposure it has counts, y ≥ 0"
        )
    times = checked_exposure(exposure, len(counts))
    weights = times
    if sample_weight is not None:
        given = finite_array("sample_weight", sample_weight)
        if given.shape not in ((), times.shape):
            raise ValueError(f"sample_weight has shape {given.shape}, expected {times.shape}")
        weights = given * times
    with np.errstate(over="ignore"):
        rates = (counts.T / times).T
    if not (np.isfinite(rates[np.isfinite(counts)]).all() and np.isfinite(weights).all()):
        raise ValueError(
            f"exposure has entries from {times.min():.3g} to {times.max():.3g}, with which rates or weights overflow "
            "float64; rescale it"
        )
    return rates, weights
