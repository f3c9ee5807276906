"""Training on the rows of all chunks: descent on a sample, then on all rows, then neurons that a search finds."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from convexrelu._utils.arguments import check_limits
from convexrelu._utils.deadlines import EarlyDeadline, latest_start, part_before, product_fits
from convexrelu._utils.interruptions import interruptions_held
from convexrelu._utils.norms import norms, unit_rows
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.threads import one_blas_thread
from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.pricing import CLAIMED_SHARE, no_finer
from convexrelu.chunked.dual import DualPoint, closed_form_bound, dual_point, lower_bound
from convexrelu.chunked.group import Alone, Group
from convexrelu.chunked.joined import with_joined_neurons, without_vanished
from convexrelu.chunked.linear_start import linear_start
from convexrelu.chunked.objective import (
    ChunkedObjective,
    objective_above,
    outputs_of,
    with_best_intercept,
)
from convexrelu.chunked.pricing import Candidates, Search
from convexrelu.chunked.problem import ChunkedProblem
from convexrelu.chunked.rows import Rows
from convexrelu.chunked.too_late import constant_of_rows, is_too_late
from convexrelu.column_generation import ColumnGeneration
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.starts import check_network
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Progress, Result, Round
from convexrelu.results.status import Status
from convexrelu.solvers.nonconvex.descent import continued, descents
from convexrelu.solvers.nonconvex.interrupted import DescentInterrupted

__all__ = ["train_in_chunks"]

_MOST_NEW = 16  # neurons added in a round
_FIRST_LENGTH = 0.1  # of a new neuron, as a part of the mean of the others
# Relative drop of the objective in ten steps that ends descent: it is divided by ten where only the network's own
# neurons violate the dual constraint, which ends with descent.
_FIRST_DROP, _LAST_DROP = 1e-5, 1e-8
# Fraction of the time after which the first descent ends: a search may need as much.
_TIME_FOR_DESCENT = 0.5
_TIME_FOR_BOUND = 1.2  # fraction of the time limit before which a proved bound must end: without one, all was in vain
# Passes of so many neurons for which descent on a sample leaves time: objective, intercept, dual point, proved bound.
_JUDGED, _NEURONS = 4, 100
# Multiplications for each input of the sample of sparse rows that descent takes for its copies, and its first steps.
_COPIED, _FIRST_STEP = 200, 1000
# Part of the time for the first descent that is for the small sample of sparse rows: all rows say more.
_ON_FEW_ROWS = 0.5
# Part of that for a linear function before. It is enough where the sample has few rows for its features.
_FOR_LINEAR, _FEW_FOR_FEATURES = 0.3, 2
# Evaluations of the loss for its best intercept, and what an output costs in each: the loss itself, and a second
# derivative. With ten outputs the intercept of 100,000 rows takes half a second, and the other sums .3 s.
_INTERCEPTS, _LOSS, _CURVATURE, _SUMS = 6, 25, 80, 3000
# In the end, neurons with directions of these cosines are joined, if the objective rises by no more than this part of
# the tolerance. On six normal features and 6000 rows, 35 neurons become 5.
_NEARLY_EQUAL, _AS_GOOD = (0.999, 0.9999), 1e-3


def train_in_chunks(
    problem: ChunkedProblem,
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
    """Train on rows that are read chunk by chunk, by one process or by all of a group.

    1. Descent on a sample of up to 65,536 rows.
    2. L-BFGS on all rows. Each step is one pass over them, which sums gradients of the network.
    3. A dual point, and a search for violations of its constraint: candidates are found on a sample of rows and ascend
       on all, which costs as many passes as there are candidates. The largest violation gives an estimate of the gap.
    4. The violating neurons are added, and 2 follows again, until the gap is small.
    5. Nearly equal neurons are joined, if descent makes up for it.

    Parameters
    ----------
    problem : ChunkedProblem
        The rows of this process.
    group : Group, optional
        Processes that train together, see :mod:`convexrelu.distributed`. They call this with the same options.
    tol : float
        Relative gap to reach.
    max_iter : int
        Largest number of times that neurons are added.
    time_limit : float, optional
        Seconds; the clock of process 0 decides. A pass over the rows is not interrupted, and a proved bound may take
        a fifth more.
    start : TwoLayerNetwork, optional
        Instead of descent on a sample. Processes use that of process 0.
    device : str
        Torch device, such as ``"cuda"``, of all products with the rows, which stay there if they fit; ``"cpu"`` for
        NumPy.
    random_state : int, RandomState or None
        Seed. Processes use that of process 0.
    progress : callable, optional
        Called with a :class:`~convexrelu.results.Round` after every round, on every process. When it returns True on
        one of them, training ends with the best network so far, its certificate, and ``Status.STOPPED``.

    Returns
    -------
    Result
        The same network and certificate on all processes. The certificate is an estimate, by search, beside a loose
        proved bound; both are of all rows.

    Raises
    ------
    ValueError
        For an invalid argument, or data that are not finite.
    GroupError
        If another process failed; it names the process and the cause.

    Notes
    -----
    **Memory**, in bytes: ``40 + 24 K`` a row for targets, weights, lengths, outputs and dual points of ``K`` outputs;
    the sample, ``32 d`` for each of its rows; for each core a chunk of at most 131,072 rows, ``32 d`` a row; 160 MB
    in searches; and in descent 2 MB for each core. Inputs that are arrays in memory, up to
    2.7·10⁸ entries, are prepared once, for another ``20 d`` a row. On a device inputs take ``8 d`` a row, and products
    up to 4 GB.

    **Reproducibility.** Sums run over chunks, which depend on the number of rows alone, in a fixed order, and random
    numbers depend on chunks, too. On machines of one kind the result is the same to the last bit for any number of
    processes and threads, but for time limits.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 2000, dtype=np.float32)[:, None]
    >>> problem = ChunkedProblem(X, np.abs(X[:, 0]), alpha=1e-2)
    >>> result = train_in_chunks(problem, random_state=0)
    >>> result.certificate.relative_gap < 0.02
    True
    """
    if not isinstance(problem, ChunkedProblem):
        raise ValueError(f"problem is a {type(problem).__name__}, expected a ChunkedProblem")
    began = time.perf_counter()
    check_limits(tol, max_iter, time_limit)
    if group is None and start is None and is_too_late(problem, time_limit):
        return constant_of_rows(problem, began=began, tol=tol, progress=progress)
    group = Alone() if group is None else group
    random = checked_random_state(random_state)
    options = {"tol": tol, "max_iter": max_iter, "time_limit": time_limit}
    with group.failing_together(), one_blas_thread():
        group.agree({name: repr(value) for name, value in options.items()})
        start = group.of_first(start)
        seed = int(group.of_first(int(random.randint(2**31))))
        rows = Rows(problem, group, seed, device)
        _check_start(start, rows.template)
        training = _Training(
            rows,
            Search(rows, np.random.RandomState(seed), device),
            first=start,
            seed=seed,
            tol=tol,
            max_iter=max_iter,
            time_limit=time_limit,
            progress=progress,
        )
        result = training.run()
        if result.status is Status.INTERRUPTED:
            group.fail("it was interrupted")
        else:
            rows.meet()  # with those whose `progress` has failed after the last round
        return result


def _work_of_judging(n_features: float, n_outputs: int) -> float:
    """Multiplications for each row that take as long as judging a network with so many inputs and outputs."""
    outputs = _JUDGED * _NEURONS * float(n_features + n_outputs)
    return outputs + n_outputs * float(_SUMS + _INTERCEPTS * (_LOSS + _CURVATURE * n_outputs))


class _DualPoint(NamedTuple):
    """A dual point, the largest value that a search found there, and the lower bound if there is none larger."""

    v: DualPoint
    bound: float
    lower: float


@dataclass(eq=False)
class _Training(ColumnGeneration[TwoLayerNetwork, Candidates]):
    """The loop, run by all processes in step."""

    rows: Rows
    search: Search
    first: TwoLayerNetwork | None = field(kw_only=True)
    seed: int = field(kw_only=True)

    _smooth: ChunkedObjective = field(init=False)
    _hidden: list[Array] = field(init=False)  # outputs of the best network, less the intercept
    _objective: float = field(default=math.inf, init=False)
    _point: _DualPoint = field(init=False)  # the best one
    _proved: float = field(default=0.0, init=False)  # the best proved bound
    _n_starts: int = field(default=0, init=False)
    _drop: float = field(default=_FIRST_DROP, init=False)
    _interrupted: TwoLayerNetwork | None = field(default=None, init=False)

    def _seconds_left(self) -> float:
        if self.time_limit is None:
            return math.inf
        return self.time_limit - self.rows.meet()

    def _end(self) -> float:
        """The time limit, on the clock that processes agree on."""
        return math.inf if self.time_limit is None else self.time_limit

    def _begin(self) -> Status | None:
        self._smooth = ChunkedObjective(self.rows)
        self._point = _DualPoint([], 0.0, -math.inf)
        self._is_solved = False
        for network in self._first_networks():
            self._interrupted = network  # until it has a certificate
            self._take(network)
            self._record(self._first_certificate(), 0)
            self._interrupted = None
            if self._is_to_stop():
                return Status.STOPPED
            if self._seconds_left() <= 0:
                if self.first is None and self._take_constant():
                    self._record(self._first_certificate(), 0)  # better than the first steps
                return Status.TIME_LIMIT
        if self._descend_from(self._best, share=_TIME_FOR_DESCENT):
            self._record(
                self._first_certificate(), 0
            )  # shown before the search, which takes as long
        return None

    def _first_networks(self) -> Iterator[TwoLayerNetwork]:
        """Networks of descent on the sample, made by process 0."""
        group, sample = self.rows.group, self.rows.template.condensed()
        if self.first is not None:
            yield self.first
            return
        # What process 0 makes, all judge: a few passes over its rows are as long as those over others'.
        own = self.rows.problem
        judged = own.n_samples * _work_of_judging(own.work_of_a_row, sample.n_outputs)
        deadline = time.perf_counter() + self._end() - self.rows.seconds
        end = min(latest_start(judged, deadline), part_before(deadline, _TIME_FOR_DESCENT))
        if issparse(own.X):  # whose dense sample is small, and may have more features than rows
            sample, end = sample.in_features(), part_before(end, _ON_FEW_ROWS)
        end = EarlyDeadline(end, group.has_lost)
        begun = (_COPIED + _FIRST_STEP) * float(sample.X.size) if issparse(own.X) else 0.0
        late = time.perf_counter() >= end or not product_fits(begun, end)
        random, device = np.random.RandomState(self.seed), self.rows.device
        made: Iterator[TwoLayerNetwork] | None = None
        if group.rank == 0:
            made = iter([sample.zero_network()]) if late else descents(sample, random, end, device)
            if issparse(own.X) and math.isfinite(self._end()):
                linear = linear_start(own, sample, part_before(end, _FOR_LINEAR))
                few = linear.width and sample.n_samples <= _FEW_FOR_FEATURES * sample.n_features
                made = iter([linear]) if late or few else chain([linear], made)
        while True:
            with self._keeping_interrupted():
                network = group.of_first(next(made, None) if made else None)
            if network is None:
                return
            yield network

    # Dual side

    def _first_certificate(self) -> Certificate:
        """Certificate with the closed-form bound alone, which needs no search."""
        self._prove(dual_point(self.rows, self._best, self._hidden))
        return Certificate(
            self._objective, self._proved, "global", "relaxation", True, self._proved
        )

    def _prove(self, v: DualPoint) -> None:
        """Improve the proved bound, if a dual point does."""
        bound = closed_form_bound(self.rows, v, _TIME_FOR_BOUND * self._end())
        self._proved = max(self._proved, lower_bound(self.rows, v, bound))

    def _price(self) -> tuple[Certificate, Candidates]:
        rows, alpha = self.rows, self.rows.template.alpha
        v = dual_point(rows, self._best, self._hidden)
        own = rows.template.directions(self._best)
        found = self.search(v, own, self._end())
        self._prove(v)
        self._point = self._last_point(found.directions)
        if found.finished:
            point = _DualPoint(v, found.bound, lower_bound(rows, v, found.bound))
            self._point = max(point, self._point, key=lambda each: each.lower)
            self._n_starts += found.n_starts
        return self._searched(), found.above(alpha * (1 + 1e-9), own)

    def _searched(self) -> Certificate:
        """Certificate with the estimate at the best dual point; a proof if as much is proved."""
        point, proved = self._point, self._proved
        violation = max(point.bound / self.rows.template.alpha - 1.0, 0.0)
        estimate = no_finer(
            Certificate(
                self._objective,
                point.lower,
                "global",
                "search",
                False,
                proved,
                self._n_starts,
                violation,
            ),
            CLAIMED_SHARE * self.tol,
        )
        if estimate.lower_bound > proved:
            return estimate
        return Certificate(self._objective, proved, "global", "relaxation", True, proved)

    def _reason_to_stop(self, n_new: int) -> Status | None:
        return Status.CONVERGED if self._is_closed() else super()._reason_to_stop(n_new)

    def _conclude(self, status: Status) -> Status:
        """Join nearly equal neurons, and let descent make up for it, if there is time."""
        if status in (Status.STOPPED, Status.TIME_LIMIT):
            return status
        if not any(self._joins(cosine) for cosine in _NEARLY_EQUAL):
            return status
        self._joins(_NEARLY_EQUAL[-1], descends=False)  # those that descent has brought together
        self._point = self._last_point(self.rows.template.directions(self._best))
        self._record(self._searched(), 0)
        if self._is_closed():
            return Status.CONVERGED
        return Status.STALLED if status is Status.CONVERGED else status

    def _joins(self, cosine: float, descends: bool = True) -> bool:
        """Whether joined neurons, or descent from them, are a narrower network that is as good."""
        joined = with_joined_neurons(self.rows.template, self._best, cosine)
        if joined.width >= self._best.width:
            return False
        take = self._descend_from if descends else self._take
        return take(joined, _AS_GOOD * self.tol)

    def _last_point(self, directions: Array) -> _DualPoint:
        """The best dual point until now, with what new directions say about it."""
        last = self._point
        directions = unit_rows(directions)
        # A process without chunks has an empty dual point, and takes part.
        reached = self.search.largest(last.v, directions) if math.isfinite(last.lower) else 0.0
        if not reached > last.bound:
            return last
        return _DualPoint(last.v, reached, lower_bound(self.rows, last.v, reached))

    # Primal side

    @property
    def _n_columns(self) -> int:
        return self._best.width

    def _solve(self, columns: Candidates) -> tuple[Status, bool]:
        problem, network = self.rows.template, self._best
        if len(columns) == 0:
            self._drop /= 10
            self._is_solved = self._drop <= _LAST_DROP
        sizes = norms(network.output_weights.T)
        lengths = sizes * norms(problem.directions(network))
        units = self._smooth.units
        mean = float(lengths.mean()) if len(lengths) else units.tau / units.rho
        new = columns.directions[:_MOST_NEW], columns.outer[:_MOST_NEW]
        directions = np.vstack(
            [problem.directions(network) * sizes[:, None], _FIRST_LENGTH * mean * new[0]]
        )
        outer = np.vstack([network.output_weights.T / sizes[:, None], new[1]])
        self._descend_from(problem.network(directions, outer, network.output_bias))
        return Status.CONVERGED, True

    def _descend_from(
        self, network: TwoLayerNetwork, rise: float = 0.0, share: float = 1.0
    ) -> bool:
        """Descent on all rows, for a share of the time; keeps the end as :meth:`_take` does."""
        with self._keeping_interrupted():
            found = continued(self._smooth, network, share * self._end(), drop=self._drop)
        return self._take(found, rise)

    @contextmanager
    def _keeping_interrupted(self) -> Iterator[None]:
        """Remember the network of a descent that is interrupted."""
        try:
            yield
        except DescentInterrupted as early:
            self._interrupted = early.network
            raise

    def _take(self, network: TwoLayerNetwork, rise: float = 0.0) -> bool:
        """Keep a network if it is better, or narrower with an objective that is larger by this part at most."""
        network = without_vanished(self.rows.template.balanced(network))
        hidden = outputs_of(self.rows, network)
        network = with_best_intercept(self.rows, network, hidden)
        objective = objective_above(self.rows, network, hidden)
        better = objective < self._objective
        if not better and (
            network.width >= self._best.width or objective > self._objective * (1 + rise)
        ):
            return False
        with interruptions_held():
            self._best, self._hidden, self._objective = network, hidden, objective
        return True

    def _take_constant(self) -> bool:
        """Keep the best constant if that of the sample is better, which takes a fraction of the time to find out."""
        constant = self.rows.template.zero_network()
        is_better = objective_above(self.rows, constant, outputs_of(self.rows, constant))
        return is_better < self._objective and self._take(constant)

    def _result(self, best: TwoLayerNetwork, certificate: Certificate, status: Status) -> Result:
        # Other processes have their own parts of the dual point.
        whole = self._point.v and self.rows.group.size == 1
        dual = np.concatenate(self._point.v) if whole else None
        return replace(super()._result(best, certificate, status), dual=dual)

    def _rescue(self) -> None:
        """Certify the network of descent that an interruption has brought."""
        if self._interrupted is None or self.rows.group.size > 1:
            return
        self._take(self._interrupted)
        if self._certified is None or self._best is not self._certified[0]:
            self._point = self._last_point(self.rows.template.directions(self._best))
            searched = self._point.v and self._certified is not None
            self._record(self._searched() if searched else self._first_certificate(), 0)

    def _is_to_stop(self) -> bool:
        """Whether `progress` of any process wants the loop to end."""
        return any(self.rows.group.gather_objects(self._asked_to_stop))

    def _shown(self, entry: Round) -> Round:
        return replace(entry, network=self._best, certificate=self._certificate)


def _check_start(start: TwoLayerNetwork | None, problem: TrainingProblem) -> None:
    if isinstance(start, TwoLayerNetwork):
        check_network(start, problem)
    elif start is not None:
        raise ValueError(f"start={start!r} is not a TwoLayerNetwork or None")
