"""Inputs in pieces, in files, and from streams."""

from itertools import pairwise

import numpy as np
import pytest

from convexrelu import ChunkedProblem, train_in_chunks
from convexrelu.chunked.sources import Pieces, parquet_rows, stored_rows

RANDOM = np.random.RandomState(0)
X = RANDOM.standard_normal((700, 2))
Y = np.abs(X[:, 0])
ENDS = [0, 100, 100, 101, 650, 700]
PARTS = [X[a:b] for a, b in pairwise(ENDS)]


def test_every_slice_is_that_of_the_whole():
    pieces = Pieces.of(PARTS)
    assert pieces.shape == X.shape
    for start, stop in [(0, 700), (99, 102), (100, 100), (101, 650), (640, 900), (3, 4), (0, 0)]:
        assert np.array_equal(pieces[start:stop], X[start:stop])
    assert np.array_equal(pieces[-50:], X[-50:])


def test_other_steps_are_refused():
    with pytest.raises(ValueError, match="step 2"):
        Pieces.of(PARTS)[::2]


def test_pieces_are_read_when_needed():
    read = []

    def piece(k):
        read.append(k)
        return PARTS[k]

    pieces = Pieces(piece, [len(part) for part in PARTS], 2)
    assert read == []
    pieces[200:300], pieces[300:400], pieces[0:50]
    assert read == [3, 0]


def test_a_stream_gives_what_the_array_gives(tmp_path):
    inputs, targets = stored_rows(zip(PARTS, np.split(Y, ENDS[1:-1]), strict=True), tmp_path)
    assert np.array_equal(inputs[0:700], X.astype(np.float32))
    assert np.array_equal(targets, Y)
    options = {"tol": 0.05, "random_state": 0}
    whole = train_in_chunks(ChunkedProblem(X.astype(np.float32), Y, 0.05), **options)
    found = train_in_chunks(ChunkedProblem(inputs, targets, 0.05), **options)
    assert found.certificate == whole.certificate


def test_a_parquet_file_gives_what_the_array_gives(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="reads Parquet files")
    parquet = pytest.importorskip("pyarrow.parquet", reason="reads Parquet files")
    table = pyarrow.table({"b": X[:, 1], "y": Y, "a": X[:, 0]})
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=128)
    inputs, targets = parquet_rows(tmp_path / "rows.parquet", ["a", "b"], "y")
    assert inputs.shape == X.shape
    assert np.array_equal(inputs[120:300], X[120:300])
    assert np.array_equal(targets, Y)


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([], "chunks has no entries"),
        ([(X, Y), (X[:, :1], Y)], r"chunk 1 has shape \(700, 1\), expected \(n, 2\)"),
        ([(Y, Y)], r"chunk 0 has shape \(700,\), expected \(n, d\)"),
    ],
)
def test_wrong_streams_are_refused(chunks, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        stored_rows(chunks, tmp_path)
