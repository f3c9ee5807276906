"""Displays of what networks reach."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from convexrelu import TwoLayerNetwork
from convexrelu.displays import OutputBandsDisplay, ReachableSetDisplay

SUM = TwoLayerNetwork([[1.0, 1.0]], [0.0], [[2.0]], [0.0])


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_the_band_contains_the_output_at_every_input():
    display = OutputBandsDisplay.from_network(SUM, 0, [-1.0, -1.0], [1.0, 1.0], n_slabs=5)
    X = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    (band,) = display.ax_.collections
    path = band.get_paths()[0]
    points = np.column_stack([X[:, 0], SUM.predict(X)])
    assert path.contains_points(points, radius=1e-6).all()
    assert not path.contains_point((-0.9, 1.0))
    assert display.ax_.get_xlabel() == "feature 0" and display.figure_ is display.ax_.figure


def test_polygons_are_the_images_of_the_cells():
    fold = TwoLayerNetwork(np.eye(2), [0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]], [0.0, 0.0])
    _, ax = plt.subplots()
    display = ReachableSetDisplay.from_network(fold, ([-1.0, -1.0], [1.0, 1.0]), ax=ax)
    assert display.ax_ is ax and ax.get_title() == "reachable set, 4 pieces"
    largest = max(ax.patches, key=lambda patch: len(patch.get_xy()))
    corners = {tuple(np.round(corner, 9)) for corner in largest.get_xy()}
    assert corners == {(0.0, 0.0), (1.0, 0.0), (0.5, 1.0), (1.5, 1.0)}
    with pytest.raises(ValueError, match="pieces have 1 outputs, expected 2"):
        ReachableSetDisplay.from_network(SUM, ([-1.0, -1.0], [1.0, 1.0]))
