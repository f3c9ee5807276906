"""Hidden features as a transformer, importances of features, and inspection by scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from convexrelu import (
    AlphaWarning,
    ConvexReLUClassifier,
    ConvexReLUFeatures,
    ConvexReLURegressor,
    TwoLayerNetwork,
)
from tests import reference

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 3))
Y = np.maximum(X[:, 0], 0) + 0.3 * np.abs(X[:, 1])  # the third feature does nothing


def regressor(**params):
    return ConvexReLURegressor(**{"alpha": 0.01, "effort": "predict", "random_state": 0, **params})


@pytest.fixture(scope="module")
def model():
    return regressor().fit(X, Y)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [ConvexReLUFeatures(regressor(patterns="sampled", n_patterns=3, random_state=None))]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# The transformer


def test_a_seed_reaches_the_estimator():
    inner = regressor(effort="predict", random_state=None)
    first, again = (ConvexReLUFeatures(inner, random_state=7).fit(X, Y) for _ in range(2))
    np.testing.assert_array_equal(first.transform(X), again.transform(X))
    assert first.estimator_.random_state == again.estimator_.random_state is not None
    assert ConvexReLUFeatures(regressor()).fit(X, Y).estimator_.random_state == 0


def test_features_are_outputs_of_neurons(model):
    features = ConvexReLUFeatures(regressor()).fit(X, Y)
    network = features.estimator_.network_
    expected = np.maximum(X @ network.hidden_weights.T + network.hidden_bias, 0.0)
    np.testing.assert_allclose(features.transform(X), expected)
    outputs = features.transform(X) @ network.output_weights[0] + network.output_bias[0]
    np.testing.assert_allclose(outputs, model.predict(X))


def test_slopes_are_those_of_the_activation():
    features = ConvexReLUFeatures(regressor(activation="leaky_relu", negative_slope=0.2))
    hidden = features.fit(X, Y).transform(X)
    network = features.estimator_.network_
    seen = X @ network.hidden_weights.T + network.hidden_bias
    np.testing.assert_allclose(hidden, np.where(seen > 0, seen, 0.2 * seen))


def test_names_and_pandas_output():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    features = ConvexReLUFeatures(regressor()).set_output(transform="pandas").fit(frame, Y)
    hidden = features.transform(frame)
    assert list(hidden.columns) == list(features.get_feature_names_out())
    assert hidden.shape == (40, features.estimator_.network_.width)
    assert list(features.feature_names_in_) == ["a", "b", "c"]


def test_a_frozen_estimator_is_used_as_it_is(model):
    features = ConvexReLUFeatures(FrozenEstimator(model)).fit(X, -Y)
    np.testing.assert_array_equal(features.transform(X), model.network_.hidden_features(X))


def test_weights_reach_the_estimator():
    weight = RNG.uniform(0, 1, 40)
    features = ConvexReLUFeatures(regressor()).fit(X, Y, sample_weight=weight)
    expected = regressor().fit(X, Y, weight).network_.hidden_features(X)
    np.testing.assert_array_equal(features.transform(X), expected)


def test_a_linear_model_on_the_features():
    labels = np.median(Y) < Y
    steps = StandardScaler(), ConvexReLUFeatures(ConvexReLUClassifier(0.01, random_state=0))
    assert make_pipeline(*steps, LogisticRegression()).fit(X, labels).score(X, labels) > 0.9
    # Least squares without a penalty fits at least as well as the network.
    pipe = make_pipeline(ConvexReLUFeatures(regressor()), LinearRegression()).fit(X, Y)
    assert pipe.score(X, Y) >= regressor().fit(X, Y).score(X, Y)


@pytest.mark.parametrize(
    "estimator",
    [LinearRegression(), regressor(activation="gated_relu", patterns="sampled", n_patterns=5)],
)
def test_estimators_without_neurons_are_refused(estimator):
    with pytest.raises(ValueError, match="has no TwoLayerNetwork as its network_"):
        ConvexReLUFeatures(estimator).fit(X, Y)


def test_bad_arguments():
    with pytest.raises(ValueError, match="estimator"):
        ConvexReLUFeatures("relu").fit(X, Y)
    with pytest.raises(NotFittedError):
        ConvexReLUFeatures(regressor()).transform(X)
    features = ConvexReLUFeatures(regressor()).fit(X, Y)
    with pytest.raises(ValueError, match="X has 2 features"):
        features.transform(X[:, :2])


# Importances


def test_importances_are_shares_of_path_weights(model):
    network = model.network_
    paths = np.zeros(3)
    for j in range(network.width):
        for k in range(3):
            paths[k] += abs(network.hidden_weights[j, k] * network.output_weights[0, j])
    np.testing.assert_allclose(model.feature_importances_, paths / paths.sum())
    assert model.feature_importances_.sum() == pytest.approx(1.0)
    assert model.feature_importances_[2] < 0.1 < model.feature_importances_[1]


def test_importances_depend_on_the_function_not_on_its_form():
    """Scaling a neuron and splitting it leave the function alone, and its path weights."""
    one = TwoLayerNetwork([[1.0, -2.0], [0.5, 0.0]], [0.1, 0.0], [[1.0, 2.0], [2.0, 0.0]], [0, 0])
    other = TwoLayerNetwork(
        [[3.0, -6.0], [0.5, 0.0], [0.5, 0.0]],
        [0.3, 0.0, 0.0],
        [[1 / 3, 0.5, 1.5], [2 / 3, 0.0, 0.0]],
        [0, 0],
    )
    np.testing.assert_allclose(other.forward(X[:, :2]), one.forward(X[:, :2]))
    shares = []
    for network in (one, other):
        model = regressor()
        model.network_ = network
        shares.append(model.feature_importances_)
    np.testing.assert_allclose(*shares)
    # ‖a‖ is √5 and 2: paths (√5 + 1, 2√5).
    np.testing.assert_allclose(shares[0][1] / shares[0][0], 2 * np.sqrt(5) / (np.sqrt(5) + 1))


def test_importances_without_neurons_are_zero():
    with pytest.warns(AlphaWarning):
        model = regressor(alpha=1e3).fit(X, Y)
    np.testing.assert_array_equal(model.feature_importances_, np.zeros(3))


def test_importances_of_other_networks():
    gated = regressor(activation="gated_relu", patterns="sampled", n_patterns=20).fit(X, Y)
    expected = np.abs(gated.network_.weights[:, :3]).sum(axis=0)
    np.testing.assert_allclose(gated.feature_importances_, expected / expected.sum())
    steps = regressor(activation="threshold", patterns="sampled", n_patterns=20).fit(X, Y)
    with pytest.raises(AttributeError, match="not defined for threshold networks"):
        _ = steps.feature_importances_
    with pytest.raises(NotFittedError):
        _ = regressor().feature_importances_


def test_features_are_selected_by_importance(model):
    selector = SelectFromModel(model, prefit=True, threshold=0.1)
    np.testing.assert_array_equal(selector.transform(X), X[:, :2])


# Inspection


def test_permutation_importance(model):
    found = permutation_importance(model, X, Y, n_repeats=3, random_state=0)
    assert found.importances_mean.argmax() == 0 and abs(found.importances_mean[2]) < 0.02


def test_partial_dependence(model):
    found = partial_dependence(model, X, [0], grid_resolution=5)
    for x, mean in zip(found["grid_values"][0], found["average"][0], strict=True):
        moved = X.copy()
        moved[:, 0] = x
        assert mean == pytest.approx(model.predict(moved).mean())


# To torch and back


def test_fine_tuning_in_torch_and_back():
    """A network of few rounds is exported, trained on by gradients, read back and certified."""
    import torch

    from convexrelu import certify, train
    from convexrelu.problem.training_problem import TrainingProblem

    inputs, targets = reference.teacher(30, 2, 2, 0.1, 0)
    problem = TrainingProblem(inputs, targets, 0.01)
    start = train(problem, start=None, max_iter=1, random_state=0)
    module = start.network.to_torch().train()
    penalised = module[0].weight, module[0].bias, module[2].weight
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-3)
    for _ in range(200):
        optimiser.zero_grad()
        residual = module(torch.tensor(inputs))[:, 0] - torch.tensor(targets)
        decay = sum(part.square().sum() for part in penalised)
        (0.5 * residual.square().mean() + 0.005 * decay).backward()
        optimiser.step()
    network = TwoLayerNetwork.from_torch(module)
    certificate = certify(network, inputs, targets, alpha=0.01, random_state=0)
    assert certificate.is_proof
    assert certificate.lower_bound <= certificate.objective < start.certificate.objective
    expected = reference.network_objective(network, inputs, targets, 0.01)
    assert certificate.objective == pytest.approx(expected, rel=1e-12)
