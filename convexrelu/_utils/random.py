"""Seeds of random numbers."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_random_state

__all__ = ["checked_random_state"]


def checked_random_state(
    random_state: int | np.random.RandomState | None,
) -> np.random.RandomState:
    """The generator of a seed, or a ValueError."""
    try:
        return check_random_state(random_state)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"random_state={random_state!r} is not a seed, a RandomState or None: {error}"
        ) from error
