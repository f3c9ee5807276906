"""Walks keep to their rules; on XOR their mean losses are those of the literature."""

import numpy as np
import pytest

from convexrelu.landscape import MACRO, MICRO, LossLandscape, walk

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR = LossLandscape(
    X, [0.0, 1.0, 1.0, 0.0], 2, activation="sigmoid", output="sigmoid", loss="mean_squared_error"
)


@pytest.mark.parametrize(
    ("kind", "measured", "paper"),
    [("random", 0.454, 0.457), ("progressive", 0.451, 0.451), ("gradient", 0.108, 0.092)],
)
def test_mean_losses_of_walks_on_xor(kind, measured, paper):
    """Bosman, Engelbrecht & Helbig 2018, and a second implementation, both with micro steps.

    All figures are means over random walks. Ours has a standard error of ``std/√w``, over ``w`` walks that are
    independent; theirs is unknown, so it is taken to be the same, and the tolerance is four standard errors of the
    difference: 0.04 for random and gradient walks, 0.02 for progressive ones.
    """
    walks = walk(XOR, kind, n_walks=90, bounds=(-10, 10), keep_every=1000, random_state=0)
    means = walks.losses.mean(axis=1)
    tolerance = 4 * 2**0.5 * means.std() / len(means) ** 0.5
    assert tolerance < 0.045
    for figure in (measured, paper):
        assert means.mean() == pytest.approx(figure, abs=tolerance)


@pytest.mark.parametrize("kind", ["random", "progressive", "gradient"])
def test_steps_are_short_and_inside(kind):
    walks = walk(XOR, kind, n_walks=4, step=MACRO, bounds=(-2, 3), random_state=0)
    assert walks.points.shape == (4, 101, XOR.size)
    assert walks.points.min() >= -2 and walks.points.max() <= 3
    steps = np.abs(np.diff(walks.points, axis=1))
    assert 0.4 < steps.max() <= 0.5 + 1e-12  # a tenth of the range
    np.testing.assert_allclose(XOR.losses(walks.points), walks.losses, rtol=1e-12)
    _, gradients = XOR.gradients(walks.points)
    np.testing.assert_allclose(
        np.linalg.norm(gradients, axis=2), walks.gradient_norms, rtol=1e-9, atol=1e-15
    )


def test_progressive_walks_turn_only_at_a_bound():
    points = walk(XOR, "progressive", n_walks=3, step=MACRO, random_state=0).points
    steps = np.diff(points, axis=1)
    turns = np.sign(steps[:, 1:]) != np.sign(steps[:, :-1])
    assert turns.any()
    at = points[:, 1:-1][turns]
    assert (np.abs(at) >= 1 - 0.2).all()  # within a step of the bound


def test_progressive_walks_start_in_corners_and_lead_away():
    points = walk(XOR, "progressive", n_walks=50, n_steps=1, random_state=0).points
    assert (np.sign(points[:, 0]) != np.sign(points[:, 1] - points[:, 0])).all()


def test_gradient_walks_go_against_the_gradient():
    points = walk(XOR, "gradient", n_walks=3, n_steps=50, random_state=0).points
    _, gradients = XOR.gradients(points[:, :-1])
    steps = np.diff(points, axis=1)
    inside = np.abs(points[:, :-1]).max(axis=2) < 1 - 2 * MICRO
    assert inside.any()
    assert (steps * gradients <= 0).all(axis=2)[inside].all()


def test_a_coordinate_without_slope_stays():
    landscape = LossLandscape([[1.0]], [1.0], 1, hidden_bias=False, fit_intercept=False)
    points = walk(landscape, "gradient", n_walks=20, n_steps=5, random_state=0).points
    dead = points[:, 0, 0] < 0
    assert dead.any() and not dead.all()
    assert np.ptp(points[dead], axis=1).max() == 0
    assert (np.ptp(points[~dead], axis=1) > 0).all()


def test_seeds_thinning_and_progress():
    seen = []
    first = walk(XOR, n_walks=2, n_steps=10, random_state=3, progress=seen.append)
    second = walk(XOR, n_walks=2, n_steps=10, random_state=3, keep_every=4)
    np.testing.assert_array_equal(first.losses, second.losses)
    assert second.kept.tolist() == [0, 4, 8]
    np.testing.assert_array_equal(first.points[:, ::4], second.points)
    assert [(entry.step, entry.n_steps) for entry in seen] == [(t, 10) for t in range(1, 11)]
    np.testing.assert_array_equal(seen[-1].losses, first.losses[:, -1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "lazy"}, "kind='lazy' is not one of random"),
        ({"step": 0.0}, "step=0.0 is not a share"),
        ({"bounds": (1.0, 1.0)}, r"bounds=\(1.0, 1.0\) are not"),
        ({"n_walks": 0}, "n_walks=0 is not"),
        ({"n_steps": -1}, "n_steps=-1 is not"),
        ({"random_state": "x"}, "random_state='x' is not a seed"),
    ],
)
def test_errors_name_the_argument(change, message):
    with pytest.raises(ValueError, match=message):
        walk(XOR, **change)
