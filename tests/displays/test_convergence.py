"""The convergence plot."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from convexrelu import ConvexReLURegressor, TrainingProblem, train
from convexrelu.displays import ConvergenceDisplay
from tests import reference
from tests.results.test_progress import entry

matplotlib.use("Agg")

X, Y = reference.teacher(25, 2, 2, 0.1, 0)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("oracle", ["cells", "search"])
def test_the_label_says_proved_only_of_a_proof(oracle):
    model = ConvexReLURegressor(oracle=oracle, random_state=0).fit(X, Y)
    display = ConvergenceDisplay.from_estimator(model)
    proof = model.certificate_.is_proof
    assert display.is_proof == proof == (oracle == "cells")
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    expected = "lower bound (proved)" if proof else "lower bound (estimated)"
    assert texts == ["objective", expected]


def test_the_last_round_decides_what_is_proved():
    history = [entry(is_proof=True), entry(seconds=2.0, is_proof=False)]
    assert not ConvergenceDisplay.from_history(history).is_proof
    assert ConvergenceDisplay.from_history(history[::-1]).is_proof


def test_lines_are_the_history():
    history = train(TrainingProblem(X, Y, 0.01), random_state=0).history
    display = ConvergenceDisplay.from_history(history)
    objective, bound = display.ax_.get_lines()
    for line, name in [(objective, "objective"), (bound, "lower_bound")]:
        np.testing.assert_array_equal(line.get_xdata(), [entry.seconds for entry in history])
        np.testing.assert_array_equal(line.get_ydata(), [getattr(entry, name) for entry in history])
    assert objective.get_color() == bound.get_color()
    assert display.ax_.get_xlabel() == "time (s)"
    assert "objective" in display.ax_.get_ylabel()


def test_axes_name_and_style_are_taken():
    figure, ax = plt.subplots()
    display = ConvergenceDisplay.from_history([entry()], ax=ax, name="mine", color="red", lw=3)
    assert (display.ax_, display.figure_) == (ax, figure)
    line = ax.get_lines()[0]
    assert (line.get_label(), line.get_color(), line.get_linewidth()) == ("mine", "red", 3)
    assert plt.get_fignums() == [figure.number]


def test_a_label_in_the_keywords_wins():
    display = ConvergenceDisplay.from_history([entry()], label="mine")
    assert display.ax_.get_lines()[0].get_label() == "mine"


def test_plot_can_be_repeated():
    display = ConvergenceDisplay.from_history([entry()])
    first = display.ax_
    assert display.plot() is display
    assert display.ax_ is not first


def test_an_unfitted_estimator_has_nothing_to_draw():
    with pytest.raises(AttributeError):
        ConvergenceDisplay.from_estimator(ConvexReLURegressor())


def test_estimators_inside_others_are_drawn():
    model = ConvexReLURegressor(effort="predict", random_state=0).fit(X, Y)
    pipeline = Pipeline([("scale", StandardScaler()), ("network", model)])
    scaled = TransformedTargetRegressor(regressor=pipeline)
    scaled.regressor_ = pipeline
    search = GridSearchCV(scaled, {})
    search.best_estimator_ = scaled
    for outer in (pipeline, scaled, search, FrozenEstimator(search)):
        display = ConvergenceDisplay.from_estimator(outer)
        assert display.objective.tolist() == [entry.objective for entry in model.history_]
    with pytest.raises(NotFittedError):
        ConvergenceDisplay.from_estimator(GridSearchCV(ConvexReLURegressor(), {}))


def test_the_first_bounds_do_not_flatten_the_rest():
    gaps = [1.0, 0.9, 0.01, 0.005, 0.001]
    history = [
        entry(seconds=float(k), objective=1.0, lower_bound=1 - gap) for k, gap in enumerate(gaps)
    ]
    low, high = ConvergenceDisplay.from_history(history).ax_.get_ylim()
    assert 0.95 < low < 0.99 and 1 < high < 1.01
    # The last round is always seen, and limits that somebody has set stay.
    low, _ = ConvergenceDisplay.from_history(history[::-1]).ax_.get_ylim()
    assert low < 0
    _, ax = plt.subplots()
    ax.set_ylim(0, 2)
    assert ConvergenceDisplay.from_history(history, ax=ax).ax_.get_ylim() == (0, 2)


@pytest.mark.parametrize("bounds", [[1.0], [0.0, 0.5], [-np.inf, -np.inf], [-np.inf, 0.5, 1.0]])
def test_limits_are_finite(bounds):
    history = [entry(objective=1.0, lower_bound=bound) for bound in bounds]
    for kind in ("bounds", "gap"):
        display = ConvergenceDisplay.from_history(history, kind=kind)
        assert np.isfinite(display.ax_.get_ylim()).all()
        display.figure_.canvas.draw()


def test_the_gap_has_a_logarithmic_axis():
    history = [entry(objective=2.0, lower_bound=bound) for bound in (0.0, 1.0, 2.0)]
    display = ConvergenceDisplay.from_history(history, kind="gap")
    (line,) = display.ax_.get_lines()
    assert line.get_ydata().tolist() == [1.0, 0.5, 0.05]  # the last one is zero
    assert (display.ax_.get_yscale(), display.ax_.get_ylabel()) == ("log", "relative gap")
    assert line.get_label() == "gap (proved)"
    with pytest.raises(ValueError, match="kind"):
        display.plot(kind="other")
