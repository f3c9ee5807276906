"""Training in chunks."""

import sys
import time

import numpy as np
import pytest

from convexrelu import ChunkedProblem, TrainingProblem, TwoLayerNetwork, train, train_in_chunks
from convexrelu.chunked import GroupError
from convexrelu.chunked import train as module
from convexrelu.results.status import Status
from tests.chunked.together import together

RANDOM = np.random.RandomState(2)
N = 600
X = RANDOM.standard_normal((N, 3))
SIGNAL = np.abs(X[:, 0]) - 0.5 * X[:, 1]
NOISY = SIGNAL + 0.1 * RANDOM.standard_normal(N)
TARGETS = {
    "squared_error": NOISY,
    "logistic": np.where(NOISY > 0.5, 1.0, -1.0),
    "multinomial": np.digitize(NOISY, [0.0, 1.0]).astype(float),
}


@pytest.mark.parametrize("loss", TARGETS)
def test_the_result_is_that_of_training_at_once(loss):
    y = TARGETS[loss]
    problem = TrainingProblem(X, y, 0.03, loss=loss)
    whole = train(problem, tol=1e-2, oracle="quick", random_state=0)
    chunks = ChunkedProblem(X.astype(np.float32).astype(np.float64), y, 0.03, loss=loss)
    result = train_in_chunks(chunks, tol=1e-2, random_state=0)
    certificate = result.certificate
    assert result.status is Status.CONVERGED
    assert not certificate.is_proof
    assert certificate.objective == pytest.approx(whole.certificate.objective, rel=2e-2)
    assert certificate.objective >= whole.certificate.proved_lower_bound * (1 - 1e-6)
    assert certificate.proved_lower_bound <= whole.certificate.objective * (1 + 1e-6)
    independent = 0.03 * result.network.penalty() + TrainingProblem(
        chunks.X, y, 0.03, loss=loss
    ).data_fit(result.network.predict(chunks.X))
    assert certificate.objective == pytest.approx(independent, rel=1e-10)


@pytest.mark.parametrize("loss", TARGETS)
def test_training_on_a_device(loss, device):
    problem = ChunkedProblem(X, TARGETS[loss], 0.03, loss=loss)
    result = train_in_chunks(problem, tol=3e-2, random_state=0, device=device)
    certificate = result.certificate
    assert certificate.relative_gap <= 3e-2
    independent = TrainingProblem(X, TARGETS[loss], 0.03, loss=loss).objective(result.network)
    assert certificate.objective == pytest.approx(independent, rel=1e-12)
    if loss == "squared_error":
        here = train_in_chunks(problem, tol=3e-2, random_state=0).certificate
        assert certificate.objective == pytest.approx(here.objective, rel=3e-2)
        assert certificate.proved_lower_bound <= here.objective


def test_inputs_that_do_not_fit_are_sent_again(monkeypatch, device):
    problem = ChunkedProblem(X, NOISY, 0.05)
    options = {"max_iter": 1, "random_state": 0, "device": device}
    kept = train_in_chunks(problem, **options).certificate
    monkeypatch.setattr("convexrelu.chunked.device_rows.free_memory", lambda device: 1.0)
    sent = train_in_chunks(problem, **options).certificate
    assert sent.objective == pytest.approx(kept.objective, rel=1e-4)


@pytest.mark.parametrize("activation", ["leaky_relu", "absolute_value"])
def test_other_activations(activation):
    options = {"activation": activation, "hidden_bias": False, "fit_intercept": False}
    result = train_in_chunks(ChunkedProblem(X, NOISY, 0.02, **options), random_state=0)
    whole = train(
        TrainingProblem(X, NOISY, 0.02, **options), tol=1e-2, oracle="quick", random_state=0
    )
    assert result.certificate.relative_gap <= 1e-2
    assert result.certificate.objective == pytest.approx(whole.certificate.objective, rel=2e-2)


