"""Patterns of random Gaussian gates."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_random_state

from convexrelu._utils.typing import Array
from convexrelu.patterns.activation import ActivationPatterns

__all__ = ["sample_gates", "sample_patterns"]


def sample_gates(
    dimension: int, n_gates: int, random_state: int | np.random.RandomState | None = None
) -> Array:
    """Draw `n_gates` standard normal gates of `dimension` entries, independent of the data.

    Gates that do not depend on the rows make a fit on weighted samples equal to
    a fit on repeated samples.

    Parameters
    ----------
    dimension : int
        ``d̃``: number of features, plus one with a hidden bias.
    n_gates : int
        Number of gates.
    random_state : int, RandomState or None
        Seed.

    Returns
    -------
    array of shape (n_gates, dimension)

    Examples
    --------
    >>> sample_gates(3, 5, random_state=0).shape
    (5, 3)
    """
    return check_random_state(random_state).standard_normal((n_gates, dimension))


def sample_patterns(
    design: Array, n_gates: int, random_state: int | np.random.RandomState | None = None
) -> ActivationPatterns:
    """Distinct patterns of random gates; at most `n_gates` of them.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    n_gates : int
        Number of gates to draw.
    random_state : int, RandomState or None
        Seed.

    Returns
    -------
    ActivationPatterns

    Examples
    --------
    >>> import numpy as np
    >>> patterns = sample_patterns(np.array([[1.0, 1.0], [-1.0, 1.0]]), 100, random_state=0)
    >>> len(patterns)  # two lines through the origin cut the plane into four
    4
    """
    gates = sample_gates(design.shape[1], n_gates, random_state)
    return ActivationPatterns.of_gates(design, gates)
