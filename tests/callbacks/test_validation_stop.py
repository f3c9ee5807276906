"""Early stopping on a validation set."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from convexrelu import ConvexReLUClassifier, ConvexReLURegressor, ConvexReLURegressorCV, Status
from convexrelu.callbacks import ValidationStop
from convexrelu.networks import TwoLayerNetwork
from tests import reference
from tests.results.test_progress import entry

X, Y = reference.teacher(40, 4, 3, 0.3, 0)
ONE = {"tol": 1e-9, "random_state": 0, "max_iter": 10}


class Fixed:
    """An estimator whose networks have given scores, by their number of neurons."""

    def __init__(self, scores):
        self.scores = scores

    def fit(self, X, y):
        return self

    def score(self, X, y):
        return self.scores[self.network_.width]


def network(width):
    return TwoLayerNetwork(np.ones((width, 1)), np.zeros(width), np.ones((1, width)), np.zeros(1))


def answers(scores, **options):
    watch = ValidationStop([[0.0]], [0.0], **options).for_fit(Fixed(scores))
    return [watch(entry(network=network(k), width=k)) for k in range(len(scores))]


def test_it_waits_for_networks_in_a_row_that_gain_nothing():
    scores = [0.1, 0.5, 0.5, 0.4, 0.6, 0.6, 0.6]
    assert answers(scores, patience=2) == [False, False, False, True, False, False, True]
    assert not any(answers(scores, patience=3))
    assert answers([0.1, 0.2, 0.3], patience=1, min_gain=0.15) == [False, True, False]


def test_networks_on_the_way_of_descent_have_patience():
    watch = ValidationStop([[0.0]], [0.0], patience=1).for_fit(Fixed([0.5, 0.4, 0.4, 0.3]))
    blocks = [0, 0, 0, 7]
    seen = [watch(entry(network=network(k), width=k, n_blocks=n)) for k, n in enumerate(blocks)]
    assert seen == [False, False, False, True]


def test_a_network_counts_once_and_no_network_never():
    watch = ValidationStop([[0.0]], [0.0], patience=1).for_fit(Fixed([0.0, 0.0]))
    first = entry(network=network(1))
    assert not any([watch(first), watch(first), watch(entry(network=None))])
    assert watch(entry(network=network(1)))


@pytest.mark.parametrize("name", ["patience", "min_gain"])
def test_bad_options(name):
    with pytest.raises(ValueError, match=name):
        ValidationStop(X, Y, **{name: -1})


def stopping(**options):
    return ValidationStop(X[30:], Y[30:], patience=1, min_gain=10.0, **options)


def test_one_object_serves_several_fits_and_ends_them():
    model = ConvexReLURegressor(callbacks=[stopping()], **ONE)
    for _ in range(2):
        model.fit(X[:30], Y[:30])  # no warning: it was asked for
        assert model.status_ is Status.STOPPED
        assert model.certificate_.relative_gap == model.history_[-1].relative_gap
    full = ConvexReLURegressor(**ONE | {"tol": 1e-3}).fit(X[:30], Y[:30])
    # A lower bound is none above the objective of any network.
    assert not model.certificate_.proved_lower_bound > full.certificate_.objective


def test_it_scores_labels_and_takes_a_scorer():
    labels = np.where(np.median(Y) < Y, "high", "low")
    stop = ValidationStop(X[30:], labels[30:], scoring="neg_log_loss", patience=1, min_gain=10.0)
    model = ConvexReLUClassifier(callbacks=[stop], **ONE).fit(X[:30], labels[:30])
    assert model.status_ is Status.STOPPED and set(model.predict(X)) <= {"high", "low"}


def test_in_a_cross_validation_it_ends_the_training_on_all_data():
    model = ConvexReLURegressorCV(alphas=[0.1, 0.01], cv=2, callbacks=[stopping()], **ONE)
    model.fit(X[:30], Y[:30])
    assert model.status_ is Status.STOPPED and model.cv_scores_.shape == (2, 2)


def test_copies_work():
    model = ConvexReLURegressor(callbacks=[stopping(scoring="r2")], **ONE)
    for copied in (clone(model), pickle.loads(pickle.dumps(model))):
        (stop,) = copied.get_params()["callbacks"]
        assert repr(stop) == "ValidationStop(<10 samples>, scoring='r2', patience=1, min_gain=10)"
        assert copied.fit(X[:30], Y[:30]).status_ is Status.STOPPED
