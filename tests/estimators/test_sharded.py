"""Estimators whose rows several processes have."""

import numpy as np
import pytest

from convexrelu import ConvexReLUClassifier, ConvexReLURegressor, distributed
from convexrelu.chunked import Alone, Pieces
from convexrelu.estimators.sharded import fit_on_shards
from tests.chunked.together import together

RANDOM = np.random.RandomState(0)
N = 250
X = RANDOM.standard_normal((N, 3))
SIGNAL = np.abs(X[:, 0]) - 0.5 * X[:, 1]
LABELS = np.array(["low", "middle", "high"])[np.digitize(SIGNAL, [0.0, 1.2])]
OPTIONS = {"alpha": 0.02, "tol": 0.03, "random_state": 0}


def fitted(estimator, y, ends, **weights):
    """The estimators of all processes, and that of one process."""

    def fit(group):
        own = slice(ends[group.rank], ends[group.rank + 1])
        parts = {name: value[own] for name, value in weights.items()}
        return distributed.fit(estimator(), X[own], y[own], group=group, **parts)

    alone = distributed.fit(estimator(), X, y, group=Alone(), **weights)
    return together(len(ends) - 1, fit), alone


def test_regressors_are_the_same_everywhere():
    found, alone = fitted(
        lambda: ConvexReLURegressor(**OPTIONS), SIGNAL, [0, 60, N], sample_weight=np.abs(X[:, 2])
    )
    for model in found:
        assert np.array_equal(model.predict(X), alone.predict(X))
        assert model.certificate_ == alone.certificate_
        assert model.n_features_in_ == 3
    whole = ConvexReLURegressor(**OPTIONS).fit(X, SIGNAL, np.abs(X[:, 2]))
    assert alone.certificate_.objective == pytest.approx(whole.certificate_.objective, rel=0.04)


@pytest.mark.parametrize("class_weight", ["balanced", {"low": 3.0}])
def test_classes_may_be_missing_in_a_shard(class_weight):
    order = np.argsort(LABELS, kind="stable")  # the first shard has one class only

    def estimator():
        return ConvexReLUClassifier(class_weight=class_weight, **OPTIONS)

    def fit(group):
        own = order[: N // 4] if group.rank == 0 else order[N // 4 :]
        return distributed.fit(estimator(), X[own], LABELS[own], group=group)

    models = together(2, fit)
    assert np.array_equal(models[0].predict_proba(X), models[1].predict_proba(X))
    assert models[0].classes_.tolist() == ["high", "low", "middle"]
    whole = estimator().set_params(effort="predict").fit(X, LABELS)
    assert models[0].certificate_.objective == pytest.approx(whole.certificate_.objective, rel=0.05)
    assert models[0].score(X, LABELS) > 0.9


def test_two_classes_have_one_output():
    y = np.where(LABELS == "high", "yes", "no")
    found, alone = fitted(lambda: ConvexReLUClassifier(**OPTIONS), y, [0, 100, N])
    assert found[1].network_.n_outputs == 1
    assert np.array_equal(found[1].predict(X), alone.predict(X))


def test_pieces_are_inputs_and_frames_have_names():
    pandas = pytest.importorskip("pandas", reason="tests data frames")
    pieces = Pieces.of([X[:200], X[200:]])
    model = fit_on_shards(ConvexReLURegressor(**OPTIONS), pieces, SIGNAL, None, Alone())
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    named = fit_on_shards(ConvexReLURegressor(**OPTIONS), frame, SIGNAL, None, Alone())
    assert named.feature_names_in_.tolist() == ["a", "b", "c"]
    assert np.array_equal(model.predict(X), named.predict(frame))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip": True, "skip_alpha": 1.0}, "skip=True is not supported"),
        ({"solver": "newton"}, "solver='newton' is not supported"),
        ({"oracle": "sweep"}, "oracle='sweep' is not supported"),
        ({"patterns": "sampled"}, "patterns='sampled' is not supported"),
        ({"minimal": True}, "minimal=True is not supported"),
        ({"loss": "absolute_error"}, "has kinks"),
        ({"hidden_bias": "free"}, "hidden_bias='free' is not supported"),
        ({"alpha": -1.0}, "alpha"),
    ],
)
def test_what_is_not_supported_is_named(options, message):
    model = ConvexReLURegressor(**(OPTIONS | options))
    with pytest.raises(ValueError, match=message):
        distributed.fit(model, X, SIGNAL, group=Alone())
    assert not hasattr(model, "n_features_in_")
