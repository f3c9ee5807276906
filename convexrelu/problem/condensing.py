"""Problems on distinct samples in an order of their own, where there is time for that."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.deadlines import product_fits
from convexrelu._utils.typing import Array
from convexrelu.problem.distinct_rows import distinct_rows
from convexrelu.problem.unread import COPY

__all__ = ["condensed", "condensed_before", "condensing_fits", "with_weight"]

_SORTED = 5000  # multiplications that take as long as sorting a sample


class _Problem(Protocol):
    """What is used of a :class:`~convexrelu.TrainingProblem`."""

    @property
    def X(self) -> Any: ...
    @property
    def y(self) -> Array: ...
    @property
    def weights(self) -> Array: ...
    @property
    def n_samples(self) -> int: ...
    @property
    def n_entries(self) -> float: ...
    @property
    def work_of_reading(self) -> float: ...
    @property
    def _alive(self) -> NDArray[np.bool_] | slice: ...
    def row_keys(self) -> NDArray[Any]: ...
    def rows_at(self, samples: NDArray[np.intp]) -> Any: ...
    def _replace(self, **changes: object) -> Any: ...


P = TypeVar("P", bound=_Problem)


def condensed(problem: P) -> P:
    """See :meth:`~convexrelu.TrainingProblem.condensed`."""
    alive = problem._alive
    first, inverse = distinct_rows(problem.row_keys()[alive], problem.y[alive])
    weights = np.bincount(inverse, weights=problem.weights[alive], minlength=len(first))
    kept = np.arange(problem.n_samples)[alive][first]
    if np.array_equal(kept, np.arange(problem.n_samples)):
        return problem
    other: P = problem._replace(X=problem.X[kept], y=problem.y[kept], weights=weights)
    return other


def condensing_fits(problem: _Problem, deadline: float) -> bool:
    """Whether there is time before a deadline to order the samples, and to copy their inputs in that order."""
    work = COPY * problem.n_entries + _SORTED * problem.n_samples + problem.work_of_reading
    return product_fits(work, deadline)


def with_weight(problem: P) -> P:
    """The problem without samples of weight zero, in the order in which they are given, equal ones not joined.

    The objective of every network is that of :func:`condensed`. The order is not, nor what depends on it: which
    samples are drawn, and dual points.
    """
    if isinstance(problem._alive, slice):
        return problem
    alive = np.flatnonzero(problem._alive)
    rows = problem.rows_at(alive)
    other: P = problem._replace(X=rows, y=problem.y[alive], weights=problem.weights[alive])
    return other


def condensed_before(problem: P, deadline: float) -> P:
    """The condensed problem if that fits before the deadline; otherwise the samples with weight, as they are."""
    return condensed(problem) if condensing_fits(problem, deadline) else with_weight(problem)
