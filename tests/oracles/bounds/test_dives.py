"""Predictions of the work that branch and bound takes."""

import math

import numpy as np

from convexrelu.oracles import BranchAndBoundOracle
from convexrelu.oracles.bounds import growth
from convexrelu.oracles.bounds.boxes import Boxes
from convexrelu.oracles.bounds.corner_bound import CornerBound
from convexrelu.oracles.bounds.dives import predicted_boxes
from convexrelu.oracles.bounds.tree import Goal, Tree


def gaussian(n, rank, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, rank)), rng.standard_normal(n)


def test_predictions_are_right_on_average():
    rows, v = gaussian(40, 4)
    report = BranchAndBoundOracle(rows, random_state=0)(v)
    bound, cube = CornerBound(rows, report.signs[0] * v), Boxes.of_cube(4, math.inf)
    target = 1.001 * report.bound
    whole = bound.explore(cube, target, math.inf)
    assert len(whole.left.faces) == 0 and whole.n_boxes > 40
    predictions = [predicted_boxes(bound, cube, target, seed) for seed in range(12)]
    error = np.std(predictions) / 12**0.5
    assert abs(np.mean(predictions) - whole.n_boxes) < 0.05 * whole.n_boxes + 5 * error


def test_nothing_is_left_without_boxes():
    rows, v = gaussian(10, 3)
    none = Boxes.of_cube(3, math.inf).select(np.zeros(6, dtype=bool))
    assert predicted_boxes(CornerBound(rows, v), none, 1.0) == 0.0


def test_predictions_that_end_late_promise_nothing(clock):
    rows, v = gaussian(40, 4)
    bound, cube = CornerBound(rows, v), Boxes.of_cube(4, math.inf)
    assert predicted_boxes(bound, cube, 1.0, deadline=clock.now + 1.0) < math.inf
    assert predicted_boxes(bound, cube, 1.0, deadline=clock.now - 1.0) == math.inf


def test_boxes_that_take_longer_than_there_is_time_are_not_examined(monkeypatch, clock):
    rows, v = gaussian(40, 4)
    bound, cube = CornerBound(rows, v), Boxes.of_cube(4, math.inf)
    monkeypatch.setattr(CornerBound, "examine", None)  # would raise
    bound.work_of_one = 1e9  # a minute for all dives
    assert predicted_boxes(bound, cube, 1.0, deadline=clock.now + 20.0) == math.inf


def test_predictions_end_where_they_exceed_what_matters():
    """Below that number they are the same, and above it infinite."""
    rows, v = gaussian(40, 4)
    report = BranchAndBoundOracle(rows, random_state=0)(v)
    bound, cube = CornerBound(rows, report.signs[0] * v), Boxes.of_cube(4, math.inf)
    target = 1.001 * report.bound
    whole = predicted_boxes(bound, cube, target)
    assert predicted_boxes(bound, cube, target, most=whole) == whole
    assert predicted_boxes(bound, cube, target, most=0.5 * whole) == math.inf


def test_hopeless_proofs_are_given_up_later_where_dives_were_wrong_at_first(monkeypatch):
    """That is, about as soon as a second look says so."""
    rows, v = gaussian(60, 12)
    max_work, looks = 1e8, []
    rightly = Tree.predicted_boxes

    def too_low_at_first(tree, *limits):
        looks.append(tree)
        return 0.0 if len(looks) <= 2 else rightly(tree, *limits)

    monkeypatch.setattr(Tree, "predicted_boxes", too_low_at_first)
    monkeypatch.setattr(growth, "_TURNS_ALONE", 0)  # which are all of so little work
    goal = Goal(0.0, 1e-4, 0.1, math.inf)
    trees = [Tree(goal, sign, sign * v, rows, math.inf) for sign in (1.0, -1.0)]
    growth.grow_all(trees, goal, max_work, math.inf)
    assert len(looks) > 2
    assert sum(tree.work + tree.work_of_rules for tree in trees) < 0.7 * max_work


def test_hopeless_proofs_are_given_up_early():
    rows, v = gaussian(60, 12)
    max_work = 1e8
    report = BranchAndBoundOracle(rows, max_work=max_work, random_state=0)(v)
    assert report.is_proof and report.bound > 1.01 * report.values[0]
    assert report.work < 0.7 * max_work
