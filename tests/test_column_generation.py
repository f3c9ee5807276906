"""The loop of column generation, with programs that are numbers."""

from dataclasses import dataclass, field, replace

import pytest

from convexrelu import Status
from convexrelu.certificates import Certificate
from convexrelu.column_generation import ColumnGeneration


@dataclass(frozen=True)
class Solution:
    width: int


@dataclass(eq=False)
class Countdown(ColumnGeneration[Solution, list]):
    """Every program has the next of the given objectives; the lower bound is 1. None is not feasible."""

    objectives: list
    statuses: dict = field(default_factory=dict)  # of programs without a solution
    found: dict = field(default_factory=dict)  # columns of a round, where they are not one
    interrupted: int | None = None

    _n_columns = 0

    def _begin(self):
        self._best = Solution(0)

    def _price(self):
        if self._n_iter == self.interrupted:
            raise KeyboardInterrupt
        objective = self.objectives[self._n_iter]
        columns = [None] * self.found.get(self._n_iter, 1)
        if objective is None:
            return None, columns
        return Certificate(objective, 1.0, "global", "cells", True), columns

    def _certify_unpriced(self):
        return Certificate(self.objectives[self._n_iter], 0.5, "global", "search", False)

    def _solve(self, columns):
        self._n_columns += len(columns)
        self._best = Solution(self._n_iter + 1)
        status = self.statuses.get(self._n_iter, Status.CONVERGED)
        return status, status is Status.CONVERGED


def test_it_ends_where_the_gap_is_closed():
    seen = []
    result = Countdown([4.0, 2.0, 1.0, 0.5], progress=seen.append).run()
    assert (result.status, result.n_iter, result.certificate.objective) == (
        Status.CONVERGED,
        2,
        1.0,
    )
    assert result.history == seen
    assert [entry.objective for entry in seen] == [4.0, 2.0, 1.0]
    assert [entry.n_blocks for entry in seen] == [entry.width for entry in seen] == [0, 1, 2]
    assert [entry.solver_status for entry in seen] == ["", "CONVERGED", "CONVERGED"]


@pytest.mark.parametrize("max_iter", [0, 2])
def test_it_ends_after_so_many_programs(max_iter):
    result = Countdown([8.0, 7.0, 6.0, 5.0], max_iter=max_iter).run()
    assert (result.status, result.n_iter) == (Status.MAX_ITER, max_iter)


def test_it_ends_without_columns():
    result = Countdown([8.0, 7.0, 6.0], found={1: 0}).run()
    assert (result.status, result.n_iter) == (Status.STALLED, 1)


@pytest.mark.parametrize(
    ("objectives", "n_iter"), [([8.0] * 9, 3), ([8.0, 8.0, 8.0, 7.0] + 9 * [7.0], 6)]
)
def test_it_gives_up_after_three_rounds_without_progress(objectives, n_iter):
    result = Countdown(objectives).run()
    assert (result.status, result.n_iter) == (Status.STALLED, n_iter)


@pytest.mark.parametrize("settles", [False, True])
def test_where_it_settles_a_program_of_little_progress_is_not_priced(settles):
    result = Countdown([8.0, 7.0, 6.95, 6.0, 1.0], settles=settles).run()
    if not settles:
        assert (result.status, result.n_iter) == (Status.CONVERGED, 4)
        return
    assert (result.status, result.n_iter) == (Status.SETTLED, 2)
    assert [entry.lower_bound for entry in result.history] == [1.0, 1.0, 0.5]
    last = result.history[-1]
    assert (last.objective, last.n_cuts) == (result.certificate.objective, 0) == (6.95, 0)
    assert result.network == Solution(2)


def test_what_is_not_feasible_before_a_program_is_priced_after_it():
    result = Countdown([None, 7.0, 6.95], settles=True).run()
    assert (result.status, result.n_iter) == (Status.SETTLED, 2)


def test_columns_that_no_program_has_had_are_solved_first():
    """As after descent: neither a small gap nor a lack of columns ends the loop."""

    class Unsolved(Countdown):
        def _begin(self):
            super()._begin()
            self._is_solved = False

        def _solve(self, columns):
            self._is_solved = True
            return super()._solve(columns)

    for objectives in ([1.0, 1.0], [8.0, 1.0]):
        result = Unsolved(objectives, found={0: 0}).run()
        assert (result.status, result.n_iter) == (Status.CONVERGED, 1)


@pytest.mark.parametrize("started", [None, 98.5])
def test_it_ends_when_time_is_over(clock, started):
    loop = Countdown([8.0, 7.0, 6.0, 5.0, 4.0], time_limit=3.0, started=started)
    clock.charge(Countdown, "_solve", 1.0)
    result = loop.run()
    assert (result.status, result.n_iter) == (Status.TIME_LIMIT, 3 if started is None else 2)
    seconds = [entry.seconds for entry in result.history]
    assert seconds == ([0.0, 1.0, 2.0, 3.0] if started is None else [1.5, 2.5, 3.5])


@pytest.mark.parametrize("time_limit", [None, 1.0])
def test_a_solver_that_fails_ends_it(clock, time_limit):
    clock.charge(Countdown, "_solve", 2.0)
    result = Countdown([8.0, 7.0], {0: Status.FAILED}, time_limit=time_limit).run()
    assert result.status is (Status.FAILED if time_limit is None else Status.TIME_LIMIT)
    assert (result.n_iter, result.solver_status) == (1, Status.FAILED)
    assert result.certificate.objective == 8.0


def test_a_program_without_a_solution_is_no_convergence():
    class Lost(Countdown):
        def _solve(self, columns):
            return Status.CONVERGED, False

    assert Lost([8.0, 7.0]).run().status is Status.FAILED


def test_an_interruption_leaves_the_last_certificate():
    result = Countdown([8.0, 7.0, 6.0], interrupted=2).run()
    assert (result.status, result.n_iter) == (Status.INTERRUPTED, 2)
    assert (result.network, result.certificate.objective) == (Solution(1), 7.0)


@pytest.mark.parametrize("interrupted", [0, 1])
def test_an_interruption_before_the_first_certificate_is_raised(interrupted):
    with pytest.raises(KeyboardInterrupt):
        Countdown([None, 7.0], interrupted=interrupted).run()


def test_rounds_without_a_feasible_solution_are_not_in_the_history():
    result = Countdown([None, None, 7.0, 1.0]).run()
    assert (result.status, result.n_iter) == (Status.CONVERGED, 3)
    assert [entry.objective for entry in result.history] == [7.0, 1.0]


def test_progress_may_see_more_than_the_history():
    class Shown(Countdown):
        def _shown(self, entry):
            return replace(entry, network=self._best)

    seen = []
    result = Shown([2.0, 1.0], progress=seen.append).run()
    assert seen == result.history  # networks are not compared
    assert [entry.network for entry in seen] == [Solution(0), Solution(1)]
    assert all(entry.network is None for entry in result.history)


@pytest.mark.parametrize("is_proof", [True, False])
def test_a_gap_that_is_proved_in_the_end_is_convergence(is_proof):
    """Whatever ended the rounds."""

    class Proved(Countdown):
        def _conclude(self, status):
            self._record(Certificate(2.0, 2.0, "global", "cells", is_proof), 0)
            return status

    result = Proved([8.0, 7.0, 6.0], max_iter=1).run()
    assert result.status is (Status.CONVERGED if is_proof else Status.MAX_ITER)
