"""Rounds that show networks on the way of the first descent."""

from functools import partial

import pytest

from convexrelu import Status, TrainingProblem, train
from convexrelu.constrained import train_in_class
from convexrelu.training import cutting_plane
from tests import reference
from tests.honest import assert_certifies

PROBLEM = TrainingProblem(*reference.teacher(200, 2, 2, 0.1, 0), 0.1)


def test_networks_on_the_way_of_descent_are_rounds_without_blocks(monkeypatch):
    """Their bounds are proofs that do not fall, and whether a gap will close is judged without them."""
    judged = []

    def no_verdict(rounds, *options):
        judged.append(rounds[0].n_blocks)
        return False

    monkeypatch.setattr(cutting_plane, "will_not_close", no_verdict)
    options = {"oracle": "search", "solver": "network", "max_iter": 1, "tol": 1e-9}
    result = train(PROBLEM, random_state=0, **options)
    n_sketches = sum(entry.n_blocks == 0 for entry in result.history)
    shown, rest = result.history[:n_sketches], result.history[n_sketches:]
    assert n_sketches > 4 and all(entry.n_blocks > 0 for entry in rest)
    assert judged and min(judged) > 0
    objectives = [entry.objective for entry in result.history]
    assert objectives == sorted(objectives, reverse=True)
    bounds = [entry.lower_bound for entry in shown]
    assert bounds == sorted(bounds) and bounds[-1] <= result.certificate.objective
    assert all(entry.is_proof for entry in shown)


def test_training_may_end_with_a_network_on_the_way_of_descent():
    seen = []

    def stop(entry):
        seen.append(entry)
        return len(seen) == 2

    result = train(PROBLEM, random_state=0, progress=stop)
    assert result.status is Status.STOPPED
    assert [entry.n_blocks for entry in seen[:2]] == [0, 0] and result.history == seen
    assert result.certificate.objective <= seen[1].objective * (1 + 1e-12)
    assert_certifies(result.certificate, result.network, PROBLEM.X, PROBLEM.y, PROBLEM.alpha)


def interrupt(entry):
    raise KeyboardInterrupt


@pytest.mark.parametrize("of_class", [False, True])
def test_an_interruption_on_the_way_keeps_the_network_of_the_last_step(of_class):
    trained = partial(train_in_class, monotonic_cst=[1, 0]) if of_class else train
    result = trained(PROBLEM, random_state=0, progress=interrupt)
    assert result.status is Status.INTERRUPTED
    assert [entry.n_blocks > 0 for entry in result.history] == [False, True]
    assert result.history[1].objective <= result.history[0].objective
    assert result.certificate.objective == PROBLEM.objective(result.network)


def test_what_progress_raises_is_not_lost_in_descent():
    with pytest.raises(RuntimeError, match="progress raised a StopIteration"):
        train(PROBLEM, random_state=0, progress=lambda entry: next(iter([])))
