"""The plot of the width of predictions."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from convexrelu.displays import OptimalSetDisplay

LOW, HIGH, PREDICTION = [0.0, -1.0, 2.0], [0.5, 1.0, 2.0], [0.25, -0.5, 2.0]
X = np.array([[3.0, 0.0], [1.0, 5.0], [2.0, 1.0]])


class Band:
    """Two networks, ``|x|`` and its half, in one feature or in the first of several."""

    def prediction_range(self, X):
        size = np.abs(X[:, 0])
        return size / 2, size


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_edges_of_the_band_are_the_range():
    display = OptimalSetDisplay(LOW, HIGH, PREDICTION, x=[3.0, 1.0, 2.0]).plot()
    assert display.order.tolist() == [1, 2, 0]
    (band,) = display.ax_.collections
    corners = band.get_paths()[0].vertices
    for x, low, high in zip([3.0, 1.0, 2.0], LOW, HIGH, strict=True):
        at = corners[corners[:, 0] == x, 1]
        assert (at.min(), at.max()) == (low, high)
    (line,) = display.ax_.get_lines()
    np.testing.assert_array_equal(line.get_data(), [[1.0, 2.0, 3.0], [-0.5, 2.0, 0.25]])


@pytest.mark.parametrize(
    ("prediction", "order"),
    [(PREDICTION, [1, 0, 2]), (None, [1, 0, 2]), ([3.0, 2.0, 1.0], [2, 1, 0])],
)
def test_samples_are_sorted_and_have_an_interval_each(prediction, order):
    display = OptimalSetDisplay(LOW, HIGH, prediction, y=[1.0, 2.0, 3.0]).plot()
    assert display.order.tolist() == order
    intervals, data = display.ax_.collections
    for place, (i, segment) in enumerate(zip(order, intervals.get_segments(), strict=True)):
        np.testing.assert_array_equal(segment, [[place, LOW[i]], [place, HIGH[i]]])
    offsets = data.get_offsets()
    np.testing.assert_array_equal(offsets, [[k, i + 1.0] for k, i in enumerate(order)])
    assert display.ax_.get_xlabel() == "samples, sorted by prediction"
    assert len(display.ax_.get_lines()) == (prediction is not None)


def test_one_feature_of_a_polytope_is_a_band():
    x = np.array([[2.0], [-1.0], [0.0]])
    display = OptimalSetDisplay.from_polytope(
        Band(), x, [0.0, 1.0, 2.0], prediction=[1.5, 0.7, 0.0]
    )
    np.testing.assert_array_equal(display.x, x[:, 0])
    np.testing.assert_array_equal(display.low, [1.0, 0.5, 0.0])
    np.testing.assert_array_equal(display.high, [2.0, 1.0, 0.0])
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("x", "prediction")
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["range over equally good networks", "one of them", "data"]


def test_several_features_are_intervals_unless_one_is_chosen():
    assert OptimalSetDisplay.from_polytope(Band(), X).x is None
    display = OptimalSetDisplay.from_polytope(Band(), X, feature=1)
    np.testing.assert_array_equal(display.x, X[:, 1])
    assert display.ax_.get_xlabel() == "feature 1"
    frame = pd.DataFrame(X, columns=["length", "mass"])
    named = OptimalSetDisplay.from_polytope(Band(), frame, feature=1)
    assert named.ax_.get_xlabel() == "mass"


def test_axes_name_and_style_are_taken():
    figure, ax = plt.subplots()
    display = OptimalSetDisplay.from_polytope(Band(), X, ax=ax, name="mine", color="red")
    assert (display.ax_, display.figure_) == (ax, figure)
    (intervals,) = ax.collections
    assert intervals.get_label() == "mine"
    assert tuple(intervals.get_color()[0][:3]) == (1.0, 0.0, 0.0)
    assert plt.get_fignums() == [figure.number]


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match=r"low has shape \(0,\), expected \(n,\)"):
        OptimalSetDisplay([], [])
    for name in ("high", "prediction", "x", "y"):
        arrays = {"high": HIGH, name: [1.0]}
        with pytest.raises(ValueError, match=rf"{name} has shape \(1,\), expected \(3,\), as low"):
            OptimalSetDisplay(LOW, **arrays)
    with pytest.raises(ValueError, match="low is above high"):
        OptimalSetDisplay(HIGH, LOW)
    draw = OptimalSetDisplay.from_polytope
    with pytest.raises(ValueError, match=r"X has shape \(3,\), expected \(n, d\)"):
        draw(Band(), [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="feature=2 is no column of X, expected 0 to 1"):
        draw(Band(), X, feature=2)
    with pytest.raises(ValueError, match=r"y has shape \(2,\), expected \(3,\)"):
        draw(Band(), X, [1.0, 2.0])
