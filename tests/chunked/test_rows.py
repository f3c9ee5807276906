"""Chunks of rows that several processes share."""

import threading
import time

import numpy as np
import pytest
from scipy.sparse import csr_array, issparse

from convexrelu import TrainingProblem, TwoLayerNetwork
from convexrelu.chunked import Alone, ChunkedProblem
from convexrelu.chunked.objective import objective_above, outputs_of
from convexrelu.chunked.products import dense
from convexrelu.chunked.rows import Rows
from convexrelu.losses import SquaredError, WeightedOutputs
from tests.chunked.together import together

RANDOM = np.random.RandomState(0)
N = 1100  # four chunks of 256 rows, and a short one
X, Y = RANDOM.standard_normal((N, 3)), RANDOM.standard_normal(N)
WEIGHTS = RANDOM.uniform(0, 2, N)


def rows_of(group, start, stop):
    problem = ChunkedProblem(
        X[start:stop], Y[start:stop], alpha=0.1, sample_weight=WEIGHTS[start:stop]
    )
    return Rows(problem, group, seed=0)


@pytest.mark.parametrize("ends", [[500], [256, 512], [3, 4], [1, 700, 701]])
def test_chunks_do_not_depend_on_the_shards(ends):
    ends = [0, *ends, N]

    def chunks(group):
        rows = rows_of(group, ends[group.rank], ends[group.rank + 1])
        return {k: (rows.chunk(k), rows.prepared(k)) for k in rows.own}, rows.template

    alone = chunks_alone()
    found = together(len(ends) - 1, chunks)
    assert sorted(k for own, _ in found for k in own) == list(range(5))
    for own, template in found:
        assert np.array_equal(template.X, alone[1].X)
        for k, (chunk, problem) in own.items():
            expected, with_inputs = alone[0][k]
            assert np.array_equal(problem.X, with_inputs.X)
            assert np.array_equal(chunk.problem.y, problem.y)
            assert np.array_equal(chunk.problem.y, expected.problem.y)
            assert np.array_equal(chunk.problem.weights, expected.problem.weights)
            assert chunk.share == expected.share


@pytest.mark.parametrize("of_first", [csr_array, np.asarray])
@pytest.mark.parametrize("ends", [[500], [3, 4], [1, 700, 701]])
def test_sparse_rows_are_sent_as_they_are(ends, of_first):
    """Also to a process whose rows are an array."""
    table = np.where(np.abs(X) > 1, X, 0.0)
    ends = [0, *ends, N]

    def chunks(group):
        own = slice(ends[group.rank], ends[group.rank + 1])
        kind, sent, gather = csr_array if group.rank else of_first, [], group.gather_objects
        group.gather_objects = lambda value: sent.append(value) or gather(value)
        rows = Rows(ChunkedProblem(kind(table[own]), Y[own], alpha=0.1), group, seed=0)
        (rest,) = [each[0] for each in sent if isinstance(each, tuple) and len(each) == 3]
        assert issparse(rest) == (kind is csr_array)
        return {k: rows.prepared(k) for k in rows.own}

    alone = Rows(ChunkedProblem(table, Y, alpha=0.1), Alone(), seed=0)
    found = {k: problem for own in together(len(ends) - 1, chunks) for k, problem in own.items()}
    assert sorted(found) == list(alone.own)
    for k, problem in found.items():
        assert np.array_equal(dense(problem.X), alone.prepared(k).X)
        assert np.array_equal(problem.y, alone.prepared(k).y)


def chunks_alone():
    rows = rows_of(Alone(), 0, N)
    return {k: (rows.chunk(k), rows.prepared(k)) for k in rows.own}, rows.template


def test_chunks_know_their_inputs_without_having_them():
    rows = rows_of(Alone(), 0, N)
    for k in rows.own:
        chunk, problem = rows.chunk(k), rows.prepared(k)
        assert not chunk.problem.X.any() and chunk.problem.X.strides == (0, 0)
        assert np.array_equal(chunk.problem.lengths, problem.lengths)
        assert np.array_equal(chunk.problem.centred_inputs.lengths, problem.centred_inputs.lengths)
        network = TwoLayerNetwork(X[:2], [0.1, -0.2], [[1.0, -0.5]], [0.3])
        outputs_of = rows.products(k).outputs
        assert chunk.problem.objective(network, outputs_of) == problem.objective(network)


