"""The smallest penalty at which the network is constant, on the rows of all chunks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from convexrelu._utils.random import checked_random_state
from convexrelu._utils.threads import one_blas_thread
from convexrelu.chunked.dual import DualPoint, closed_form_bound, dual_point
from convexrelu.chunked.group import Group
from convexrelu.chunked.objective import outputs_of, with_best_intercept
from convexrelu.chunked.pricing import Search
from convexrelu.chunked.problem import ChunkedProblem
from convexrelu.chunked.rows import Rows

__all__ = ["LargestPenalty", "largest_penalty", "proved_largest_penalty"]


class LargestPenalty(NamedTuple):
    """The penalty, zero where no neuron lowers the loss, and the seconds that the search took; all processes agree."""

    alpha: float
    seconds: float


def largest_penalty(
    problem: ChunkedProblem,
    group: Group,
    *,
    device: str = "cpu",
    random_state: int | np.random.RandomState | None = None,
    time_limit: float = math.inf,
) -> LargestPenalty:
    """``M(v)`` at the best constant, as a search finds it, from below.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.chunked import Alone
    >>> X = np.array([[-1.0], [1.0]])
    >>> problem = ChunkedProblem(X, X[:, 0], alpha=1.0, hidden_bias=False, fit_intercept=False)
    >>> round(largest_penalty(problem, Alone(), random_state=0).alpha, 6)  # ½ · 1 · relu(1)
    0.5
    """
    seed = group.of_first(int(checked_random_state(random_state).randint(2**31)))
    with one_blas_thread():
        rows = Rows(problem, group, seed, device)
        v = _at_constant(rows)
        nothing = np.zeros((0, rows.template.design.shape[1]))
        found = Search(rows, np.random.RandomState(seed), device)(v, nothing, time_limit)
        return LargestPenalty(found.bound, rows.meet())


def proved_largest_penalty(
    problem: ChunkedProblem, group: Group, *, time_limit: float = math.inf
) -> float:
    """A proved bound on ``M(v)`` at the best constant, from above: from this penalty on, the constant is optimal.

    Examples
    --------
    >>> from convexrelu.chunked import Alone
    >>> tiny = ChunkedProblem([[-1.0], [1.0]], [-1.0, 1.0], 1.0, hidden_bias=False, fit_intercept=False)
    >>> 0.5 <= proved_largest_penalty(tiny, Alone()) < 1.01
    True
    """
    with one_blas_thread():
        rows = Rows(problem, group)
        return closed_form_bound(rows, _at_constant(rows), time_limit)


def _at_constant(rows: Rows) -> DualPoint:
    """The dual point of the best constant."""
    constant = rows.template.zero_network()
    hidden = outputs_of(rows, constant)
    return dual_point(rows, with_best_intercept(rows, constant, hidden), hidden)