@pytest.mark.parametrize("ends", [[300], [17, 420]])
def test_shards_give_the_same_network(ends):
    ends = [0, *ends, N]

    def trained(group):
        own = slice(ends[group.rank], ends[group.rank + 1])
        problem = ChunkedProblem(X[own], NOISY[own], 0.02)
        return train_in_chunks(problem, group=group, random_state=0, tol=0.03)

    alone = train_in_chunks(ChunkedProblem(X, NOISY, 0.02), random_state=0, tol=0.03)
    for result in together(len(ends) - 1, trained):
        assert np.array_equal(result.network.hidden_weights, alone.network.hidden_weights)
        assert result.certificate == alone.certificate
        assert result.status is alone.status


def test_a_memory_mapped_array_gives_what_the_array_gives(tmp_path):
    single = X.astype(np.float32)
    np.save(tmp_path / "X.npy", single)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    found = [
        train_in_chunks(ChunkedProblem(rows, NOISY, 0.05), random_state=0, tol=0.05)
        for rows in (single, mapped)
    ]
    assert found[0].certificate == found[1].certificate


def test_a_failing_process_ends_all():
    bad = X.copy()
    bad[450, 1] = np.nan

    def trained(group):
        own = slice(300 * group.rank, 300 * (group.rank + 1))
        return train_in_chunks(ChunkedProblem(bad[own], NOISY[own], 0.02), group=group)

    first, second = together(2, trained)
    assert isinstance(second, ValueError)
    assert "X contains NaN" in str(second)
    assert isinstance(first, GroupError)
    assert "process 1: ValueError: X contains NaN" in str(first)


def test_a_constant_is_found_at_a_large_penalty():
    result = train_in_chunks(ChunkedProblem(X, NOISY, 1e3), random_state=0)
    assert result.network.width == 0
    assert result.certificate.is_proof
    assert result.certificate.relative_gap <= 1e-2


def test_without_time_for_descent_there_is_a_constant(clock, monkeypatch):
    monkeypatch.setattr("convexrelu.chunked.train.descents", None)
    result = train_in_chunks(ChunkedProblem(X, NOISY, 1e-3), random_state=0, time_limit=0.0)
    assert result.status is Status.TIME_LIMIT and result.network.width == 0
    assert 0 <= result.certificate.lower_bound <= result.certificate.objective


def test_time_limits_end_training(clock):
    clock.step = 0.01
    result = train_in_chunks(ChunkedProblem(X, NOISY, 1e-3), random_state=0, time_limit=0.5, tol=0)
    assert result.status is Status.TIME_LIMIT
    assert result.certificate.lower_bound <= result.certificate.objective


def test_searches_end_in_time_and_then_claim_nothing(monkeypatch):
    ends = []

    def on_a_sample(search, v, end):
        ends.append(end)
        return np.eye(4), 1, False

    monkeypatch.setattr("convexrelu.chunked.pricing.Search._on_a_sample", on_a_sample)
    problem = ChunkedProblem(X, NOISY, 0.02)
    result = train_in_chunks(problem, random_state=0, time_limit=1e6, max_iter=1)
    assert set(ends) == {1e6}
    assert result.certificate.is_proof
    assert result.certificate.lower_bound == result.certificate.proved_lower_bound


def test_an_interruption_of_the_first_certificate_keeps_the_network(monkeypatch):
    calls = []

    def interrupted_once(rows, v, end):
        calls.append(end)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return bound(rows, v, end)

    module = sys.modules["convexrelu.chunked.train"]
    bound = module.closed_form_bound
    monkeypatch.setattr(module, "closed_form_bound", interrupted_once)
    result = train_in_chunks(ChunkedProblem(X, NOISY, 0.02), random_state=0)
    assert result.status is Status.INTERRUPTED
    assert result.network.width > 0


