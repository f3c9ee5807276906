"""The thread policy: what training sets, what it puts back, and what other threads see of it."""

import _thread
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from types import ModuleType

import numpy as np
import pytest
import torch
from threadpoolctl import ThreadpoolController, threadpool_limits

from convexrelu import ConvexReLURegressor, TrainingProblem, certify, regularization_path, train
from convexrelu._utils import threads as module
from convexrelu._utils.threads import in_threads, one_blas_thread, torch_threads
from tests import reference
from tests._utils import settings
from tests._utils.settings import blas

X, Y = reference.teacher(12, 2, 3, 0.1, 0)
PROBLEM = TrainingProblem(X, Y, 0.05)
LARGE = 2**40  # entries that are worth any number of threads


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    with settings.two_threads(monkeypatch):
        yield


def seen_by(call):
    """BLAS and torch threads at every report of progress."""
    seen = []
    call(lambda _: seen.append((blas(), torch.get_num_threads())))
    assert seen
    return seen


def test_training_has_one_blas_thread():
    for of_blas, of_torch in seen_by(
        lambda report: train(PROBLEM, random_state=0, progress=report)
    ):
        assert of_blas <= {1}
        assert of_torch == 2  # changed only where torch computes


def test_so_have_paths_certificates_and_estimators(monkeypatch):
    seen, original = [], TrainingProblem.objective

    def noted(self, *args):
        seen.append(blas())
        return original(self, *args)

    monkeypatch.setattr(TrainingProblem, "objective", noted)
    regularization_path(PROBLEM, [0.2, 0.1], random_state=0)
    model = ConvexReLURegressor(alpha=0.1, minimal=True, random_state=0).fit(X, Y)
    certify(model.network_, X, Y, alpha=0.1, random_state=0)
    assert seen and all(threads <= {1} for threads in seen)


def test_libraries_are_looked_for_again_only_where_modules_have_come(monkeypatch):
    searches = []

    def counted():
        searches.append(1)
        return ThreadpoolController()

    monkeypatch.setattr(module, "ThreadpoolController", counted)
    module._libraries.cache_clear()
    for _ in range(3):
        with one_blas_thread():
            assert blas() <= {1}
    assert len(searches) == 1
    monkeypatch.setitem(sys.modules, "a_module_that_is_new", sys)
    with one_blas_thread():
        assert blas() <= {1}
    assert len(searches) == 2


