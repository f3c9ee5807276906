"""Training in chunks without the time for a first pass over the rows."""

import numpy as np
import pytest

from convexrelu import ChunkedProblem, Status, TwoLayerNetwork, train_in_chunks
from convexrelu.chunked import too_late
from convexrelu.chunked.too_late import is_too_late
from tests.reference import teacher

X, Y = teacher(600, 3, 2, 0.1, 0)
WEIGHTS = np.linspace(0.0, 1.0, 600)


class Unreadable:
    """Rows that nobody may read."""

    shape = X.shape
    dtype = X.dtype

    def __getitem__(self, rows):
        raise AssertionError("rows are read")


@pytest.fixture(autouse=True)
def passes_are_long(monkeypatch):
    monkeypatch.setattr(too_late, "COPY", 1e14)


def test_the_best_constant_is_returned_and_no_row_is_read():
    problem = ChunkedProblem(Unreadable(), Y, 0.1, sample_weight=WEIGHTS)
    rounds = []
    result = train_in_chunks(problem, time_limit=1.0, random_state=0, progress=rounds.append)
    assert result.status is Status.TIME_LIMIT
    assert result.network.width == 0
    assert result.network.n_features == 3
    mean = np.average(Y, weights=WEIGHTS)
    assert result.network.output_bias[0] == pytest.approx(mean, rel=1e-12)
    variance = np.average((Y - mean) ** 2, weights=WEIGHTS)
    assert result.certificate.objective == pytest.approx(0.5 * variance, rel=1e-12)
    assert result.certificate.lower_bound == 0
    assert len(rounds) == len(result.history) == 1


def test_without_a_limit_or_with_a_start_rows_are_read():
    assert not is_too_late(ChunkedProblem(X, Y, 0.1), None)
    start = TwoLayerNetwork([[1.0, 0.0, 0.0]], [0.0], [[1.0]], [0.0])
    with pytest.raises(AssertionError, match="rows are read"):
        train_in_chunks(ChunkedProblem(Unreadable(), Y, 0.1), time_limit=1.0, start=start)
