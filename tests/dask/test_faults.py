"""Faults on a cluster: each ends the fit with an error that names it, and leaves the other workers free."""

import time
from concurrent.futures import ThreadPoolExecutor

import dask
import dask.array as da
import numpy as np
import pytest
from distributed import Client, Event

from convexrelu import ConvexReLURegressor
from convexrelu.chunked import GroupError
from convexrelu.dask import DaskConvexReLURegressor, fitting
from convexrelu.dask.partitions import shares_of
from tests.chunked.processes import LONGEST
from tests.dask.cluster import OPTIONS, N, X, Y, client_of, strike_once

ENDLESS = {"alpha": 1e-4, "tol": 0.0, "max_iter": 10**6}


def data(n_parts=2):
    size = -(-N // n_parts)
    return da.from_array(X, chunks=(size, 3)), da.from_array(Y, chunks=size)


def model(client, **options):
    return DaskConvexReLURegressor(client=client, **OPTIONS | options)


def holder(client, part, n_parts=2):
    """Persisted data, and the worker that holds a part of it."""
    inputs, targets = data(n_parts)
    places = sorted(client.nthreads())
    blocks = [
        client.submit(np.array, inputs.blocks[k].compute(scheduler=dask.get), workers=[places[k]])
        for k in range(n_parts)
    ]
    inputs = da.concatenate(
        [
            da.from_delayed(block, (size, 3), dtype=float)
            for block, size in zip(blocks, inputs.chunks[0], strict=True)
        ]
    )
    return inputs, targets, places[part]


def wait_until_free(client):
    """Until no task of a fit runs on any worker."""
    end = time.monotonic() + LONGEST
    while any(client.run(count_fits).values()):
        assert time.monotonic() < end, "a worker still trains"
        time.sleep(0.1)


def count_fits(dask_worker):
    return sum("convexrelu" in task.key for task in dask_worker.state.executing)


def test_killed_workers_are_named():
    """One of two, and the only one with rows. On a cluster of its own, which may come back slowly or not at all."""
    client, cluster = client_of()
    with cluster, client:
        for n_parts in (2, 1):
            inputs, targets, worker = holder(client, n_parts - 1, n_parts)
            client.run(strike_once, "killed in pricing", workers=[worker])
            with pytest.raises(GroupError, match=f"process {n_parts - 1}, worker {worker}, ended"):
                model(client).fit(inputs, targets)
            wait_until_free(client)


def test_a_failing_task_is_named(client):
    inputs, targets, worker = holder(client, 1)
    client.run(strike_once, "fails in pricing", workers=[worker])
    with pytest.raises(GroupError, match=f"process 1, worker {worker}: ZeroDivisionError"):
        model(client).fit(inputs, targets)
    wait_until_free(client)


@pytest.mark.parametrize("n_parts", [1, 2])
def test_a_closed_client_ends_the_fit_and_its_tasks(client, n_parts):
    other = Client(client.scheduler.address, set_as_default=False)
    inputs, targets, _ = holder(other, 0, n_parts)  # each worker holds a part, however busy it was
    with ThreadPoolExecutor(1) as pool:
        fit = pool.submit(model(other, **ENDLESS).fit, inputs, targets)
        end = time.monotonic() + LONGEST
        while sum(client.run(count_fits).values()) < n_parts and time.monotonic() < end:
            time.sleep(0.1)
        other.close()
        with pytest.raises(GroupError, match="the client of the fit was closed"):
            fit.result(LONGEST)
    wait_until_free(client)
    with pytest.raises(ValueError, match="client is closed"):
        model(other).fit(*data())


@pytest.fixture(scope="module")
def threads():
    """A cluster in this process, with one thread a worker."""
    client, cluster = client_of(processes=False, threads_per_worker=1)
    yield client
    client.close()
    cluster.close()


def test_workers_may_be_threads_of_one_process(client, threads):
    expected = model(client).fit(*data())
    assert model(threads).fit(*data()).certificate_ == expected.certificate_


@pytest.mark.parametrize("late", [0, 1])
def test_a_busy_worker_is_not_waited_for_in_vain(threads, monkeypatch, late):
    monkeypatch.setattr(fitting, "_TO_MEET", 1.0)
    monkeypatch.setattr(fitting, "_TO_TELL", 1.0)
    inputs, targets, _ = holder(threads, late)  # each worker holds a part, however busy it was
    shares = shares_of(threads, inputs, targets, None)
    gate = Event(f"gate {late}", client=threads)
    busy = threads.submit(wait_at, gate.name, workers=[shares[late].worker], pure=False)
    try:
        with pytest.raises(GroupError, match=f"process {late} did not come"):
            fitting.fit_on_workers(threads, ConvexReLURegressor(**OPTIONS), shares)
    finally:
        gate.set()
        busy.result()


def wait_at(gate):
    Event(gate).wait(LONGEST)