@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_objectives_on_a_device(offset, device):
    far = X + offset
    rows = Rows(ChunkedProblem(far, Y, alpha=0.1), Alone(), device=device)
    assert all(rows.chunk(k).is_centred == (offset > 0) for k in rows.own)
    network = TwoLayerNetwork(X[:2], [0.1, -0.2] - X[:2] @ np.full(3, offset), [[1.0, -0.5]], [0.3])
    expected = TrainingProblem(far, Y, alpha=0.1).objective(network)
    above = objective_above(rows, network, outputs_of(rows, network))
    assert above == pytest.approx(expected, rel=1e-12)


def test_totals_are_sums_over_all_rows():
    def totals(group):
        start, stop = [(0, 300), (300, 301), (301, N)][group.rank]
        rows = rows_of(group, start, stop)

        def terms(k):
            share, problem = rows.chunk(k).share, rows.prepared(k)
            return [share, share * problem.weights @ problem.X]

        return rows.total(terms, (), (3,))

    found = together(3, totals)
    for share, mean in found:
        assert share == pytest.approx(1.0, abs=1e-14)
        assert mean == pytest.approx(WEIGHTS @ X / WEIGHTS.sum(), abs=1e-14)
        assert np.array_equal(mean, found[0][1])


def test_rows_are_read_in_slices_only():
    class Sliced:
        shape = X.shape

        def __getitem__(self, key):
            assert isinstance(key, slice)
            self.longest = max(getattr(self, "longest", 0), key.stop - key.start)
            return X[key].astype(np.float32)

    sliced = Sliced()
    rows = Rows(ChunkedProblem(sliced, Y, alpha=0.1), Alone())
    assert not rows.keeps
    assert np.array_equal(rows.prepared(1).X, X[256:512].astype(np.float32))
    assert sliced.longest <= 256


def test_one_thread_at_a_time_reads_rows(monkeypatch):
    """Files have one place at which they are read."""
    monkeypatch.setattr("convexrelu._utils.threads.free_cores", lambda: 3)
    reading = threading.Lock()

    class File:
        shape = X.shape

        def __getitem__(self, key):
            assert reading.acquire(blocking=False)
            time.sleep(0.002)
            reading.release()
            return X[key]

    rows = Rows(ChunkedProblem(File(), Y, alpha=0.1), Alone())
    inputs = rows.each(lambda k: rows.products(k).problem.X, columns=2**20)
    assert np.array_equal(np.concatenate(inputs), X)


def test_one_thread_sends_rows_to_a_device(monkeypatch):
    monkeypatch.setattr("convexrelu._utils.threads.free_cores", lambda: 3)
    rows = rows_of(Alone(), 0, N)
    here = threading.get_ident()
    assert here not in rows.each(lambda _: threading.get_ident(), columns=2**20)
    rows.on_device = object()
    assert set(rows.each(lambda _: threading.get_ident(), columns=2**20)) == {here}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": np.zeros(N)}, r"X has shape \(1100,\)"),
        ({"y": Y[1:]}, r"y has shape \(1099,\), X has 1100 rows"),
        ({"y": np.full(N, np.nan)}, "y"),
        ({"X": np.where(X > 2.5, np.nan, X)}, "X contains NaN or infinity in rows"),
        ({"X": X.astype(str)}, "X has dtype"),
        ({"loss": "absolute_error"}, "loss='absolute_error' has kinks"),
        ({"activation": "threshold"}, "activation='threshold' is not supported"),
        ({"hidden_bias": "free"}, "hidden_bias='free' is not supported"),
        ({"alpha": -1.0}, "alpha=-1.0"),
        ({"sample_weight": -WEIGHTS}, "sample_weight has negative entries"),
        ({"sample_weight": 0 * WEIGHTS}, "sample_weight must have a positive entry"),
        ({"sample_weight": WEIGHTS[1:]}, "sample_weight has shape"),
    ],
)
def test_wrong_arguments_are_named(changes, message):
    arguments = {"X": X, "y": Y, "alpha": 0.1} | changes
    with pytest.raises(ValueError, match=message):
        Rows(ChunkedProblem(**arguments), Alone())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": X[:, :2]}, "X: process 1 has 2 features, process 0 has 3 features"),
        ({"alpha": 0.2}, "alpha: process 1 has 0.2, process 0 has 0.1"),
        ({"loss": "huber"}, "loss: process 1 has"),
        ({"fit_intercept": False}, "fit_intercept: process 1 has False, process 0 has True"),
    ],
)
def test_processes_that_differ_are_told_how(changes, message):
    def made(group):
        arguments = {"X": X, "y": Y, "alpha": 0.1} | (changes if group.rank == 1 else {})
        return Rows(ChunkedProblem(**arguments), group)

    for error in together(2, made):
        assert isinstance(error, ValueError)
        assert message in str(error)