def test_progress_sees_networks():
    seen = []
    problem = ChunkedProblem(X, NOISY, 0.02)
    result = train_in_chunks(problem, random_state=0, tol=0.05, progress=seen.append)
    assert [entry.objective for entry in seen] == [entry.objective for entry in result.history]
    assert all(entry.network is not None for entry in seen)
    objectives = np.array([entry.objective for entry in seen])
    # Equal neurons are joined at the end, at a cost of at most a thousandth of the tolerance.
    assert (np.diff(objectives) <= 1e-3 * 0.05 * objectives[:-1]).all()


def test_more_features_than_rows_in_a_chunk():
    wide = RANDOM.standard_normal((520, 120))  # the last chunk has eight rows
    y = np.abs(wide[:, 0])
    result = train_in_chunks(ChunkedProblem(wide, y, 0.1), random_state=0, tol=0.05)
    problem = TrainingProblem(wide, y, 0.1)
    assert result.certificate.objective == pytest.approx(
        problem.objective(result.network), rel=1e-10
    )
    assert result.certificate.relative_gap <= 0.05


@pytest.mark.parametrize("n_samples", [1, 300])
def test_constant_targets(n_samples):
    result = train_in_chunks(ChunkedProblem(X[:n_samples], np.full(n_samples, 3.0), 0.01))
    assert result.network.width == 0
    assert result.network.predict(X[:1])[0] == pytest.approx(3.0)
    assert result.status is Status.CONVERGED


def test_estimates_claim_no_more_than_searches_support():
    result = train_in_chunks(ChunkedProblem(X, NOISY, 0.02), random_state=0, tol=0.05)
    assert not result.certificate.is_proof
    assert result.certificate.relative_gap >= 0.2 * 0.05 * (1 - 1e-9)


def test_nearly_equal_neurons_are_joined():
    result = train_in_chunks(ChunkedProblem(X, SIGNAL, 0.1), random_state=0)
    hidden = result.network.augmented_weights()
    unit = hidden / np.linalg.norm(hidden, axis=1)[:, None]
    signs = np.sign(result.network.output_weights[0])
    cosines = np.where(np.equal.outer(signs, signs), unit @ unit.T, 0.0)
    assert np.triu(cosines, 1).max() < 0.9999


WIDE = TwoLayerNetwork(np.ones((1, 2)), [0.0], [[1.0]], [0.0])
SEVERAL = TwoLayerNetwork(np.ones((1, 3)), [0.0], np.ones((2, 1)), [0.0, 0.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tol": -1.0}, "tol=-1.0"),
        ({"tol": "small"}, "tol='small'"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"time_limit": np.nan}, "time_limit=nan"),
        ({"device": "abacus"}, "device='abacus' is not available"),
        ({"start": "descent"}, "start='descent' is not a TwoLayerNetwork or None"),
        ({"start": WIDE}, "start takes 2 features, expected 3"),
        ({"start": SEVERAL}, "start has 2 outputs, expected 1"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        train_in_chunks(ChunkedProblem(X, NOISY, 0.1), **options)


def test_other_problems_are_refused():
    with pytest.raises(ValueError, match="problem is a TrainingProblem, expected a ChunkedProblem"):
        train_in_chunks(TrainingProblem(X, NOISY, 0.1))


def test_the_first_descent_leaves_time_for_a_search(monkeypatch):
    """With images of ten classes it took nearly all of the time, and there was a closed-form bound alone."""
    ends = []

    def without_work(problem, random, deadline, device):
        ends.append(deadline - time.perf_counter())
        yield problem.zero_network()

    def kept(objective, network, deadline, **options):
        ends.append(deadline)
        return network

    monkeypatch.setattr(module, "descents", without_work)
    monkeypatch.setattr(module, "continued", kept)
    train_in_chunks(ChunkedProblem(X, NOISY, 0.03), time_limit=100.0, max_iter=1, random_state=0)
    assert len(ends) >= 2 and max(ends[:2]) <= 50.0  # rounds take what is left
