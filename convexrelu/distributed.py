"""Several processes: :func:`train` and :func:`fit` on the rows that each of them has, and :func:`share_proofs`.

Under ``torchrun``, or in any process group of :mod:`torch.distributed`, every process calls the same function with its
own rows, and all of them return the same network and certificate. What travels are sums over rows: gradients of the
network, values and gradients of the search, and at the beginning a sample of rows. See
:func:`~convexrelu.chunked.train_in_chunks` for the algorithm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_callable
from convexrelu.chunked.group import Group, GroupError
from convexrelu.chunked.problem import ChunkedProblem
from convexrelu.chunked.shared_proofs import led_by_first
from convexrelu.chunked.train import train_in_chunks
from convexrelu.estimators.base import FixedAlphaEstimator
from convexrelu.estimators.sharded import fit_on_shards, warn_after_fit
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Progress, Result
from convexrelu.results.status import Status

__all__ = ["GroupError", "fit", "process_group", "share_proofs", "train"]

Outcome = TypeVar("Outcome")
Estimator = TypeVar("Estimator", bound=FixedAlphaEstimator)


def train(
    problem: ChunkedProblem | TrainingProblem,
    *,
    group: Group | None = None,
    tol: float = 1e-2,
    max_iter: int = 30,
    time_limit: float | None = None,
    start: TwoLayerNetwork | None = None,
    device: str = "cpu",
    random_state: int | np.random.RandomState | None = None,
    progress: Progress | None = None,
) -> Result:
    """Train on the rows of all processes.

    Parameters
    ----------
    problem : ChunkedProblem or TrainingProblem
        The rows of this process, at least one. Everything else must be the same on all processes, and sample weights
        must have one scale. A :class:`~convexrelu.chunked.ChunkedProblem` reads its inputs in slices and does not
        copy them.
    group : Group, optional
        By default that of :func:`process_group`.
    tol, max_iter, time_limit, start, device, random_state, progress
        As for :func:`~convexrelu.chunked.train_in_chunks`.

    Returns
    -------
    Result
        The same on all processes.

    Raises
    ------
    ValueError
        For an invalid argument of this process.
    GroupError
        If another process has failed, or ended; it names the process and the cause.

    Examples
    --------
    A script for ``torchrun --nproc-per-node 4 script.py``, which also runs as a single process:

    >>> import numpy as np
    >>> from convexrelu import ChunkedProblem, distributed
    >>> X = np.linspace(-1, 1, 2000, dtype=np.float32)[:, None]  # rows of this process
    >>> result = distributed.train(ChunkedProblem(X, np.abs(X[:, 0]), alpha=1e-2), random_state=0)
    >>> result.certificate.relative_gap < 0.02
    True
    """
    with _in_group(group) as together:
        if isinstance(problem, TrainingProblem):
            weights = problem.weights * problem.n_samples  # of shards without weights: ones
            problem = ChunkedProblem.of(problem, weights)
        return train_in_chunks(
            problem,
            group=together,
            tol=tol,
            max_iter=max_iter,
            time_limit=time_limit,
            start=start,
            device=device,
            random_state=random_state,
            progress=progress,
        )


def fit(
    estimator: Estimator,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    exposure: ArrayLike | None = None,
    group: Group | None = None,
) -> Estimator:
    """Fit an estimator on the rows of all processes.

    Parameters
    ----------
    estimator : ConvexReLURegressor or ConvexReLUClassifier
        With the same parameters on all processes. Those that choose patterns, solvers and oracles must have their
        defaults, and skip connections are not supported; :doc:`/larger_data` has a table.
    X : array-like of shape (n, d)
        The rows of this process; a memory-mapped array is read in slices.
    y : array-like of shape (n,) or (n, K)
        Their targets or labels. A process need not have all labels, nor targets of all outputs.
    sample_weight : array-like of shape (n,), optional
        Non-negative weights of these rows, on the same scale on all processes.
    exposure : array-like of shape (n,), optional
        Exposures of the counts, with the Poisson loss; on all processes or on none.
    group : Group, optional
        By default that of :func:`process_group`.

    Returns
    -------
    estimator
        The fitted estimator, the same on all processes.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        On process 0, if training ends with a gap above `tol`.

    Raises
    ------
    ValueError
        For parameters that are not supported, and invalid data.
    GroupError
        If another process has failed, or ended.
    KeyboardInterrupt
        If interrupted; the estimator of this process keeps the best network so far.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import ConvexReLURegressor, distributed
    >>> X = np.linspace(-1, 1, 2000)[:, None]
    >>> model = distributed.fit(ConvexReLURegressor(alpha=1e-2, tol=1e-2, random_state=0), X, np.abs(X[:, 0]))
    >>> model.certificate_.relative_gap < 0.02
    True
    """
    with _in_group(group) as together:
        fit_on_shards(estimator, X, y, sample_weight, together, exposure)
        if estimator.status_ is Status.INTERRUPTED:
            raise KeyboardInterrupt(
                f"fit was interrupted: the estimator keeps the best network so far ({estimator.certificate_})"
            )
        if together.rank == 0:
            warn_after_fit(estimator)
    return estimator


def share_proofs(
    function: Callable[..., Outcome], *args: Any, group: Group | None = None, **kwargs: Any
) -> Outcome:
    """Call a function on process 0, and let all processes share the boxes of its branch and bound.

    Only process 0 needs the data; the arguments on other processes are not used. The others wait until a proof has
    taken some seconds; then each explores some of its open boxes, again and again. The proof is complete when all
    processes have closed theirs.

    Parameters
    ----------
    function : callable
        Such as :func:`~convexrelu.certify`, :func:`~convexrelu.train` or the `fit` of an estimator, with
        ``oracle="prove"`` or ``"branch_and_bound"``.
    *args, **kwargs
        Its arguments.
    group : Group, optional
        By default that of :func:`process_group`. Process 0 may be busy on its own for its `timeout`.

    Returns
    -------
    object
        What the function returns, on all processes.

    Raises
    ------
    GroupError
        If another process has failed, or ended: then there is no proof.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, distributed, train
    >>> problem = TrainingProblem(np.eye(4), np.ones(4), alpha=1e-2)
    >>> result = distributed.share_proofs(train, problem, oracle="prove", random_state=0)
    >>> result.certificate.is_proof
    True
    """
    check_callable("function", function)
    with _in_group(group) as together:
        return led_by_first(together, lambda: function(*args, **kwargs))


def process_group(*, timeout: float = 1800.0, to_meet: float = 60.0) -> Group:
    """The processes of :mod:`torch.distributed`, connected by gloo for this library's messages; or this one alone.

    Makes a default group if there is none and the environment variables of ``torchrun`` are set.

    Parameters
    ----------
    timeout : float
        Seconds for which one process may compute while others wait.
    to_meet : float
        Seconds until all processes must have connected.

    Returns
    -------
    Group
        To be closed after use.

    Examples
    --------
    >>> group = process_group()
    >>> group.rank, group.size  # without torchrun
    (0, 1)
    >>> group.close()
    """
    from convexrelu.chunked.process_group import group_of_torch

    return group_of_torch(timeout=timeout, to_meet=to_meet)


@contextmanager
def _in_group(group: Group | None) -> Iterator[Group]:
    """A group in which errors of one process end all."""
    together = process_group() if group is None else group
    try:
        with together.failing_together():
            yield together
    finally:
        if group is None:
            together.close()