RARE = (np.arange(N) == 777).astype(float)


@pytest.mark.parametrize(
    ("loss", "y", "weights"),
    [
        ("logistic", 2 * RARE - 1, None),
        ("multinomial", RARE, None),
        ("poisson", RARE, None),
        ("squared_error", Y, RARE),
        (
            WeightedOutputs(SquaredError()),
            np.column_stack([Y, Y, np.ones(N), RARE]),  # two outputs, one of them observed once
            None,
        ),
        (
            "logistic",
            np.where(np.arange(N) % 2, 1.0, -1.0),
            np.where(np.arange(N) % 2, 1.0, RARE + 1e-9),
        ),
    ],
)
def test_the_sample_has_what_is_rare(monkeypatch, loss, y, weights):
    monkeypatch.setattr("convexrelu.chunked.rows._SAMPLE", 50)
    problem = ChunkedProblem(X, y, 0.1, loss=loss, sample_weight=weights)
    template = Rows(problem, Alone(), seed=1).template
    assert template.n_samples < 100
    assert (template.y == y[777]).any() and (template.weights > 0).any()
    assert template.y.reshape(len(template.y), -1)[:, -1].any()


@pytest.mark.parametrize(
    ("loss", "y", "wrong"),
    [
        ("logistic", np.where(Y > 0, 1.0, -1.0), 3.0),
        ("multinomial", np.where(Y > 0, 1.0, 0.0), 0.5),
        ("poisson", np.abs(Y), -1.0),
    ],
)
def test_all_targets_are_checked(monkeypatch, loss, y, wrong):
    monkeypatch.setattr("convexrelu.chunked.rows._SAMPLE", 50)
    for row in (3, 300, 1000):  # of which no sample has all
        with pytest.raises(ValueError, match=f"y has the entry {wrong:g}"):
            Rows(
                ChunkedProblem(X, np.where(np.arange(N) == row, wrong, y), 0.1, loss=loss), Alone()
            )


def test_processes_need_not_have_all_classes():
    y = np.where(np.arange(N) < 600, 0.0, 1.0)

    def n_outputs(group):
        own = slice(600 * group.rank, 600 + 500 * group.rank)
        return Rows(
            ChunkedProblem(X[own], y[own], 0.1, loss="multinomial"), group
        ).template.n_outputs

    assert together(2, n_outputs) == [2, 2]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (csr_array(np.where(X > 2, np.inf, X)), "X contains NaN or infinity"),
        (np.ma.masked_array(X, X > 2), "X has masked entries"),
        (np.where(X > 2.5, 1e200, X), "X contains entries whose squares overflow"),
        (X.astype(complex), "Complex data"),
    ],
)
def test_inputs_that_are_not_numbers_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        Rows(ChunkedProblem(rows, Y, 0.1), Alone())


@pytest.mark.parametrize(
    "options",
    [
        {"alpha": 0.0},
        {"hidden_bias": 2},
        {"fit_intercept": "no"},
        {"activation": "leaky_relu", "negative_slope": 2.0},
    ],
)
def test_settings_are_checked_at_once(options):
    name = next(reversed(options))
    with pytest.raises(ValueError, match=name):
        ChunkedProblem(X, Y, **{"alpha": 0.1, **options})
