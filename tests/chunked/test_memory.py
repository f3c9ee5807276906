"""Training in chunks keeps to its formula of memory, where the system enforces it."""

import sys

import numpy as np
import pytest

from convexrelu import ChunkedProblem, TwoLayerNetwork, train_in_chunks
from convexrelu.chunked import pricing, rows
from tests.chunked.processes import ALPHA, CONTEXT, LONGEST, X, Y

N, D, SAMPLE, DRAWN = 250_000, 20, 1024, 512
SLACK = (
    18e6  # for allocators, and steps of a search whose size does not depend on that of the sample
)


def formula(n_rows, n_features, n_outputs=1):
    """Bytes, as the documentation says, with one core, 64 chunks, and smaller samples."""
    kept = (40 + 24 * n_outputs) * n_rows
    return kept + 32 * n_features * (SAMPLE + -(-n_rows // 64)) + 10_000 * DRAWN


def trained_within(path, outcome):
    """Train on rows on disk in a process that may not have more memory."""
    import resource

    train_in_chunks(ChunkedProblem(X, Y, ALPHA), random_state=0)  # what libraries need once
    with open("/proc/self/status") as status:
        kilobytes = next(line.split()[1] for line in status if line.startswith("VmData"))
    most = int(1024 * int(kilobytes) + formula(N, D) + SLACK)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    rows._SAMPLE, pricing._DRAWN = SAMPLE, DRAWN
    inputs = np.load(path, mmap_mode="r")
    targets = np.load(path.with_name("y.npy"))
    hidden = np.eye(2, D)
    hidden[1] = -hidden[0]
    start = TwoLayerNetwork(hidden, np.zeros(2), np.ones((1, 2)), np.zeros(1))
    problem = ChunkedProblem(inputs, targets, 0.3)
    result = train_in_chunks(problem, tol=0.5, start=start, random_state=0)
    try:
        held = len(np.ones(28 * N * D, dtype=np.uint8))
    except MemoryError:
        held = 0
    outcome.put((result.certificate.relative_gap, held))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit memory")
def test_rows_on_disk_need_no_more_memory_than_the_formula_says(tmp_path):
    random = np.random.default_rng(0)
    inputs = random.standard_normal((N, D), dtype=np.float32)
    np.save(tmp_path / "X.npy", inputs)
    np.save(tmp_path / "y.npy", np.abs(inputs[:, 0]))
    outcome = CONTEXT.Queue()
    process = CONTEXT.Process(target=trained_within, args=(tmp_path / "X.npy", outcome))
    process.start()
    process.join(LONGEST)
    gap, held = outcome.get(timeout=1.0)
    assert gap <= 0.5
    assert held == 0  # the limit is one: inputs in memory, prepared once, are above it
