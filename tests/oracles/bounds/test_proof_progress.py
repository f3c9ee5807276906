"""What a long proof says of how far it is."""

import logging
import math

import numpy as np
import pytest

from convexrelu import TrainingProblem, train
from convexrelu.oracles import BranchAndBoundOracle, ProofProgress, SearchOracle
from convexrelu.oracles.bounds.boxes import Boxes
from convexrelu.oracles.bounds.proof_progress import ProofWatch, proofs_shown
from convexrelu.oracles.bounds.tree import Tree
from convexrelu.results import ProgressPrinter


class Growth:
    """Boxes of one sign, whose numbers a test sets."""

    bound, seconds_of_dives = 2.0, 0.0

    def __init__(self):
        self.n_boxes, self.open_share, self.n_dives, self.left = 0, 1.0, 0, 900.0

    def predicted_boxes(self):
        self.n_dives += 1
        return self.left


def watched(trees, deadline=math.inf):
    shown = []
    with proofs_shown(shown.append):
        return ProofWatch(trees, deadline), shown


def test_says_what_is_closed_and_what_is_left(clock):
    up, down = Growth(), Growth()
    watch, shown = watched([up, down])
    up.n_boxes, up.open_share, down.n_boxes = 100, 0.5, 20
    clock.now += 6
    watch.look(1.5)
    assert shown == [ProofProgress(6.0, 0.25, 120, 1800.0, 2.0, 1.5)]
    assert shown[0].seconds_left == pytest.approx(1800 * 6 / 120)


def test_speaks_every_five_seconds(clock):
    watch, shown = watched([Growth()])
    for _ in range(60):
        clock.now += 0.5
        watch.look(1.0)
    assert [entry.seconds for entry in shown] == [5.0, 10.0, 15.0, 20.0, 25.0, 30.0]


@pytest.mark.parametrize("deadline", [math.inf, 250.0])
def test_dives_take_little_of_the_time(clock, deadline):
    tree = Growth()
    tree.seconds_of_dives = 1.0
    watch, shown = watched([tree], deadline)
    for _ in range(150):
        clock.now += 1
        watch.look(1.0)
        tree.n_boxes += 1
    assert tree.n_dives == 7 - (deadline < math.inf)  # every 20 seconds, and not in the last 20
    assert math.isnan(shown[0].n_left)  # too early for them
    # In between, what was examined is taken from the last prediction.
    known = [entry for entry in shown if not math.isnan(entry.n_left)]
    assert known[1].n_left == known[0].n_left - (known[1].n_boxes - known[0].n_boxes)


def test_says_nothing_of_the_rest_where_more_was_examined_than_predicted(clock):
    tree = Growth()
    tree.left = 0.0
    watch, shown = watched([tree])
    clock.now += 5
    watch.look(1.0)
    assert math.isnan(shown[0].n_left) and "left" not in str(shown[0])


def test_the_share_of_a_proof_grows_to_all(clock):
    rng = np.random.default_rng(0)
    design, v = rng.standard_normal((30, 5)), rng.standard_normal(30)
    clock.charge(Tree, "grow", 5.0)
    search = SearchOracle(design, n_starts=16, n_polish=8, random_state=0)
    oracle = BranchAndBoundOracle(design, search=search)
    work, shown = oracle(v).work, []
    with proofs_shown(shown.append):
        assert oracle(v).work == work
    shares, bounds = [entry.closed for entry in shown], [entry.bound for entry in shown]
    assert shares[0] > 0 and shares == sorted(shares) and shares[-1] == 1
    assert bounds == sorted(bounds, reverse=True) and bounds[-1] <= shown[-1].target * (1 + 1e-9)
    assert len(shown) > 1 and shown[0].n_left > 0


def test_boxes_cover_their_share_of_the_cube():
    boxes = Boxes.of_cube(4, 1.0)
    assert boxes.share_of_cube == pytest.approx(1)
    halves = boxes.select(slice(2)).halved(np.array([1, 2]))
    assert halves.share_of_cube == pytest.approx(2 / 8)
    assert halves.select(slice(1)).share_of_cube == pytest.approx(1 / 16)
    assert boxes.select(slice(0)).share_of_cube == 0


def problem():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((20, 3))
    return TrainingProblem(X, np.abs(X[:, 0]) + X[:, 1] * X[:, 2], alpha=0.05)


def test_training_tells_the_printer(clock, capsys):
    clock.charge(Tree, "grow", 6.0)
    train(problem(), effort="prove", tol=0.05, random_state=0, progress=ProgressPrinter())
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("proof: ")]
    assert lines and "of all directions closed" in lines[0]


def test_without_a_printer_the_log_has_it_for_those_who_look(clock, caplog, capsys):
    clock.charge(Tree, "grow", 6.0)
    with caplog.at_level(logging.DEBUG, "convexrelu"):
        train(problem(), effort="prove", tol=0.05, random_state=0)
    assert any(record.message.startswith("proof: ") for record in caplog.records)
    assert capsys.readouterr().out == ""
    caplog.clear()
    train(problem(), effort="prove", tol=0.05, random_state=0, progress=lambda entry: None)
    assert not caplog.records and capsys.readouterr().out == ""
