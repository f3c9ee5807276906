"""The best constant, where training in chunks has no time for a first pass over the rows."""

from __future__ import annotations

import time

import numpy as np
from scipy.sparse import issparse

from convexrelu._utils.deadlines import product_fits
from convexrelu.chunked.problem import ChunkedProblem
from convexrelu.closed_forms.untrained import untrained
from convexrelu.problem.unread import COPY, Unread
from convexrelu.problem.unread_problem import problem_on
from convexrelu.results.result import Progress, Result

__all__ = ["constant_of_rows", "is_too_late"]

# The first pass reads rows in double precision, and makes designs: the time of so many copies.
_COPIES = 3


def is_too_late(problem: ChunkedProblem, time_limit: float | None) -> bool:
    """Whether a pass over the rows of this process would not end in time; those of sparse inputs are brief."""
    if time_limit is None or issparse(problem.X):
        return False
    work = _COPIES * COPY * float(problem.n_samples) * problem.n_features
    return not product_fits(work, time.perf_counter() + time_limit)


def constant_of_rows(
    problem: ChunkedProblem, *, began: float, tol: float, progress: Progress | None = None
) -> Result:
    """The best constant for the targets, with the bound of the dual point zero; no row is read.

    Parameters
    ----------
    problem : ChunkedProblem
    began : float
        Value of :func:`time.perf_counter` when training began.
    tol, progress
        As for :func:`~convexrelu.chunked.train_in_chunks`.

    Examples
    --------
    >>> problem = ChunkedProblem(np.eye(2), [0.0, 1.0], alpha=0.1)
    >>> result = constant_of_rows(problem, began=time.perf_counter(), tol=1e-2)
    >>> result.network.output_bias, result.status.name
    (array([0.5]), 'TIME_LIMIT')
    """
    # Of its inputs a constant needs the shape.
    nothing = np.broadcast_to(np.float32(0.0), (problem.n_samples, problem.n_features))
    weights = problem.sample_weight
    whole = problem_on(
        Unread(nothing),
        problem.y,
        problem.alpha,
        loss=problem.loss,
        sample_weight=weights,
        **problem.options,
    )
    return untrained(whole, None, began=began, tol=tol, progress=progress)
