"""The plot of decision regions: what is drawn is what the network decides."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convexrelu import ConvexReLUClassifier, ConvexReLURegressor, TwoLayerNetwork
from convexrelu.displays import DecisionRegionsDisplay
from convexrelu.displays.decision_regions import segment
from tests import reference

X, OUTPUTS = reference.teacher(40, 2, 3, 0.0, 1)
THREE = np.digitize(OUTPUTS, np.quantile(OUTPUTS, [0.3, 0.7]))
LABELS = np.array(["low", "high"])[np.digitize(OUTPUTS, [np.median(OUTPUTS)])]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def hinge():
    return ConvexReLUClassifier(loss="hinge", random_state=0).fit(X, LABELS)


def lines_of(ax):
    return [line for line in ax.get_lines() if len(line.get_xdata()) == 2]


def test_every_neuron_that_crosses_the_picture_has_its_line(hinge):
    display = DecisionRegionsDisplay.from_estimator(hinge, X, LABELS)
    network, corners = (
        hinge.network_,
        np.array(np.meshgrid(display.x0[[0, -1]], display.x1[[0, -1]])),
    )
    sides = corners.reshape(2, -1).T @ network.hidden_weights.T + network.hidden_bias
    crossing = (sides.min(axis=0) < 0) & (sides.max(axis=0) > 0)
    lines = lines_of(display.ax_)
    assert len(lines) == crossing.sum() >= 3
    shares = np.linalg.norm(network.hidden_weights, axis=1) * np.abs(network.output_weights[0])
    widths = []
    for line, j in zip(lines, np.flatnonzero(crossing), strict=True):
        w, b = network.hidden_weights[j], network.hidden_bias[j]
        ends = np.array(line.get_data())
        scale = np.linalg.norm(w) * np.abs(ends).max() + abs(b)
        assert np.abs(w @ ends + b).max() < 1e-12 * scale
        # Ticks stand to the left: the neuron is active there.
        along = ends[:, 1] - ends[:, 0]
        assert w @ [-along[1], along[0]] > 0
        widths.append(line.get_linewidth())
    assert np.array_equal(np.argsort(widths), np.argsort(shares[crossing]))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ([1.0, 0.0, -0.5], [[0.5, 0.5], [2.0, 0.0]]),
        ([0.0, 2.0, -2.0], [[0.0, 1.0], [1.0, 1.0]]),
        ([-1.0, -1.0, 1.0], [[0.0, 1.0], [1.0, 0.0]][::-1]),
        ([1.0, 0.0, 1.0], None),
        ([1.0, 1.0, 5.0], None),
        ([0.0, 0.0, 1.0], None),
    ],
)
def test_segments_in_a_rectangle(line, expected):
    found = segment(np.array(line), np.array([0.0, 1.0]), np.array([0.0, 2.0]))
    if expected is None:
        assert found is None
    else:
        np.testing.assert_allclose(found, expected, atol=1e-15)


@pytest.mark.parametrize(
    ("labels", "options"),
    [
        (LABELS, {"loss": "hinge"}),
        (LABELS, {"loss": "multinomial", "tol": 0.01}),
        (THREE, {"tol": 0.01}),
    ],
)
def test_regions_are_the_decisions(labels, options):
    model = ConvexReLUClassifier(random_state=0, **options).fit(X, labels)
    display = DecisionRegionsDisplay.from_estimator(model, X, labels)
    regions = {}
    for region in display.ax_.collections:
        if hasattr(region, "levels"):
            color = tuple(region.get_facecolor()[0][:3])
            regions[color] = region.get_paths()[0]
    checked = 0
    for label in model.classes_:
        (samples,) = [
            points for points in display.ax_.collections if points.get_label() == f"class {label}"
        ]
        np.testing.assert_array_equal(samples.get_offsets(), X[labels == label])
        path = regions[tuple(samples.get_facecolor()[0][:3])]
        scores = np.sort(display_scores(model, X), axis=1)
        clear = scores[:, -1] - scores[:, -2] > 0.1
        inside = path.contains_points(X[clear])
        np.testing.assert_array_equal(inside, model.predict(X[clear]) == label)
        checked += inside.sum()
    assert checked == clear.sum() >= 20


def display_scores(model, points):
    scores = model.decision_function(points)
    return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores


def test_support_is_what_is_on_or_inside_the_margin(hinge):
    display = DecisionRegionsDisplay.from_estimator(hinge, X, LABELS)
    assert hinge.classes_.tolist() == ["high", "low"]
    is_low = np.char.equal(LABELS, "low")
    margins = np.where(is_low, 1.0, -1.0) * hinge.decision_function(X)
    expected = margins < 1 + 1e-3
    assert 0 < expected.sum() < len(X)
    np.testing.assert_array_equal(display.support, expected)
    rings = [c for c in display.ax_.collections if c.get_label().startswith("support")]
    np.testing.assert_array_equal(rings[0].get_offsets(), X[expected])
    # Without the others the network has the same subgradients: retraining does not change it much.
    alpha = hinge.alpha * len(X) / expected.sum()
    again = ConvexReLUClassifier(alpha, loss="hinge", random_state=0, tol=1e-4)
    again.fit(X[expected], LABELS[expected])
    here = hinge.certificate_.objective * len(X)
    there = again.certificate_.objective * expected.sum()
    assert there == pytest.approx(here, rel=3e-3)


def test_with_a_loss_that_is_nowhere_flat_no_sample_is_marked():
    model = ConvexReLUClassifier(random_state=0).fit(X, LABELS)
    display = DecisionRegionsDisplay.from_estimator(model, X, LABELS)
    assert display.support.all()
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["class high", "class low", "neuron, ticks on its active side"]


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_level_sets_are_the_predictions(loss):
    y = np.round(np.exp(OUTPUTS)) if loss == "poisson" else OUTPUTS
    model = ConvexReLURegressor(loss=loss, random_state=0).fit(X, y)
    display = DecisionRegionsDisplay.from_estimator(model, X, y, grid_resolution=30)
    grid = np.array([[a, b] for b in display.x1 for a in display.x0])
    np.testing.assert_allclose(display.response.ravel(), model.predict(grid))
    (data,) = [c for c in display.ax_.collections if c.get_label() == "data"]
    np.testing.assert_array_equal(data.get_array(), y)
    (levels,) = [c for c in display.ax_.collections if hasattr(c, "levels")]
    assert levels.norm is data.norm and levels.norm.vmin <= y.min() <= y.max() <= levels.norm.vmax
    assert display.figure_.axes[1].get_ylabel() == "prediction"


def test_names_of_features_and_the_range_of_the_data():
    frame = pd.DataFrame(X, columns=["length", "mass"])
    model = ConvexReLURegressor(random_state=0).fit(frame, OUTPUTS)
    ax = DecisionRegionsDisplay.from_estimator(model, frame, OUTPUTS).ax_
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("length", "mass")
    for (low, high), column in zip((ax.get_xlim(), ax.get_ylim()), X.T, strict=True):
        assert low < column.min() < column.max() < high


def test_axes_and_style_are_taken(hinge):
    figure, ax = plt.subplots()
    display = DecisionRegionsDisplay.from_estimator(hinge, X, LABELS, ax=ax, colors=["red"])
    assert (display.ax_, display.figure_) == (ax, figure)
    regions = [c for c in ax.collections if hasattr(c, "levels")]
    assert len(regions) == 2
    assert all(tuple(c.get_facecolor()[0]) == to_rgba("red") for c in regions)
    assert display.plot() is display and display.ax_ is not ax


def test_what_cannot_be_drawn_is_refused(hinge):
    draw = DecisionRegionsDisplay.from_estimator
    with pytest.raises(ValueError, match=r"X has shape \(4, 3\), expected \(n, 2\)"):
        draw(hinge, np.zeros((4, 3)), LABELS[:4])
    with pytest.raises(ValueError, match=r"y has shape \(3,\), expected \(4,\)"):
        draw(hinge, np.zeros((4, 2)), LABELS[:3])
    with pytest.raises(ValueError, match="grid_resolution=1 is not at least 2"):
        draw(hinge, X, LABELS, grid_resolution=1)
    one = ConvexReLURegressor(random_state=0).fit(X[:, :1], OUTPUTS)
    with pytest.raises(ValueError, match="network takes 1 features, expected 2"):
        draw(one, X, OUTPUTS)
    with pytest.raises(AttributeError):
        draw(ConvexReLURegressor(), X, OUTPUTS)


def test_a_network_without_neurons_has_no_lines():
    model = ConvexReLURegressor(alpha=1.01, alpha_scale="relative", random_state=0).fit(X, OUTPUTS)
    assert isinstance(model.network_, TwoLayerNetwork) and model.network_.width == 0
    assert not lines_of(DecisionRegionsDisplay.from_estimator(model, X, OUTPUTS).ax_)


def test_pipelines_are_drawn_as_the_network_sees_them(hinge):
    """Also inside a search; the picture is that of the last step and of scaled inputs."""
    pipeline = make_pipeline(StandardScaler(), hinge)
    pipeline[0].fit(X)
    search = GridSearchCV(pipeline, {})
    search.best_estimator_ = pipeline
    display = DecisionRegionsDisplay.from_estimator(search, X, LABELS)
    alone = DecisionRegionsDisplay.from_estimator(hinge, pipeline[0].transform(X), LABELS)
    np.testing.assert_array_equal(display.response, alone.response)
    np.testing.assert_array_equal(display.X, pipeline[0].transform(X))


def test_transformed_targets_are_drawn():
    inner = ConvexReLURegressor(effort="predict", random_state=0)
    model = TransformedTargetRegressor(inner, transformer=StandardScaler()).fit(X, 50 * OUTPUTS)
    display = DecisionRegionsDisplay.from_estimator(model, X, 50 * OUTPUTS)
    assert display.y.std() == pytest.approx(1) and display.y.mean() == pytest.approx(0, abs=1e-9)


def test_classes_without_weight_have_no_region():
    weight = (THREE > 0).astype(float)
    model = ConvexReLUClassifier(effort="predict", random_state=0).fit(X, THREE, weight)
    assert list(DecisionRegionsDisplay.from_estimator(model, X, THREE).classes) == [1, 2]


def test_what_is_not_fitted_says_so():
    for model in (ConvexReLURegressor(), make_pipeline(StandardScaler(), ConvexReLURegressor())):
        with pytest.raises(NotFittedError):
            DecisionRegionsDisplay.from_estimator(model, X, OUTPUTS)
