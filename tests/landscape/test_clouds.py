"""Widths of clouds and valleys, and saturation, where they are known."""

import numpy as np
import pytest

from convexrelu.landscape import (
    LossLandscape,
    Walks,
    cloud_widths,
    range_saturation,
    saturation,
    valley_widths,
)


def walks_of(losses, norms):
    losses, norms = np.atleast_2d(losses), np.atleast_2d(norms)
    kept = np.arange(losses.shape[1])
    return Walks("random", 0.01, (-1.0, 1.0), losses, norms, np.zeros((*losses.shape, 1)), kept)


def test_widths_are_quantiles_at_each_level():
    low, high = np.linspace(1.0, 1.9, 100), np.linspace(2.0, 2.9, 100)
    norms = np.tile([1e-2, 1.0], 50), np.tile([10.0, 1000.0], 50)
    walks = walks_of([low, high], norms)
    widths = cloud_widths(walks, 2, coverage=1.0)
    assert widths.edges.tolist() == [1.0, 2.0, 2.9]
    np.testing.assert_allclose(widths.low, [1e-2, 10.0])
    np.testing.assert_allclose(widths.high, [1.0, 1000.0])
    np.testing.assert_allclose(widths.decades, [2.0, 2.0])


def test_at_the_same_loss_a_steep_valley_is_narrower():
    """For ``L = c + ½kx²``, the width ``(L − c)/|L'|`` is ``|x|/2 = √((L − c)/2k)``."""
    above = np.linspace(0.01, 1.0, 50)
    for k in (1.0, 100.0):
        x = np.sqrt(2 * above / k)
        widths = valley_widths(walks_of(3.0 + above, k * x), 3.0, 5, coverage=1.0)
        levels = np.sqrt(above / (2 * k)).reshape(5, 10)
        np.testing.assert_allclose(widths.low, levels[:, 0], rtol=1e-9)
        np.testing.assert_allclose(widths.median, np.median(levels, axis=1), rtol=1e-9)
        np.testing.assert_allclose(widths.high, levels[:, -1], rtol=1e-9)


def test_points_without_gradient_have_no_valley():
    walks = walks_of([1.0, 2.0, 3.0], [0.0, 1.0, 1.0])
    assert valley_widths(walks, 0.0, 1).median == pytest.approx([2.5])


def test_errors_name_the_argument():
    walks = walks_of([1.0, 2.0], [1.0, 1.0])
    with pytest.raises(ValueError, match=r"floor=1.5 is above a loss of the walks, 1"):
        valley_widths(walks, 1.5)
    with pytest.raises(ValueError, match="n_levels=3 is not between 1 and 2"):
        cloud_widths(walks, 3)
    with pytest.raises(ValueError, match="coverage=0 is not"):
        cloud_widths(walks, 1, coverage=0)
    with pytest.raises(ValueError, match="activation='relu' has no finite range"):
        range_saturation(LossLandscape([[1.0]], [1.0], 1), np.zeros(4))


def test_saturation_counts_samples_without_slope():
    X, y = np.array([[-2.0], [-1.0], [1.0], [2.0]]), np.zeros(4)
    relu = LossLandscape(X, y, 2)
    points = relu.point([[1.0, 0.0], [0.0, -1.0]], [1.0, 1.0])
    np.testing.assert_allclose(saturation(relu, np.array([points, points])), [[0.5, 1.0]] * 2)
    leaky = LossLandscape(X, y, 2, activation="leaky_relu", negative_slope=0.1)
    np.testing.assert_allclose(saturation(leaky, points), 0.0)
    np.testing.assert_allclose(saturation(leaky, points, tol=0.2), [0.5, 1.0])
    weighted = LossLandscape(X, y, 2, sample_weight=[3.0, 0.0, 1.0, 0.0])
    np.testing.assert_allclose(saturation(weighted, points), [0.75, 1.0])


@pytest.mark.parametrize(
    ("activation", "half"), [("sigmoid", np.log(3.0)), ("tanh", np.arctanh(0.5))]
)
def test_smooth_units_saturate_in_their_tails(activation, half):
    """At `half`, the output is half of the way from the middle to the end of the range."""
    landscape = LossLandscape([[-1.0], [1.0]], [0.0, 0.0], 1, activation=activation)
    flat, steep = ([[size, 0.0]] for size in (50.0, half))
    assert saturation(landscape, landscape.point(flat, [1.0])) == pytest.approx([1.0])
    assert saturation(landscape, landscape.point(steep, [1.0])) == pytest.approx([0.0])
    assert range_saturation(landscape, landscape.point(flat, [1.0])) == pytest.approx([1.0])
    assert range_saturation(landscape, landscape.point(steep, [1.0])) == pytest.approx([0.5])
