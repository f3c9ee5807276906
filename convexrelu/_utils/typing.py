"""Array types."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Masks"]

Array = NDArray[np.float64]
Masks = NDArray[np.bool_]
