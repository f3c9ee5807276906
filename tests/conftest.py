"""Fixtures that several test files share."""

import gc
import os

import joblib
import pytest

QUICK = 4  # parametrisations of a test that `make test-fast` runs


@pytest.hookimpl(optionalhook=True)  # pytest-xdist may be missing
def pytest_xdist_auto_num_workers():
    """Workers of `-n logical` and `-n auto`: xdist sees the processors of the machine, not the quota of a container."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else joblib.cpu_count()


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the marks
def pytest_collection_modifyitems(items):
    """Mark as slow pages of the documentation, and what is left of a test after its first parametrisations."""
    seen = {}
    for item in items:
        if item.path.suffix in (".rst", ".md"):
            item.add_marker(pytest.mark.slow)
        if hasattr(item, "callspec"):
            test = item.nodeid.partition("[")[0]
            seen[test] = seen.get(test, 0) + 1
            if seen[test] > QUICK:
                item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Let the garbage collector pass over what imports and thousands of tests make, which stays to the end.

    It would go through this again and again: a quarter of the time of collecting, and a twentieth of that of tests.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(
        0
    )  # enabled all the same: what dask finds at its import is what its functions leave behind
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*thresholds)


class Clock:
    """Stands in for `time.perf_counter`: time passes where a test says so, however busy the machine is."""

    def __init__(self, monkeypatch):
        self.now = 100.0  # moved by hand
        self.step = 0.0  # seconds that pass at every look
        self._monkeypatch = monkeypatch
        # pytest has a reference of its own: its durations stay real.
        monkeypatch.setattr("time.perf_counter", self)

    def __call__(self):
        self.now += self.step
        return self.now

    def charge(self, owner, name, seconds):
        """Let every call of a method take so many seconds."""
        original = getattr(owner, name)

        def charged(*args, **kwargs):
            self.now += seconds
            return original(*args, **kwargs)

        self._monkeypatch.setattr(owner, name, charged)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved, charged with calls, or given a step for each look."""
    return Clock(monkeypatch)


@pytest.fixture(params=["cpu:0", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    """Torch devices: the processor, by the code for accelerators ("cpu" means NumPy), and a GPU where there is one."""
    import torch

    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return request.param


@pytest.fixture(params=[(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)])
def options(request):
    """Kinds of training problems, every pair of options once; weighted ones take the `WEIGHTS` of the test's module."""
    hidden_bias, fit_intercept, weighted = request.param
    return {
        "hidden_bias": bool(hidden_bias),
        "fit_intercept": bool(fit_intercept),
        "sample_weight": request.module.WEIGHTS if weighted else None,
    }
