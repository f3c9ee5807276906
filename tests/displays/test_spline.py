"""The plot of a spline: knots and values are those of the network."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from convexrelu import ConvexReLUClassifier, ConvexReLURegressor, GatedNetwork, TwoLayerNetwork
from convexrelu.displays import SplineDisplay
from tests import reference

# Kinks at −1, 1, 2 and 2: the last two turn the line by −1/2 together, and the neuron without weight does nothing.
NETWORK = TwoLayerNetwork(
    [[1.0], [-2.0], [0.5], [-0.5], [0.0]],
    [1.0, 2.0, -1.0, 1.0, 3.0],
    [[1.0, 1.0, 1.0, -2.0, 1.0]],
    [0.25],
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def markers(ax, label):
    (found,) = [points for points in ax.collections if points.get_label() == label]
    return found


def test_knots_are_where_the_slope_changes():
    display = SplineDisplay.from_network(NETWORK, [[-3.0], [3.0]])
    assert display.positions.tolist() == [-1.0, 1.0, 2.0]
    assert display.jumps.tolist() == [1.0, 2.0, -0.5]
    step = 1e-3
    for at, jump in zip(display.positions, display.jumps, strict=True):
        left, middle, right = NETWORK.predict([[at - step], [at], [at + step]])
        assert (right - middle) - (middle - left) == pytest.approx(jump * step)


def test_marks_are_on_the_line_and_larger_where_it_bends_more():
    ax = SplineDisplay.from_network(NETWORK, [[-3.0], [3.0]]).ax_
    up, down = (markers(ax, f"knot: slope {way}") for way in ("rises", "falls"))
    assert up.get_offsets()[:, 0].tolist() == [-1.0, 1.0]
    assert down.get_offsets()[:, 0].tolist() == [2.0]
    for marks in (up, down):
        x, y = marks.get_offsets().T
        np.testing.assert_allclose(y, NETWORK.predict(x[:, None]), rtol=1e-14)
    assert up.get_sizes()[1] > up.get_sizes()[0] > down.get_sizes()[0]
    (rug,) = [lines for lines in ax.collections if hasattr(lines, "get_segments")]
    assert [segment[0, 0] for segment in rug.get_segments()] == [-1.0, 1.0, 2.0]


def test_the_line_is_the_network_also_between_its_points():
    line = SplineDisplay.from_network(NETWORK, [[-3.0], [3.0]]).ax_.get_lines()[0]
    x = np.linspace(-3.0, 3.0, 100)
    drawn = np.interp(x, *line.get_data())
    np.testing.assert_allclose(drawn, NETWORK.predict(x[:, None]), atol=1e-14)


def test_contributions_and_the_intercept_add_up_to_the_network():
    ax = SplineDisplay.from_network(NETWORK, [[-3.0], [3.0]], neurons=True).ax_
    network, *neurons = ax.get_lines()
    assert len(neurons) == NETWORK.width
    x = np.linspace(-3.0, 3.0, 100)
    total = 0.25 + sum(np.interp(x, *line.get_data()) for line in neurons)
    np.testing.assert_allclose(total, np.interp(x, *network.get_data()), atol=1e-14)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts.count("contribution of each neuron") == 1


def test_kinks_of_neurons_that_cancel_are_drawn_without_a_knot():
    network = TwoLayerNetwork([[1.0], [-1.0]], [0.0, 0.0], [[1.0, -1.0]], [0.0])
    display = SplineDisplay.from_network(network, [[-1.0], [2.0]], neurons=True)
    assert not display.positions.size and 0.0 in display.x
    right = display.ax_.get_lines()[1]
    np.testing.assert_array_equal(right.get_ydata()[display.x <= 0], 0.0)


@pytest.mark.parametrize("options", [{"negative_slope": 0.1}, {"skip_weights": [[2.0]]}])
def test_other_activations_and_skip_connections(options):
    network = TwoLayerNetwork([[1.0], [-2.0]], [0.0, 2.0], [[1.0, 1.0]], [0.0], **options)
    display = SplineDisplay.from_network(network)
    scale = 1 - options.get("negative_slope", 0.0)
    np.testing.assert_allclose(display.positions, [0.0, 1.0])
    np.testing.assert_allclose(display.jumps, [scale, 2 * scale])
    np.testing.assert_allclose(display.outputs, network.predict(display.x[:, None]))


def test_knots_outside_the_data_are_left_out():
    display = SplineDisplay.from_network(NETWORK, [[-0.5], [1.5]])
    assert display.positions.tolist() == [1.0]
    assert display.x[0] < -0.5 and display.x[-1] > 1.5 and (np.diff(display.x) > 0).all()


def test_a_constant_network_has_no_knots():
    ax = SplineDisplay.from_network(TwoLayerNetwork.constant(1, 2.0), neurons=True).ax_
    (line,) = ax.get_lines()
    assert line.get_ydata().tolist() == [2.0, 2.0]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["network"]


def test_data_of_a_regressor():
    X, y = reference.teacher(25, 1, 2, 0.1, 0)
    model = ConvexReLURegressor(random_state=0).fit(X, y)
    ax = SplineDisplay.from_estimator(model, X, y).ax_
    data = markers(ax, "data").get_offsets()
    np.testing.assert_array_equal(data, np.column_stack([X, y]))
    line = ax.get_lines()[0]
    np.testing.assert_allclose(np.interp(X[:, 0], *line.get_data()), model.predict(X))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "output")


def test_labels_are_drawn_as_the_loss_takes_them():
    X = np.linspace(-1, 1, 12)[:, None]
    y = np.where(X[:, 0] > 0.2, "yes", "no")
    model = ConvexReLUClassifier(random_state=0).fit(X, y)
    data = markers(SplineDisplay.from_estimator(model, X, y).ax_, "data").get_offsets()
    np.testing.assert_array_equal(data[:, 1], np.where(y == "yes", 1.0, -1.0))


def test_axes_name_and_style_are_taken():
    figure, ax = plt.subplots()
    display = SplineDisplay.from_network(NETWORK, ax=ax, name="mine", color="red", lw=3)
    assert (display.ax_, display.figure_) == (ax, figure)
    line = ax.get_lines()[0]
    assert (line.get_label(), line.get_color(), line.get_linewidth()) == ("mine", "red", 3)
    assert plt.get_fignums() == [figure.number]


def test_what_cannot_be_drawn_is_refused():
    draw = SplineDisplay.from_network
    with pytest.raises(ValueError, match="network takes 2 features, expected 1"):
        draw(TwoLayerNetwork.constant(2))
    with pytest.raises(ValueError, match="network has 3 outputs, expected 1"):
        draw(TwoLayerNetwork.constant(1, [0.0, 0.0, 0.0]))
    gated = GatedNetwork(np.ones((1, 1)), np.ones((1, 1)), 0.0, hidden_bias=False)
    with pytest.raises(ValueError, match="network is a GatedNetwork, expected a TwoLayerNetwork"):
        draw(gated)
    with pytest.raises(ValueError, match=r"X has shape \(2, 2\), expected \(n, 1\)"):
        draw(NETWORK, np.zeros((2, 2)))
    with pytest.raises(ValueError, match="X contains NaN"):
        draw(NETWORK, [[np.nan]])
    with pytest.raises(ValueError, match=r"y has shape \(3,\), expected \(2,\)"):
        draw(NETWORK, np.zeros((2, 1)), np.zeros(3))
    with pytest.raises(ValueError, match="y needs X"):
        draw(NETWORK, y=np.zeros(3))
    with pytest.raises(ValueError, match="neurons=True needs contributions"):
        SplineDisplay([0.0, 1.0], [0.0, 1.0], [], []).plot(neurons=True)
    with pytest.raises(AttributeError):
        SplineDisplay.from_estimator(ConvexReLURegressor(), [[0.0]], [0.0])