def test_settings_are_put_back_after_an_error():
    def fail(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(PROBLEM, random_state=0, progress=fail)
    with pytest.raises(ZeroDivisionError), torch_threads(1):
        raise ZeroDivisionError


def test_nested_blocks_end_with_the_outermost():
    with one_blas_thread():
        with one_blas_thread():
            assert blas() <= {1}
        assert blas() <= {1}
    assert blas() <= {2}


def test_the_last_of_several_trainings_puts_settings_back():
    """Two threads that begin and end in turns: A, B, end of A, end of B."""
    inside, end, done = threading.Event(), threading.Event(), threading.Event()

    def train_in_another_thread():
        with one_blas_thread():
            inside.set()
            end.wait()
        done.set()

    other = threading.Thread(target=train_in_another_thread)
    with one_blas_thread():
        other.start()
        inside.wait()
    assert blas() <= {1}  # the other one goes on
    end.set()
    done.wait()
    other.join()
    assert blas() <= {2}


def test_a_setting_made_meanwhile_stands():
    with threadpool_limits(None, user_api="blas"):  # puts the threads of before back at its end
        with one_blas_thread():
            for library in ThreadpoolController().select(user_api="blas").lib_controllers:
                library.set_num_threads(3)
        assert blas() <= {3}


def test_torch_has_as_many_threads_as_the_work_is_worth():
    with torch_threads(0):
        assert torch.get_num_threads() == 1
    with torch_threads(LARGE):
        assert torch.get_num_threads() == 2


def test_torch_has_no_more_threads_than_its_own_or_the_machine(monkeypatch):
    torch.set_num_threads(1)
    with torch_threads(LARGE):
        assert torch.get_num_threads() == 1
    torch.set_num_threads(2)
    monkeypatch.setattr(module, "cpu_count", lambda: 1)
    with torch_threads(LARGE):
        assert torch.get_num_threads() == 1


def test_trainings_side_by_side_share_the_cores():
    seen = []

    def nothing():
        with one_blas_thread():
            inside.wait()
            with torch_threads(LARGE):
                seen.append(torch.get_num_threads())
            inside.wait()

    inside = threading.Barrier(2)
    others = [threading.Thread(target=nothing) for _ in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert seen == [1, 1]


def test_torch_threads_of_other_threads_are_their_own():
    """Threads that compute at the same time, or first use torch meanwhile, keep the user's setting."""
    seen = []

    def compute():
        torch.ones(10).sum()
        seen.append(torch.get_num_threads())

    with torch_threads(0):
        other = threading.Thread(target=compute)
        other.start()
        other.join()
    assert seen == [2]


def test_results_do_not_depend_on_the_users_threads():
    networks = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        with threadpool_limits(n_threads, user_api="blas"):
            networks.append(train(PROBLEM, random_state=0).network)
    torch.set_num_threads(2)
    for name in ("hidden_weights", "hidden_bias", "output_weights", "output_bias"):
        np.testing.assert_array_equal(*(getattr(network, name) for network in networks))


def test_results_of_a_seed_are_the_same_bit_for_bit():
    one, other = (train(PROBLEM, random_state=3) for _ in range(2))
    assert one.certificate == other.certificate
    np.testing.assert_array_equal(one.network.hidden_weights, other.network.hidden_weights)
    for entry, again in zip(one.history, other.history, strict=True):
        assert (entry.objective, entry.lower_bound) == (again.objective, again.lower_bound)


@pytest.mark.slow
def test_the_default_of_a_process_is_put_back():
    """Where nobody has set anything."""
    code = (
        "import torch, numpy, scipy.linalg\n"
        "from threadpoolctl import threadpool_info\n"
        "def now():\n"
        "    return {one['filepath']: one['num_threads'] for one in threadpool_info()}\n"
        "before = now()\n"
        "from convexrelu import TrainingProblem, train\n"
        "X = numpy.random.default_rng(0).standard_normal((12, 2))\n"
        "train(TrainingProblem(X, abs(X[:, 0]) + X[:, 1], 0.05), random_state=0)\n"
        "assert before.items() <= now().items(), (before, now())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


def test_parts_are_done_in_order_on_several_cores(monkeypatch):
    monkeypatch.setattr("convexrelu._utils.threads.free_cores", lambda: 3)
    seen = set()

    def work(part):
        seen.add(threading.get_ident())
        return part, torch.get_num_threads()

    assert in_threads(work, list(range(20))) == [(k, 1) for k in range(20)]
    assert threading.get_ident() not in seen


def test_an_error_in_a_part_is_raised_and_later_parts_are_left(monkeypatch):
    monkeypatch.setattr("convexrelu._utils.threads.free_cores", lambda: 2)
    done = []

    def work(part):
        if part == 0:
            raise ZeroDivisionError
        time.sleep(0.01)
        done.append(part)

    with pytest.raises(ZeroDivisionError):
        in_threads(work, list(range(1000)))
    assert len(done) < 900


@pytest.fixture
def keyboard():
    """Interruptions as a terminal sends them; processes in the background ignore them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("times", [1, 2])
def test_interruptions_end_all_threads(monkeypatch, keyboard, times):
    """The second one comes while the threads are waited for."""
    monkeypatch.setattr("convexrelu._utils.threads.free_cores", lambda: 2)
    in_threads(abs, [1, 2])  # these wait afterwards
    before, done = threading.active_count(), []

    def work(part):
        if part > 0:
            time.sleep(0.01)
        if part < times:
            _thread.interrupt_main()
        done.append(part)

    with pytest.raises(KeyboardInterrupt):
        in_threads(work, list(range(1000)))
    assert threading.active_count() == before
    assert set(range(times)) <= set(done) and len(done) < 900
    assert signal.getsignal(signal.SIGINT) is keyboard
    assert torch.get_num_threads() == 2


def test_parts_that_run_have_ended_after_an_interruption(monkeypatch, keyboard):
    """Whatever waits for them must not take them for ended when it is interrupted."""
    monkeypatch.setattr("convexrelu._utils.threads.free_cores", lambda: 2)
    done = []

    def work(part):
        time.sleep(0.02)
        if part:
            _thread.interrupt_main()
        else:
            time.sleep(0.1)
        done.append(part)

    with pytest.raises(KeyboardInterrupt):
        in_threads(work, [0, 1])
    assert sorted(done) == [0, 1]


def test_parts_treat_errors_of_numpy_as_the_caller_does(monkeypatch):
    monkeypatch.setattr("convexrelu._utils.threads.free_cores", lambda: 2)
    with np.errstate(over="raise", under="ignore"):
        assert in_threads(lambda _: np.geterr(), [0, 1]) == [np.geterr()] * 2


@pytest.mark.parametrize("n_more", [0, 1])
def test_parts_are_done_though_the_system_has_no_more_threads(monkeypatch, n_more):
    monkeypatch.setattr("convexrelu._utils.threads.free_cores", lambda: 3)
    start, started = threading.Thread.start, []

    def limited(thread):
        if len(started) == n_more:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    assert in_threads(abs, [-1, 2, -3]) == [1, 2, 3]


def test_torch_that_another_thread_is_importing_is_not_asked(monkeypatch):
    monkeypatch.setattr(module, "cpu_count", lambda: 2)
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    assert 1 <= module.free_cores() <= 2
    monkeypatch.setattr(module, "free_cores", lambda: 2)
    assert in_threads(abs, [-1, 2]) == [1, 2]


@pytest.mark.parametrize(
    ("given", "cores"), [("", 8), ("0", 8), ("abc", 8), ("²", 8), ("-1", 8), (" 3", 3), ("2,1", 2)]
)
def test_cores_are_those_that_openmp_has_been_given(monkeypatch, given, cores):
    monkeypatch.setattr(module, "cpu_count", lambda: 8)
    monkeypatch.setattr(module, "_libraries", lambda *_: [])
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert module.free_cores() == cores


def test_parts_have_one_thread_of_a_blas_whose_setting_belongs_to_each_thread(monkeypatch):
    class OpenMP(threading.local):
        threading_layer, num_threads = "openmp", 4

        def set_num_threads(self, n_threads):
            self.num_threads = n_threads

    library = OpenMP()
    monkeypatch.setattr("convexrelu._utils.threads.free_cores", lambda: 2)
    monkeypatch.setattr(module, "_libraries", lambda *_: [library])
    assert in_threads(lambda _: library.num_threads, [0, 1, 2]) == [1, 1, 1]
    assert library.num_threads == 4


@pytest.mark.parametrize("context", [one_blas_thread, partial(torch_threads, 0)])
def test_an_interruption_as_a_block_ends_leaves_the_users_settings(monkeypatch, context):
    """Before interruptions can be held."""

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117
        with context():
            monkeypatch.setattr(module, "interruptions_held", interrupted)
    assert torch.get_num_threads() == 2
    assert blas() <= {2} and module._trainings.n_threads() == 0


def test_one_torch_thread_leaves_all_cores_for_parts(monkeypatch):
    monkeypatch.setattr(module, "cpu_count", lambda: 8)
    before = torch.get_num_threads()
    with torch_threads(0):
        assert torch.get_num_threads() == 1
        assert module.free_cores() == min(before, 8)
        with torch_threads(0):
            assert module.free_cores() == min(before, 8)
    assert module.free_cores() == min(before, 8)


def test_parts_do_not_spread_further(monkeypatch):
    monkeypatch.setattr(module, "cpu_count", lambda: 8)
    monkeypatch.setattr(module._allowed, "threads", 4, raising=False)
    assert in_threads(lambda _: module.free_cores(), [0, 1, 2, 3]) == [1, 1, 1, 1]
