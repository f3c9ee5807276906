"""Heights between minima whose passes are known."""

import numpy as np
import pytest

from convexrelu.landscape import LossLandscape, aligned, minimax_heights, path_heights

X = np.array([[-1.0], [0.5], [1.0]])


def double_well(targets, activation="tanh"):
    """One unit without biases: the loss of ``a φ(wx)``."""
    return LossLandscape(
        X, targets, 1, activation=activation, hidden_bias=False, fit_intercept=False
    )


def test_the_pass_between_mirror_images_is_the_zero_function():
    """From (w, a) to (−w, −a), w or a passes zero, where the loss is ½ mean y²; no path is lower, and one is there."""
    targets = 2 * np.tanh(1.5 * X[:, 0])
    landscape = double_well(targets)
    minima = np.array([[1.5, 2.0], [-1.5, -2.0]])
    top = 0.5 * np.mean(targets**2)
    seen = []
    found = path_heights(landscape, minima, align=False, progress=lambda t, h: seen.append(t))
    assert found.heights[0, 1] == pytest.approx(top, rel=1e-3)
    assert found.heights[0, 1] >= top * (1 - 1e-6)
    np.testing.assert_allclose(np.diag(found.heights), 0.0, atol=1e-30)
    assert seen == list(range(20, 301, 20))
    path = found.paths[0, 1]
    np.testing.assert_array_equal(path[[0, -1]], minima)
    # The symmetry makes one point of both.
    assert path_heights(landscape, minima, n_iter=1).heights[0, 1] < 1e-25


def test_a_bent_valley_is_followed_where_the_straight_line_is_high():
    """The minima of ``a w = 1`` for a ReLU unit are a hyperbola: a path along it has no height."""
    landscape = double_well(np.maximum(X[:, 0], 0.0), "relu")
    minima = np.array([[4.0, 0.25], [0.25, 4.0]])
    found = path_heights(landscape, minima, n_pivots=15, step=0.01)
    assert found.straight[0, 1] > 1.0
    assert found.heights[0, 1] < 0.05 * found.straight[0, 1]


def test_heights_are_symmetric_and_no_lower_than_minima_nor_higher_than_lines():
    rng = np.random.RandomState(0)
    landscape = LossLandscape(X, rng.normal(size=3), 2, activation="relu", alpha=0.1)
    points = rng.normal(size=(4, landscape.size))
    found = path_heights(landscape, points, n_pivots=4, n_iter=20)
    np.testing.assert_array_equal(found.heights, found.heights.T)
    losses = landscape.losses(points)
    assert (found.heights >= np.maximum(losses[:, None], losses)).all()
    assert (found.heights <= found.straight).all()
    assert set(found.paths) == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)}
    for (i, j), path in found.paths.items():
        along = landscape.losses(np.concatenate([path, (path[1:] + path[:-1]) / 2]))
        assert along.max() <= found.heights[i, j] * (1 + 1e-12)


def test_tops_between_pivots_are_found():
    """A ReLU unit from (1, 1) to (−1, 1) passes w = 0, a kink, where the loss of y = 1 is ½."""
    landscape = LossLandscape(
        [[-1.0], [1.0]], [1.0, 1.0], 1, hidden_bias=False, fit_intercept=False
    )
    found = path_heights(landscape, [[1.0, 1.0], [-1.0, 1.0]], n_pivots=4, n_iter=1)
    assert found.straight[0, 1] == pytest.approx(0.5, abs=1e-4)


def test_minimax_heights_go_through_third_minima():
    rng = np.random.RandomState(0)
    heights = rng.uniform(1, 2, size=(6, 6))
    heights = (heights + heights.T) / 2
    lowest = minimax_heights(heights)
    # Two minima are connected below a level in one matrix if and only if they are in the other.
    for level in np.unique(heights):
        graph = np.linalg.matrix_power((heights <= level) | np.eye(6, dtype=bool), 6) > 0
        np.testing.assert_array_equal(
            graph | np.eye(6, dtype=bool), (lowest <= level) | np.eye(6, dtype=bool)
        )


def test_aligned_units_are_the_same_network():
    rng = np.random.RandomState(0)
    landscape = LossLandscape(X, np.zeros((3, 2)), 4, activation="tanh")
    point = rng.normal(size=landscape.size)
    hidden, outer, intercept = landscape.parts(point)
    order, signs = [2, 0, 3, 1], np.array([1.0, -1.0, -1.0, 1.0])
    other = landscape.point(hidden[order] * signs[:, None], outer[:, order] * signs, intercept)
    np.testing.assert_allclose(aligned(landscape, point, other), point)
    relu = LossLandscape(X, np.zeros((3, 2)), 4)
    np.testing.assert_allclose(
        relu.outputs(aligned(relu, point, other)), relu.outputs(other), atol=1e-12
    )


def test_one_minimum_and_errors():
    landscape = double_well([0.0, 0.0, 0.0])
    assert path_heights(landscape, [[0.0, 0.0]]).heights.tolist() == [[0.0]]
    with pytest.raises(ValueError, match=r"minima has shape \(2,\), expected \(k, 2\)"):
        path_heights(landscape, [0.0, 0.0])
    with pytest.raises(ValueError, match="n_pivots=0 is not"):
        path_heights(landscape, [[0.0, 0.0]], n_pivots=0)
