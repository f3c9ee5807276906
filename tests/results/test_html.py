"""Results in notebooks."""

import numpy as np

from convexrelu import ConvexReLURegressor, ConvexReLURegressorCV, Result, TrainingProblem, train
from convexrelu.certificates import Certificate
from convexrelu.results.status import Status

X = np.linspace(-1, 1, 16)[:, None]
Y = np.abs(X[:, 0])


def test_the_gap_comes_first_then_width_and_time():
    result = train(TrainingProblem(X, Y, 0.01), random_state=0)
    html = result._repr_html_()
    assert html.startswith(result.certificate._repr_html_().removesuffix("</div>"))
    count, seconds = len(result.history), result.history[-1].seconds
    rounds = "round" if count == 1 else "rounds"
    assert f"2 neurons, {count} {rounds} in {seconds:.3g} s; CONVERGED: the gap" in html
    model = ConvexReLURegressor(0.01, random_state=0).fit(X, Y)
    assert "2 neurons, " in model._repr_html_()


def test_what_is_given_is_escaped():
    certificate = Certificate(1.0, 0.5, "global", "<b>mine", True)
    network = train(TrainingProblem(X, Y, 0.01), random_state=0).network
    html = Result(network, certificate, Status.CONVERGED)._repr_html_()
    assert "<b>" not in html and "&lt;b&gt;mine" in html


def test_a_cross_validation_says_what_it_chose():
    model = ConvexReLURegressorCV(alphas=[0.1, 0.01], cv=2, scoring="r2", random_state=0).fit(X, Y)
    html = model._repr_html_()
    assert f"alpha {model.alpha_:.3g} of 2 penalties" in html
    assert f"R² {model.best_score_:.4g}" in html
