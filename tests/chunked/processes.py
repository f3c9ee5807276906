"""Groups of real processes, forked from a server that has imported the package once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from multiprocessing import forkserver
from queue import Empty

import numpy as np

from convexrelu import ChunkedProblem, ConvexReLUClassifier, ConvexReLURegressor, distributed
from convexrelu.chunked.pricing import Search
from convexrelu.chunked.process_group import ProcessGroup
from convexrelu.chunked.train import _Training
from convexrelu.estimators.missing_targets import Gaps
from convexrelu.oracles import BranchAndBoundOracle
from convexrelu.oracles.bounds import growth
from convexrelu.oracles.bounds.tree import Tree

# Seconds after which processes count as hanging: faults end all of them within ten on an idle machine.
LONGEST = 120

if sys.platform == "win32":
    CONTEXT = multiprocessing.get_context("spawn")
else:
    CONTEXT = multiprocessing.get_context("forkserver")
    # What is missing is left out. With Dask an import takes seconds, in every worker of a cluster.
    CONTEXT.set_forkserver_preload([__name__, "convexrelu.dask"])

RANDOM = np.random.RandomState(3)
N = 321  # which leaves some processes more rows than others
X = RANDOM.standard_normal((N, 3))
Y = np.abs(X[:, 0]) - 0.5 * X[:, 1] + 0.1 * RANDOM.standard_normal(N)
LABELS = np.array(["low", "mid", "top"])[np.digitize(Y, [0.0, 0.8])]
ORDER = np.argsort(LABELS == "low", kind="stable")  # the last rows have one label only
WEIGHTS = RANDOM.uniform(0.5, 2.0, N)
ALPHA = 0.02
TARGETS = {
    "squared_error": Y,
    "logistic": np.where(Y > 0.5, 1.0, -1.0),
    "multinomial": np.argsort(np.argsort(Y)) * 10 // N * 1.0,  # ten classes
}


def started_server():
    """Start the server from which processes are forked, if there is one, and it does not run yet."""
    if CONTEXT.get_start_method() == "forkserver":
        forkserver.ensure_running()


class Victim:
    """What happens to a method of a class, in one process, at its call."""

    def __init__(self, owner, name, strike):
        original = getattr(owner, name)

        def struck(*args, **kwargs):
            strike()
            return original(*args, **kwargs)

        setattr(owner, name, struck)


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def interrupted():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which jobs in the background ignore
    signal.raise_signal(signal.SIGINT)


def failed():
    raise ZeroDivisionError("by a test")


def without_memory():
    raise MemoryError("no memory is left")


# Where a fault strikes, and what it is.
STRIKES = {
    "killed in gaps": (Gaps, "check", killed),
    "killed in opening": (_Training, "_first_networks", killed),
    "killed in search": (Search, "_on_a_sample", killed),
    "killed in pricing": (Search, "_gradients", killed),
    "killed in descent": (_Training, "_descend_from", killed),
    "killed in the verdict": (_Training, "_reason_to_stop", killed),
    "killed in a proof": (Tree, "grown", killed),
    "fails in pricing": (Search, "_gradients", failed),
    "interrupted": (Search, "_gradients", interrupted),
    "interrupted early": (_Training, "_first_networks", interrupted),
    "without memory": (ProcessGroup, "_all", without_memory),
}


def part(rank, size):
    """The rows of a process."""
    return slice(N * rank // size, N * (rank + 1) // size)


def trained(rank, size, group, fault=None):
    """Train, with a fault in this process or none."""
    own = part(rank, size)
    inputs, targets, alpha, progress, options = X[own], Y[own], ALPHA, None, {}
    if fault in STRIKES:
        Victim(*STRIKES[fault])
    elif fault == "NaN":
        inputs = inputs.copy()
        inputs[-1, 0] = np.nan
    elif fault == "another shape":
        inputs = inputs[:, :2]
    elif fault == "another dtype":
        inputs = inputs.astype(np.float32)
    elif fault == "another alpha":
        alpha = 0.03
    elif fault == "another tol":
        options = {"tol": 0.5}
    elif fault == "raises":
        progress = raising
    options = {"tol": 0.03, "random_state": rank} | options
    result = distributed.train(
        ChunkedProblem(inputs, targets, alpha), group=group, progress=progress, **options
    )
    return bits(result)


def trained_slowly(rank, size, group, fault=None):
    """Train, with a first descent of process 0 that does not end by itself."""
    sys.modules[_Training.__module__].descents = endless
    return trained(rank, size, group, fault)


def endless(problem, random, deadline, device):
    while time.perf_counter() < deadline:
        time.sleep(0.05)
    yield problem.zero_network()


def raising(entry):
    raise ZeroDivisionError("by a callback")


def bits(result):
    """Everything that must be equal to the last bit."""
    return result.certificate, result.network.hidden_weights.tobytes()


def fitted(rank, size, group, fault=None):
    """Fit estimators, with a fault in this process or none."""
    own = ORDER[part(rank, size)]
    if fault == "empty":
        own = own[:0]
    labels = LABELS[own] if fault != "other labels" else np.arange(len(own)) % 2
    options = {"alpha": ALPHA, "tol": 0.05, "random_state": 0}
    classifier = ConvexReLUClassifier(class_weight="balanced", **options)
    distributed.fit(classifier, X[own], labels, WEIGHTS[own], group=group)
    if fault in STRIKES:
        Victim(*STRIKES[fault])
    regressor = ConvexReLURegressor(**options)
    distributed.fit(regressor, X[own], Y[own], group=group)
    return (
        classifier.classes_.tolist(),
        classifier.certificate_,
        classifier.predict(X).tolist(),
        bits_of(regressor),
    )


def counted(rank, size, group, fault=None):
    """Fit counts with exposures, and several labels, with a fault in this process or none."""
    own = part(rank, size)
    counts, exposure, labels = np.round(np.abs(Y[own])), WEIGHTS[own], np.sign(X[own]) > 0
    if fault == "zero exposure":
        exposure = np.where(np.arange(len(exposure)) == 7, 0.0, exposure)
    elif fault == "no exposure":
        exposure = None
    elif fault == "other width":
        labels = labels[:, :2]
    elif fault in STRIKES:
        Victim(*STRIKES[fault])
    options = {"alpha": 1.0, "max_iter": 1, "random_state": 0}
    classifier = ConvexReLUClassifier(**options)
    regressor = ConvexReLURegressor(loss="poisson", missing_targets="ignore", **options)
    gaps = np.where(counts > 1, np.nan, counts) if rank else counts
    distributed.fit(regressor, X[own], gaps, exposure=exposure, group=group)
    distributed.fit(classifier, X[own], labels, group=group)
    return bits_of(regressor), bits_of(classifier)


def trained_on_all_losses(rank, size, group, fault=None):
    """Everything that must not depend on the number of processes."""
    own = part(rank, size)
    problems = [ChunkedProblem(X[own], y[own], ALPHA, loss=loss) for loss, y in TARGETS.items()]
    options = {"tol": 0.03, "random_state": 0, "group": group}
    return [bits(distributed.train(problem, **options)) for problem in problems]


def proved(rank, size, group, fault=None):
    """A proof that processes share from its beginning, in short turns, with a fault in this process or none."""
    if fault in STRIKES:
        Victim(*STRIKES[fault])
    growth._TURNS_ALONE = 0
    Tree._pace = property(lambda tree: tree._bound.pace._replace(turn=1e4))
    random = np.random.default_rng(1)
    design, v = random.standard_normal((40, 5)), random.standard_normal(40)
    oracle = BranchAndBoundOracle(design, rtol=1e-6, random_state=0)
    return distributed.share_proofs(oracle, v, group=group).bound


def bits_of(model):
    return model.certificate_, model.network_.hidden_weights.tobytes()


def member(function, rank, size, fault, addresses, outcomes, to_meet):
    """One process: its outcome is a value, or an exception as text."""

    def announce(address):
        if address is None:
            return addresses.get(timeout=to_meet)
        for _ in range(size - 1):
            addresses.put(address)
        return address

    try:
        if fault == "does not come":
            return
        group = ProcessGroup.connected(rank, size, announce, to_meet=to_meet)
        outcomes.put((rank, function(rank, size, group, fault)))
    except (Exception, KeyboardInterrupt) as error:
        outcomes.put((rank, f"{type(error).__name__}: {error}"))


class Processes:
    """A group that has begun."""

    def __init__(self, size, function, faults=None, to_meet=LONGEST):
        # Kept, since a queue that is collected takes its semaphores from processes that have yet to begin.
        self._addresses, self._outcomes = CONTEXT.Queue(), CONTEXT.Queue()
        faults = faults or {}
        self._processes = [
            CONTEXT.Process(
                target=member,
                args=(
                    function,
                    rank,
                    size,
                    faults.get(rank),
                    self._addresses,
                    self._outcomes,
                    to_meet,
                ),
            )
            for rank in range(size)
        ]
        self._end = time.monotonic() + LONGEST
        for process in self._processes:
            process.start()

    def outcomes(self):
        """Of all processes by rank, None for those that were killed; within :data:`LONGEST` seconds."""
        for process in self._processes:
            process.join(max(self._end - time.monotonic(), 0.0))
        late = [process for process in self._processes if process.is_alive()]
        for process in late:
            process.kill()
        assert not late, f"{len(late)} processes hang"
        found = [None] * len(self._processes)
        try:
            while True:
                rank, outcome = self._outcomes.get(timeout=0.1)
                found[rank] = outcome
        except Empty:
            return found


def together(*args, **kwargs):
    """Outcomes of the processes of a group."""
    return Processes(*args, **kwargs).outcomes()


def at_once(groups):
    """Outcomes of several groups, by their keys. They mostly wait, and do so at the same time."""
    begun = {key: Processes(*arguments) for key, arguments in groups.items()}
    return {key: group.outcomes() for key, group in begun.items()}
