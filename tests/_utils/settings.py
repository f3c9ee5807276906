"""Settings of threads that are not those of training, on any machine."""

import contextlib

import torch
from threadpoolctl import ThreadpoolController, threadpool_limits

from convexrelu._utils import threads


def blas():
    """Numbers of threads of the BLAS libraries that have a choice; empty where none has, as with Accelerate alone."""
    libraries = ThreadpoolController().select(user_api="blas").info()
    fixed = ("disabled", "sequential")
    return {one["num_threads"] for one in libraries if one["threading_layer"] not in fixed}


@contextlib.contextmanager
def two_threads(monkeypatch):
    """Two threads, which are still two at the end of the block."""
    monkeypatch.setattr(threads, "cpu_count", lambda: 2)
    before = torch.get_num_threads()
    with threadpool_limits(2, user_api="blas"):
        torch.set_num_threads(2)
        assert blas() <= {2}
        yield
        assert blas() <= {2}
        assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
