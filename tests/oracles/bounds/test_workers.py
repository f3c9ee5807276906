"""Proofs by several workers: as good as those of one process, and never from a part that is missing."""

import math
import pickle
import threading
from functools import partial

import numpy as np
import pytest
from joblib import parallel_config

from convexrelu.chunked import GroupError
from convexrelu.chunked.shared_proofs import led_by_first
from convexrelu.oracles import BranchAndBoundOracle, CellOracle
from convexrelu.oracles.bounds import growth, tree
from convexrelu.oracles.bounds.corner_bound import CornerBound
from convexrelu.oracles.bounds.tree import Tree
from convexrelu.oracles.bounds.workers import Workers, workers_of_group
from tests.chunked.together import together
from tests.oracles.bounds.test_branch_and_bound import Blind, instance

RANDOM = np.random.default_rng(1)
DESIGN, V = RANDOM.standard_normal((40, 5)), RANDOM.standard_normal(40)


class Elsewhere(Workers):
    """Workers that get pickled parts; some of their outcomes are lost."""

    def __init__(self, n_workers=3, lost=0):
        self.n_workers = n_workers
        self.n_rounds = 0
        self._lost = lost

    def __call__(self, function, parts):
        self.n_rounds += 1
        outcomes = [
            pickle.loads(pickle.dumps(function))(pickle.loads(pickle.dumps(part))) for part in parts
        ]
        return outcomes[self._lost :]


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Workers help from the beginning, in short turns."""
    monkeypatch.setattr(growth, "_TURNS_ALONE", 0)
    monkeypatch.setattr(growth, "_SECONDS_TO_HELP", -math.inf)
    monkeypatch.setattr(Tree, "_pace", property(lambda tree: tree._bound.pace._replace(turn=1e5)))


@pytest.fixture(scope="module")
def alone():
    return priced()


def priced(design=DESIGN, v=V, **options):
    oracle = BranchAndBoundOracle(design, search=Blind(design.shape[1]), rtol=1e-6)
    return oracle(v, **options)


@pytest.mark.parametrize("seed", range(12))
def test_the_union_of_parts_is_a_proof(seed):
    design, v = instance(seed)
    largest = CellOracle(design)(v).values.max(initial=0.0)
    with workers_of_group(Elsewhere()):
        report = priced(design, v)
    assert report.is_proof
    slack = 1e-9 * (np.abs(v) @ np.linalg.norm(design, axis=1))
    assert largest * (1 - 1e-13) <= report.bound <= 1.00001 * largest + slack


@pytest.mark.parametrize("n_workers", [2, 5])
def test_any_number_of_workers_gives_the_same_verdict(alone, n_workers):
    workers = Elsewhere(n_workers)
    with workers_of_group(workers):
        report = priced()
        refuted = priced(level=0.9 * alone.values[0])
    assert workers.n_rounds > 1
    # Both bounds are within 1e-6 of the largest value.
    assert report.bound == pytest.approx(alone.bound, rel=2e-6)
    assert report.values[0] == pytest.approx(alone.values[0], rel=2e-6)
    assert refuted.values[0] > 0.9 * alone.values[0]


def test_workers_without_compiled_code_join_in(alone, monkeypatch):
    monkeypatch.setattr(tree, "corner_bound", lambda rows, v, device: CornerBound(rows, v))
    with workers_of_group(Elsewhere()):
        report = priced(level=1.1 * alone.bound)
    assert alone.values[0] <= report.bound <= 1.1 * alone.bound * (1 + 1e-9)


def test_a_missing_outcome_is_no_proof():
    with (
        workers_of_group(Elsewhere(lost=1)),
        pytest.raises(RuntimeError, match="3 parts of a proof, but 2 outcomes"),
    ):
        priced()


class Late(Elsewhere):
    """Workers that begin when time is up."""

    def __call__(self, function, parts):
        return super().__call__(partial(function, deadline=-math.inf), parts)


def test_boxes_that_no_one_explores_stay_open(clock, alone):
    clock.step = 1.0
    late = Late()
    with workers_of_group(late):
        report = priced(deadline=clock.now + 20)
    assert late.n_rounds > 1
    assert report.bound >= alone.bound


def test_threads_of_joblib_share_a_proof(alone):
    with parallel_config("threading", n_jobs=2):
        assert priced().bound == pytest.approx(alone.bound, rel=2e-6)


def test_without_workers_that_fail_the_proof_goes_on(alone, monkeypatch):
    original = Tree.grown

    def grown(part, max_work, deadline):
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError("of a worker")
        return original(part, max_work, deadline)

    monkeypatch.setattr(Tree, "grown", grown)
    with (
        parallel_config("threading", n_jobs=2),
        pytest.warns(
            RuntimeWarning, match="goes on in this process alone.*MemoryError: of a worker"
        ),
    ):
        report = priced()
    assert report.bound == pytest.approx(alone.bound, rel=2e-6)


# Processes of a group


def shared(call):
    return lambda group: led_by_first(group, call if group.rank == 0 else None)


def test_processes_of_a_group_share_a_proof(alone):
    first, *others = together(3, shared(priced))
    assert first.bound == pytest.approx(alone.bound, rel=2e-6)
    assert [other.bound for other in others] == [first.bound] * 2
    assert together(1, shared(lambda: 3)) == [3]


@pytest.fixture
def strike(monkeypatch):
    """Let the part of one process raise an error; processes are threads here."""
    process = threading.local()
    original = Tree.grown

    def struck(rank, error):
        def grown(part, max_work, deadline):
            if process.rank == rank:
                raise error
            return original(part, max_work, deadline)

        monkeypatch.setattr(Tree, "grown", grown)
        return process

    return struck


def test_a_process_that_fails_ends_the_proof(strike):
    process = strike(1, MemoryError("of a helper"))

    def failing_together(group):
        process.rank = group.rank
        with group.failing_together():
            return shared(priced)(group)

    first, second, third = together(3, failing_together)
    assert isinstance(second, MemoryError)
    for outcome in (first, third):
        assert isinstance(outcome, GroupError)
        assert "process 1: MemoryError: of a helper" in str(outcome)


def test_an_interruption_of_process_0_leaves_the_others_in_step(alone, strike):
    process = strike(0, KeyboardInterrupt())

    def interrupted_once():
        with pytest.raises(KeyboardInterrupt):
            priced()
        process.rank = None
        return priced()

    def proved(group):
        process.rank = group.rank
        return shared(interrupted_once)(group)

    for report in together(2, proved):
        assert report.bound == pytest.approx(alone.bound, rel=2e-6)


@pytest.mark.parametrize("n_jobs", [0, "all", 1.5])
def test_numbers_of_workers_are_checked(n_jobs):
    with pytest.raises(ValueError, match="n_jobs="):
        BranchAndBoundOracle(DESIGN, n_jobs=n_jobs)
