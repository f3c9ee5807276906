"""The plot of a path: what is drawn is what was measured."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss, make_scorer

from convexrelu import (
    ConvexReLUClassifierCV,
    ConvexReLURegressorCV,
    TrainingProblem,
    regularization_path,
)
from convexrelu.displays import RegularizationPathDisplay
from convexrelu.losses import Quantile
from tests import reference

X, Y = reference.teacher(25, 1, 2, 0.1, 0)
ALPHAS = [0.3, 0.03, 0.003]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def fitted():
    return ConvexReLURegressorCV(alphas=ALPHAS, cv=3, random_state=0).fit(X, Y)


def test_scores_of_an_estimator(fitted):
    display = RegularizationPathDisplay.from_estimator(fitted)
    above, below = display.ax_
    line, chosen = above.get_lines()
    np.testing.assert_array_equal(line.get_xdata(), ALPHAS)
    # Scores are negative errors, of which the axis has the positive.
    np.testing.assert_allclose(line.get_ydata(), [-np.mean(row) for row in fitted.cv_scores_])
    assert above.get_ylabel() == "mean squared error / 2"
    np.testing.assert_array_equal(chosen.get_xdata(), [fitted.alpha_] * 2)
    widths = [np.mean(row) for row in fitted.cv_widths_]
    np.testing.assert_allclose(below.get_lines()[0].get_ydata(), widths)
    texts = [text.get_text() for text in above.get_legend().get_texts()]
    assert texts[:2] == ["mean of 3 folds", "± one standard error"]
    assert texts[2].startswith("chosen: alpha = ")
    assert (above.get_xscale(), below.get_xlabel(), below.get_ylabel()) == (
        "log",
        "alpha",
        "neurons",
    )


def test_the_band_is_one_standard_error(fitted):
    above, _ = RegularizationPathDisplay.from_estimator(fitted).ax_
    (band,) = above.collections
    corners = band.get_paths()[0].vertices
    for alpha, row in zip(ALPHAS, fitted.cv_scores_, strict=True):
        error = np.sqrt(np.sum((row - row.mean()) ** 2) / 2) / np.sqrt(3)
        at = corners[corners[:, 0] == alpha, 1]
        assert at.min() == pytest.approx(-row.mean() - error)
        assert at.max() == pytest.approx(-row.mean() + error)


def test_objectives_of_a_path():
    results = regularization_path(TrainingProblem(X, Y, 1.0), ALPHAS, random_state=0)
    for part in (results, results[:2]):
        display = RegularizationPathDisplay.from_results(ALPHAS, part)
        above, below = display.ax_
        (line,) = above.get_lines()
        np.testing.assert_array_equal(line.get_xdata(), ALPHAS[: len(part)])
        objectives = [result.certificate.objective for result in part]
        np.testing.assert_array_equal(line.get_ydata(), objectives)
        widths = [result.network.width for result in part]
        np.testing.assert_array_equal(below.get_lines()[0].get_ydata(), widths)
        assert not above.collections and above.get_ylabel() == "regularised objective"


@pytest.mark.parametrize("count", [0, 4])
def test_results_must_fit_penalties(count):
    results = regularization_path(TrainingProblem(X, Y, 1.0), [1.0], random_state=0) * count
    with pytest.raises(ValueError, match=rf"results has {count} entries"):
        RegularizationPathDisplay.from_results(ALPHAS, results)


def test_axes_name_and_style_are_taken(fitted):
    figure, axes = plt.subplots(2)
    display = RegularizationPathDisplay.from_estimator(fitted, ax=axes, name="mine", color="red")
    assert list(display.ax_) == list(axes) and display.figure_ is figure
    line = axes[0].get_lines()[0]
    assert (line.get_label(), line.get_color()) == ("mine", "red")
    assert axes[1].get_lines()[0].get_color() == "red"
    assert plt.get_fignums() == [figure.number]


def test_an_unfitted_estimator_has_nothing_to_draw():
    with pytest.raises(AttributeError):
        RegularizationPathDisplay.from_estimator(ConvexReLURegressorCV())


@pytest.mark.parametrize(
    ("model", "name", "sign"),
    [
        (ConvexReLURegressorCV(), "mean squared error / 2", -1),
        (ConvexReLURegressorCV(loss=Quantile(0.9)), "mean quantile loss", -1),
        (ConvexReLURegressorCV(scoring="r2"), "R²", 1),
        (ConvexReLURegressorCV(scoring="neg_mean_squared_error"), "mean squared error", -1),
        (ConvexReLUClassifierCV(), "accuracy", 1),
        (ConvexReLUClassifierCV(scoring=make_scorer(f1_score)), "f1 score", 1),
        (
            ConvexReLUClassifierCV(scoring=make_scorer(log_loss, greater_is_better=False)),
            "log loss",
            -1,
        ),
    ],
)
def test_the_axis_says_what_the_score_is(model, name, sign):
    model.alphas_, model.alpha_ = np.array([0.1, 0.01]), 0.1
    model.cv_scores_, model.cv_widths_ = np.array([[1.0], [2.0]]), np.ones((2, 1))
    above, _ = RegularizationPathDisplay.from_estimator(model).ax_
    assert above.get_ylabel() == name
    assert above.get_lines()[0].get_ydata().tolist() == [sign, 2 * sign]
