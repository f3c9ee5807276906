"""Plots of linear regions, and of those near the samples in training."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from convexrelu import TwoLayerNetwork
from convexrelu.displays import RegionHistoryDisplay, RegionsDisplay
from convexrelu.regions import count_regions_in_box, region_history

RNG = np.random.default_rng(0)
NETWORK = TwoLayerNetwork(
    RNG.standard_normal((6, 2)), RNG.standard_normal(6), RNG.standard_normal((1, 6)), [0.0]
)
X = RNG.uniform(-1, 1, (7, 2))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_every_region_is_a_polygon_with_the_length_of_its_gradient():
    display = RegionsDisplay.from_network(NETWORK, [-2, -1], [2, 1], X=X, center=[0, 0], radius=0.5)
    polygons = display.ax_.collections[0]
    assert len(polygons.get_paths()) == count_regions_in_box(NETWORK, [-2, -1], [2, 1])
    middles = np.array([polygon.mean(axis=0) for polygon in display.pieces.polygons])
    step = 1e-6
    slopes = [
        (NETWORK.predict(middles + step * u) - NETWORK.predict(middles)) / step for u in np.eye(2)
    ]
    np.testing.assert_allclose(polygons.get_array(), np.hypot(*slopes), atol=1e-6)
    assert display.ax_.get_xlim() == (-2.0, 2.0) and display.ax_.get_ylim() == (-1.0, 1.0)
    (ball,) = display.ax_.patches
    assert (ball.center, ball.radius) == ((0.0, 0.0), 0.5)
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["data", "ball"]


def test_regions_on_given_axes_without_data():
    _, ax = plt.subplots()
    display = RegionsDisplay.from_network(NETWORK, [-1, -1], [1, 1], ax=ax, cmap="magma")
    assert display.ax_ is ax and ax.get_legend() is None


def test_history_shows_quartiles():
    other = TwoLayerNetwork(
        NETWORK.hidden_weights, NETWORK.hidden_bias + 3, NETWORK.output_weights, [0.0]
    )
    history = region_history([NETWORK, other], X, 0.4, steps=[0, 7])
    display = RegionHistoryDisplay.from_history(history)
    for ax, values in zip(display.axes_, (history.distances, history.counts), strict=True):
        line = ax.get_lines()[0]
        assert line.get_xdata().tolist() == [0.0, 7.0]
        np.testing.assert_array_equal(line.get_ydata(), np.median(values, axis=1))  # 7 samples
    assert display.axes_[1].get_ylabel() == "regions within 0.4"
    with pytest.raises(ValueError, match="axes has 1 entries, expected 2"):
        display.plot(axes=plt.subplots()[1])


def test_wrong_arguments_are_named():
    line = TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0])
    with pytest.raises(ValueError, match="network takes 1 features, expected 2"):
        RegionsDisplay.from_network(line, [-1], [1])
    with pytest.raises(ValueError, match="center and radius are given together"):
        RegionsDisplay.from_network(NETWORK, [-1, -1], [1, 1], radius=1.0)
    with pytest.raises(ValueError, match="history is a list"):
        RegionHistoryDisplay.from_history([])
