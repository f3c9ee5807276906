"""The largest of finitely many linear functions of the activities, over the activities that inputs have.

Best first, by the bound of all activities less what cores cost (:mod:`convexrelu.reach.sign_cores`). One of the wishes
of a core is not met: it is the largest one, or that is met and it is the second one, and so on. These are the children.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.reach.best_first import BestFirst
from convexrelu.reach.functionals import LinearFunctionals
from convexrelu.reach.sign_cores import Price, SignCores

__all__ = ["CornerSearch"]


class CornerSearch(BestFirst):
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
        super().__init__()
        self.cores, self.functions = cores, functions
        self.value, self.take = value, take
        for k, bound in enumerate(functions.bounds().tolist()):
            self._add(bound, signs, k)

    def _reached(self) -> float:
        return self.value

    def _divide(self, above: float, signs: NDArray, k: int) -> None:
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
            self._add(bound, price.signs, k)
        else:
            self._close(bound)

    def _add_children(self, price: Price, wishes: Array, k: int, bound: float) -> None:
        signs = price.signs
        for unit in price.core[np.argsort(-np.abs(wishes[price.core]))]:
            child, signs = signs.copy(), signs.copy()
            signs[unit] = 1 if wishes[unit] > 0 else -1
            child[unit] = -signs[unit]
            self._add(min(bound, self.functions.bound(k, child)), child, k)

    def _try(self, point: Array, k: int) -> None:
        if self.cores.is_inside(point):
            self.value = max(self.value, self.take(point, k))
