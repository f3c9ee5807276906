"""Classes of curvature follow from eigenvalues and the tolerance."""

import numpy as np
import pytest

from convexrelu.landscape import Curvature, LossLandscape, curvature, hessian_null_space


def test_classes_and_shares():
    eigenvalues = np.array(
        [[1.0, 2.0], [-1.0, 2.0], [-2.0, -1.0], [0.0, 1.0], [-1e-9, 1.0], [0.0, 0.0]]
    )
    seen = Curvature(eigenvalues, 1e-6, 1e-12)
    assert seen.classes.tolist() == ["convex", "saddle", "concave", *["singular"] * 3]
    assert seen.ranks.tolist() == [2, 2, 2, 1, 1, 0]
    assert seen.shares()["singular"] == 0.5
    strict = Curvature(eigenvalues, 1e-12, 1e-12)
    assert strict.classes[4] == "saddle"  # the class depends on the tolerance


def test_curvature_is_that_of_the_hessians():
    landscape = LossLandscape([[-1.0], [2.0]], [0.0, 1.0], 2, activation="tanh")
    points = np.random.RandomState(0).normal(size=(2, 3, landscape.size))
    seen = curvature(landscape, points)
    assert seen.eigenvalues.shape == points.shape
    np.testing.assert_allclose(
        seen.eigenvalues.sum(axis=-1), np.trace(landscape.hessians(points), axis1=2, axis2=3)
    )


def test_a_dead_unit_makes_a_point_singular():
    landscape = LossLandscape([[1.0], [2.0], [3.0]], [1.0, -1.0, 1.0], 2)
    point = landscape.point([[1.0, -1.5], [-1.0, 0.0]], [1.0, 1.0])
    assert curvature(landscape, point).classes == "singular"
    null = hessian_null_space(landscape, point)
    dead = [2, 3, 5]  # weight, bias and outer weight of the second unit
    inside = np.linalg.norm(null[dead], axis=1)
    np.testing.assert_allclose(inside, 1.0, rtol=1e-12)


def test_weight_decay_alone_is_convex():
    landscape = LossLandscape([[1.0]], [0.0], 1, alpha=1.0, fit_intercept=False)
    seen = curvature(landscape, landscape.point([[-1.0, 0.0]], [0.0]))
    assert seen.classes == "convex"
    assert seen.eigenvalues == pytest.approx([1.0, 1.0, 1.0])


def test_no_points():
    landscape = LossLandscape([[1.0]], [0.0], 1)
    assert curvature(landscape, np.empty((0, 4))).eigenvalues.shape == (0, 4)


@pytest.mark.parametrize("output", ["linear", "sigmoid"])
def test_rectifiers_on_few_samples_are_singular_everywhere(output):
    """The rank is at most ``n + 2m``, also with a scalar output activation: here 2 + 4 of 9."""
    landscape = LossLandscape(
        [[-1.0, 0.5], [2.0, 1.0]], [0.0, 1.0], 2, output=output, loss="mean_squared_error"
    )
    points = np.random.RandomState(0).normal(size=(30, landscape.size))
    # Rounding leaves eigenvalues of about 1e-16 of the largest.
    seen = curvature(landscape, points, rtol=1e-12)
    assert seen.ranks.max() <= 6
    assert set(seen.classes) == {"singular"}
    tanh = LossLandscape([[-1.0, 0.5], [2.0, 1.0]], [0.0, 1.0], 2, activation="tanh")
    assert curvature(tanh, points, rtol=1e-12).ranks.max() > 6
