"""The largest of finitely many linear functions of the activities, over the activities that inputs have.

Best first, by the bound of all activities less what cores cost (:mod:`convexrelu.reach.sign_cores`). One of the wishes
of a core is not met: it is the largest one, or that is met and it is the second one, and so on. These are the children.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.reach.functionals import LinearFunctionals
from convexrelu.reach.sign_cores import Price, SignCores

__all__ = ["CornerSearch"]

_CLOSE = 1e-11  # relative difference of bound and value at which to stop


class CornerSearch:
    """Search for the maximum of linear functions.

    Parameters
    ----------
    cores : SignCores
        Of the rectifiers.
    functions : LinearFunctionals
        What to maximise.
    signs : array of shape (m,)
        Decided ones, among them those of all rectifiers that are constant.
    value : float
        Smaller maxima do not matter.
    take : callable
        From a homogeneous point and the number of a function to a value that is reached.
    """

    def __init__(
        self,
        cores: SignCores,
        functions: LinearFunctionals,
        signs: NDArray,
        value: float,
        take: Callable[[Array, int], float],
    ) -> None:
        self.cores, self.functions = cores, functions
        self.value, self.take = value, take
        self.closed, self.n_nodes = -math.inf, 0
        self.order = itertools.count()
        self.open: list[tuple[float, int, NDArray, int]] = []
        for k, bound in enumerate(functions.bounds().tolist()):
            self._add(signs, k, bound)

    def run(self, deadline: float = math.inf, most: float = math.inf) -> None:
        """Go on until bound and value agree, or until a number of nodes, or a time of :func:`time.perf_counter`."""
        while self.open and -self.open[0][0] > self._enough:
            if self.n_nodes >= most or time.perf_counter() > deadline:
                break
            bound, _, signs, k = heapq.heappop(self.open)
            self._divide(signs, k, -bound)

    @property
    def bound(self) -> float:
        """Proved: no function is larger, except where it is not larger than the value."""
        return max(self.closed, -self.open[0][0] if self.open else -math.inf)

    @property
    def _enough(self) -> float:
        return self.value + (_CLOSE * abs(self.value) if math.isfinite(self.value) else 0.0)

    def _divide(self, signs: NDArray, k: int, above: float) -> None:
        self.n_nodes += 1
        wishes = self.functions.weights[k]
        most = self.functions.bound(k, signs)
        price = self.cores.price(signs, wishes, max(most - self._enough, 0.0))
        if price.cost == math.inf:
            return
        self._try(price.point, k)
        bound = min(above, most - price.cost)
        if len(price.core) and bound > self._enough:
            self._add_children(price, wishes, k, bound)
        elif (price.signs != signs).any():
            self._add(price.signs, k, bound)
        else:
            self.closed = max(self.closed, bound)

    def _add_children(self, price: Price, wishes: Array, k: int, bound: float) -> None:
        signs = price.signs
        for unit in price.core[np.argsort(-np.abs(wishes[price.core]))]:
            child, signs = signs.copy(), signs.copy()
            signs[unit] = 1 if wishes[unit] > 0 else -1
            child[unit] = -signs[unit]
            self._add(child, k, min(bound, self.functions.bound(k, child)))

    def _add(self, signs: NDArray, k: int, bound: float) -> None:
        if bound > self._enough:
            heapq.heappush(self.open, (-bound, next(self.order), signs, k))
        else:
            self.closed = max(self.closed, bound)

    def _try(self, point: Array, k: int) -> None:
        if self.cores.is_inside(point):
            self.value = max(self.value, self.take(point, k))
