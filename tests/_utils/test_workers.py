"""Threads that wait for work: used again, as many as work at a time, without holding on to what they did."""

import gc
import multiprocessing
import sys
import threading
import weakref

import numpy as np
import pytest

from convexrelu._utils import workers
from convexrelu._utils.threads import _trainings, in_threads, one_blas_thread

LONG = 60  # seconds


@pytest.fixture(autouse=True)
def none_waiting(monkeypatch):
    monkeypatch.setattr(workers, "_waiting", [])


def test_a_thread_is_used_again():
    seen = []
    for _ in range(5):
        assert workers.handed_over(lambda: seen.append(threading.get_ident())).wait(LONG)
    assert len(set(seen)) == 1 and len(workers._waiting) == 1


def test_threads_that_work_are_left_alone():
    meet = threading.Barrier(4)
    for _ in range(3):
        ended = [workers.handed_over(meet.wait) for _ in range(3)]
        meet.wait(LONG)  # all of them work at the same time
        assert all(each.wait(LONG) for each in ended)
    assert len(workers._waiting) == 3


def test_none_is_left_after_the_last_training(monkeypatch):
    monkeypatch.setattr("convexrelu._utils.threads.free_cores", lambda: 2)
    before = threading.active_count()
    with one_blas_thread():
        with one_blas_thread():
            assert in_threads(abs, [-1, 2, -3]) == [1, 2, 3]
        assert workers._waiting and threading.active_count() > before
    assert not workers._waiting and threading.active_count() == before


def test_what_a_thread_did_is_forgotten():
    array = np.zeros(3)
    gone = weakref.ref(array)
    assert workers.handed_over(array.sum).wait(LONG)
    # The next work begins when the thread has left the last one.
    del array
    assert workers.handed_over(int).wait(LONG)
    gc.collect()
    assert gone() is None


def test_no_thread_is_there_where_the_system_has_no_more(monkeypatch):
    def refused(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert workers.handed_over(int) is None


def _sum_of_a_copy(queue):
    queue.put((len(workers._waiting), sum(in_threads(abs, [-1, 2, -3]))))


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="processes are not copied")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_copy_of_the_process_starts_its_own(monkeypatch):
    monkeypatch.undo()  # the list that is cleared
    monkeypatch.setattr("convexrelu._utils.threads.free_cores", lambda: 2)
    assert in_threads(abs, [-1, 2, -3]) == [1, 2, 3] and workers._waiting
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_sum_of_a_copy, args=(queue,))
    process.start()
    assert queue.get(timeout=LONG) == (0, 6)
    process.join()


def _trainings_of_a_copy(queue):
    before = _trainings.n_threads()
    with one_blas_thread():
        during = _trainings.n_threads()
    queue.put((before, during, _trainings.n_threads()))


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="processes are not copied")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_copy_of_the_process_knows_nothing_of_trainings_in_other_threads():
    """Not even of one that is about to begin or to end, and holds the lock."""
    begun, copied = threading.Event(), threading.Event()

    def other():
        with one_blas_thread(), _trainings._lock:
            begun.set()
            copied.wait(LONG)

    thread = threading.Thread(target=other)
    thread.start()
    assert begun.wait(LONG)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_trainings_of_a_copy, args=(queue,))
    try:
        process.start()
        assert queue.get(timeout=LONG) == (0, 1, 0)
    finally:
        copied.set()
        thread.join()
        process.kill()
        process.join()
