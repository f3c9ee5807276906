"""A small cluster, its data, and faults that strike its workers."""

from __future__ import annotations

import dask
import numpy as np
from distributed import Client, LocalCluster

from tests.chunked.processes import CONTEXT, STRIKES, started_server

# Workers are forked, as processes of other tests are, from the server that has imported what they need.
dask.config.set({"distributed.worker.multiprocessing-method": CONTEXT.get_start_method()})

RANDOM = np.random.RandomState(5)
N = 300
X = RANDOM.standard_normal((N, 3))
Y = np.abs(X[:, 0]) - 0.5 * X[:, 1] + 0.1 * RANDOM.standard_normal(N)
LABELS = np.array(["low", "mid", "top"])[np.digitize(Y, [0.0, 0.8])]
WEIGHTS = RANDOM.uniform(0.5, 2.0, N)
OPTIONS = {"alpha": 0.02, "tol": 0.05, "random_state": 0}


def client_of(processes=True, threads_per_worker=2):
    started_server()  # before Dask says what it should import
    cluster = LocalCluster(
        n_workers=2,
        threads_per_worker=threads_per_worker,
        processes=processes,
        dashboard_address=":0",
    )
    return Client(cluster, set_as_default=False), cluster


def strike_once(fault):
    """Prepare a fault in this process, for the next training only."""
    owner, name, strike = STRIKES[fault]
    original = getattr(owner, name)

    def struck(*args, **kwargs):
        setattr(owner, name, original)
        strike()

    setattr(owner, name, struck)
