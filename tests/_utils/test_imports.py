"""Imports of large libraries."""

import gc
import signal
import threading
from contextlib import contextmanager, nullcontext

import pytest

from convexrelu._utils import imports
from convexrelu._utils.imports import importing


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collection_is_afterwards_as_it_was(enabled):
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with importing():
            assert not gc.isenabled()
        assert gc.isenabled() is enabled
        with pytest.raises(ImportError), importing():
            raise ImportError
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_an_interruption_comes_after_the_import():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    done = False
    try:
        with pytest.raises(KeyboardInterrupt), importing():
            signal.raise_signal(signal.SIGINT)
            done = True
    finally:
        signal.signal(signal.SIGINT, before)
    assert done and gc.isenabled()


def test_blocks_of_threads_may_overlap(monkeypatch):
    """One begins while another is open, and goes on after its end."""
    before, ended, entered = gc.isenabled(), threading.Event(), threading.Event()

    @contextmanager
    def held():
        entered.set()
        if threading.current_thread() is not threading.main_thread():
            assert ended.wait(60)
        yield

    monkeypatch.setattr(imports, "interruptions_held", held)

    def second():
        with importing():
            pass

    try:
        gc.enable()
        thread = threading.Thread(target=second)
        with importing():
            entered.clear()
            thread.start()
            assert entered.wait(60)
        ended.set()
        thread.join()
        assert gc.isenabled()
    finally:
        (gc.enable if before else gc.disable)()


def test_collection_stays_off_until_the_last_block_ends(monkeypatch):
    before = gc.isenabled()
    monkeypatch.setattr(imports, "interruptions_held", nullcontext)  # whose ends must be in order
    open_blocks = [importing() for _ in range(2)]
    try:
        gc.enable()
        for block in open_blocks:
            block.__enter__()
        open_blocks[0].__exit__(None, None, None)
        assert not gc.isenabled()
        open_blocks[1].__exit__(None, None, None)
        assert gc.isenabled()
    finally:
        (gc.enable if before else gc.disable)()
