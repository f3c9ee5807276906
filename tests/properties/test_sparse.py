"""Sparse inputs: wide ones are trained in the coordinates of their samples, and never made dense."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLUFeatures,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    TrainingProblem,
    certify,
    train,
)
from convexrelu.networks import GatedNetwork, ThresholdNetwork
from convexrelu.optimal_set import minimal
from convexrelu.problem.sample_coordinates import SampleCoordinates
from tests.reference import network_objective


def wide(n, d, seed, *, kind=sparse.csr_array):
    rng = np.random.default_rng(seed)
    X = sparse.random_array((n, d), density=0.3, rng=rng, data_sampler=rng.standard_normal)
    dense = X.toarray()
    y = np.maximum(dense @ rng.standard_normal(d), 0) + 0.1 * rng.standard_normal(n)
    return kind(X), dense, y


@pytest.fixture
def never_dense(monkeypatch):
    """Fails where a wide sparse matrix is made dense."""
    real = sparse.csr_array.toarray

    def toarray(self, *args, **kwargs):
        assert self.shape[1] <= self.shape[0]
        return real(self, *args, **kwargs)

    for kind in (sparse.csr_array, sparse.csc_array, sparse.csr_matrix, sparse.csc_matrix):
        monkeypatch.setattr(kind, "toarray", toarray)


@pytest.mark.parametrize("scale", [1.0, np.logspace(-8, 8, 20)[:, None]])
def test_coordinates_relax_the_samples(scale):
    _, dense, _ = wide(20, 50, 0)
    dense = scale * dense
    dense[3], dense[4], dense[5] = dense[6], 0.0, 1e-9 * dense[7]
    X = sparse.csr_array(dense)
    coordinates = SampleCoordinates.of(X)
    lengths = np.linalg.norm(dense, axis=1)
    used, lengths = lengths > 0, np.where(lengths > 0, lengths, 1e-100)
    exact, upper = dense.astype(np.longdouble), coordinates.rows.astype(np.longdouble)
    gap = (upper @ upper.T - exact @ exact.T) / np.outer(lengths, lengths)
    gap = gap[np.ix_(used, used)].astype(np.float64)
    assert np.linalg.eigvalsh(gap).min() >= 0
    assert np.abs(gap).max() < 1e-9

    rng = np.random.default_rng(1)
    weights = rng.standard_normal((4, 50))
    inside = coordinates.of_weights(weights)
    sizes = lengths[:, None] * np.linalg.norm(weights, axis=1)
    assert_allclose((coordinates.rows @ inside.T - dense @ weights.T) / sizes, 0, atol=1e-12)
    assert (np.linalg.norm(inside, axis=1) <= np.linalg.norm(weights, axis=1) * (1 + 1e-12)).all()
    back = coordinates.weights_of(inside)
    assert (np.linalg.norm(back, axis=1) <= np.linalg.norm(inside, axis=1) * (1 + 1e-12)).all()
    assert_allclose(dense @ (back - weights).T / sizes, 0, atol=1e-4)


def test_coordinates_of_samples_whose_squares_underflow():
    _, dense, _ = wide(20, 50, 0)
    dense *= 1e-160
    dense[4] = 0.0
    upper, exact = SampleCoordinates.of(sparse.csr_array(dense)).rows, dense.astype(np.longdouble)
    upper = 1e125 * upper.astype(np.longdouble)
    gap = upper @ upper.T - 1e250 * (exact @ exact.T)
    assert np.linalg.eigvalsh(gap.astype(np.float64)).min() > 0


def test_penalties_share_the_coordinates(monkeypatch):
    X, _, y = wide(6, 12, 4)
    made, original = [], SampleCoordinates.of
    monkeypatch.setattr(SampleCoordinates, "of", lambda X: made.append(X) or original(X))
    problem = TrainingProblem(X, y, 0.05).condensed()
    assert not made  # looking at the rows takes none
    for alpha in (0.1, 0.2):
        assert problem.design is problem.design
        problem = problem.with_alpha(alpha)
    assert problem.inputs.shape == (6, 6)
    assert len(made) == 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"hidden_bias": False, "fit_intercept": False},
        {"hidden_bias": "free"},
        {"skip": True, "skip_alpha": 0.1},
        {"activation": "absolute_value"},
        {"loss": "huber"},
    ],
    ids=str,
)
def test_same_optimum_as_dense_inputs_with_a_proof(options):
    X, dense, y = wide(4, 9, 1)
    problem = TrainingProblem(X, y, 0.02, **options)
    assert problem.design.shape == (4, 4 + bool(problem.hidden_bias))
    tol = 1e-4 if problem.free_bias else 1e-6
    result = train(problem, oracle="cells", tol=tol, random_state=0, max_iter=100)
    reference = train(
        TrainingProblem(dense, y, 0.02, **options), oracle="cells", tol=tol, max_iter=100
    )
    assert result.certificate.is_proof
    assert result.certificate.relative_gap <= tol
    assert result.certificate.lower_bound <= reference.certificate.objective
    assert reference.certificate.lower_bound <= result.certificate.objective
    own = TrainingProblem(dense, y, 0.02, **options).objective(result.network)
    assert_allclose(result.certificate.objective, own, rtol=1e-12)


def test_independent_objective():
    X, dense, y = wide(10, 30, 2)
    result = train(TrainingProblem(X, y, 0.05), random_state=0)
    assert result.network.n_features == 30
    assert_allclose(
        result.certificate.objective, network_objective(result.network, dense, y, 0.05), rtol=1e-12
    )


def test_several_outputs():
    X, dense, y = wide(3, 7, 3)
    Y = np.column_stack([y, -y[::-1]])
    result = train(TrainingProblem(X, Y, 0.02), tol=1e-4, random_state=0)
    reference = train(TrainingProblem(dense, Y, 0.02), tol=1e-4, random_state=0)
    assert_allclose(result.certificate.objective, reference.certificate.objective, rtol=2e-4)
    assert result.network.hidden_weights.shape[1] == 7


def test_weights_are_repetitions_and_order_does_not_matter():
    X, _, y = wide(6, 12, 4)
    weights = np.array([2, 0, 1, 1, 3, 1])
    order = np.repeat(np.arange(6), weights)[::-1]
    weighted = TrainingProblem(X, y, 0.05, sample_weight=weights).condensed()
    repeated = TrainingProblem(X[order], y[order], 0.05).condensed()
    assert weighted.n_samples == 5
    assert_allclose(weighted.X.toarray(), repeated.X.toarray())
    assert_allclose(weighted.weights, repeated.weights)
    assert_allclose(weighted.y, repeated.y)


def test_narrow_inputs_are_like_dense_ones():
    _, dense, y = wide(12, 5, 5)
    problem = TrainingProblem(sparse.csc_matrix(dense), y, 0.05)
    assert isinstance(problem.X, np.ndarray)
    assert_allclose(problem.X, dense)


@pytest.mark.parametrize("activation", ["gated_relu", "threshold"])
def test_gates_need_dense_inputs(activation):
    X, _, y = wide(4, 9, 6)
    with pytest.raises(ValueError, match="does not support"):
        TrainingProblem(X, y, 0.05, activation=activation)


def test_a_network_of_its_own_is_certified_and_pruned():
    X, dense, y = wide(6, 20, 7)
    problem = TrainingProblem(X, y, 0.05)
    result = train(problem, random_state=0)
    certificate = certify(result.network, X, y, alpha=0.05, random_state=0)
    reference = certify(result.network, dense, y, alpha=0.05, random_state=0)
    assert_allclose(certificate.objective, reference.objective, rtol=1e-12)
    assert_allclose(certificate.lower_bound, reference.lower_bound, rtol=1e-4)
    assert_allclose(certificate.cell_lower_bound, reference.cell_lower_bound, rtol=1e-4)
    small = minimal(result.network, problem)
    assert small.width <= result.network.width
    assert_allclose(problem.objective(small), result.certificate.objective, rtol=1e-9)


@pytest.mark.parametrize(
    "kind", [sparse.csr_array, sparse.csc_array, sparse.csr_matrix, sparse.csc_matrix]
)
def test_regressor_never_makes_wide_inputs_dense(kind, never_dense):
    rng = np.random.default_rng(8)
    X = kind(sparse.random_array((30, 20_000), density=0.002, rng=rng))
    y = np.asarray(X.sum(axis=1)).ravel()
    model = ConvexReLURegressor(alpha=0.01, tol=1e-2, random_state=0).fit(X, y)
    assert model.certificate_.relative_gap <= 1e-2
    assert model.predict(X).shape == (30,)
    assert model.score(X, y) > 0.5
    assert model.feature_importances_.shape == (20_000,)
    warm = model.set_params(warm_start=True, alpha=0.008).fit(X, y)
    assert warm.certificate_.relative_gap <= 1e-2


@pytest.mark.slow
def test_estimators_agree_with_dense_inputs():
    X, dense, y = wide(8, 30, 9, kind=sparse.csc_matrix)
    labels = np.where(y > np.median(y), "high", "low")
    model = ConvexReLUClassifier(alpha=0.01, random_state=0).fit(X, labels)
    reference = ConvexReLUClassifier(alpha=0.01, random_state=0).fit(dense, labels)
    assert_allclose(model.predict_proba(X), reference.predict_proba(dense), atol=0.05)
    assert_allclose(model.certificate_.objective, reference.certificate_.objective, rtol=2e-3)
    features = ConvexReLUFeatures(ConvexReLURegressor(effort="predict", random_state=0)).fit(X, y)
    assert_allclose(features.transform(X), features.transform(dense), atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        ConvexReLURegressorCV(alphas=[0.1, 0.02], cv=3, effort="predict", random_state=0),
        ConvexReLUClassifierCV(alphas=[0.05, 0.02], cv=3, effort="predict", random_state=0),
    ],
    ids=["regressor", "classifier"],
)
def test_cross_validation(model, never_dense):
    rng = np.random.default_rng(10)
    X = sparse.random_array((30, 200), density=0.1, rng=rng, format="csr")
    y = np.asarray(X[:, :50].sum(axis=1)).ravel()
    y = y > np.median(y) if isinstance(model, ConvexReLUClassifierCV) else y
    model.fit(X, y)
    assert model.network_.n_features == 200
    assert np.isfinite(model.cv_scores_).all()


@pytest.mark.parametrize("hidden_bias", [True, False])
@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_networks_of_gates_take_sparse_inputs(kind, hidden_bias):
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((9, 4)) < 0.5, rng.standard_normal((9, 4)), 0.0)
    gates = rng.standard_normal((5, 4 + hidden_bias))
    gated = GatedNetwork(gates, rng.standard_normal(gates.shape), 0.3, hidden_bias)
    steps = ThresholdNetwork(gates, rng.standard_normal(5), 0.3, hidden_bias)
    for network in (gated, steps):
        expected = network.predict(dense)
        np.testing.assert_allclose(network.predict(kind(dense)), expected, rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match="X has shape"):
        gated.predict(kind(dense[:, :3]))


@pytest.mark.parametrize("activation", ["gated_relu", "threshold"])
def test_estimators_of_gates_predict_sparse_inputs(activation):
    rng = np.random.default_rng(0)
    X = np.where(rng.random((12, 3)) < 0.5, rng.standard_normal((12, 3)), 0.0)
    options = {"activation": activation, "patterns": "sampled", "n_patterns": 4}
    model = ConvexReLURegressor(0.05, tol=0.9, random_state=0, **options)
    model.fit(sparse.csr_array(X), X[:, 0])
    np.testing.assert_allclose(model.predict(sparse.csr_array(X)), model.predict(X), atol=1e-12)
