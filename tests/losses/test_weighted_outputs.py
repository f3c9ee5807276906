"""Weights of outputs: against the loss alone, column by column, and in fractions."""

from fractions import Fraction

import numpy as np
import pytest

from convexrelu.losses import (
    AbsoluteError,
    Huber,
    Logistic,
    Poisson,
    Quantile,
    SquaredError,
    WeightedOutputs,
)

N, K = 40, 3
KINDS = [SquaredError(), AbsoluteError(), Huber(0.3), Quantile(0.9), Poisson()]
fractions = np.vectorize(Fraction, otypes=[object])


class Samples:
    """Targets, weights with zeros and ones among them, outputs, and gradients in the domain."""

    def __init__(self, loss, seed=0):
        rng = np.random.default_rng(seed)
        self.y = rng.poisson(2.0, (N, K)) if loss == Poisson() else rng.standard_normal((N, K))
        self.w = np.clip(rng.uniform(-0.5, 1.5, (N, K)), 0.0, 1.0)
        self.f, self.other = rng.standard_normal((2, N, K))
        self.weights = rng.uniform(0.1, 1, N) / N
        self.weighted = WeightedOutputs(loss)
        self.targets = self.weighted.targets(self.y, self.w)


@pytest.fixture(params=KINDS, ids=lambda loss: loss.name)
def loss(request):
    return request.param


def test_it_is_a_weighted_sum_of_columns(loss):
    data = Samples(loss)
    for name in ("gradient", "curvature"):
        expected = data.w * getattr(loss, name)(data.f, data.y)
        np.testing.assert_array_equal(getattr(data.weighted, name)(data.f, data.targets), expected)
    expected = sum(data.w[:, k] * loss.value(data.f[:, k], data.y[:, k]) for k in range(K))
    np.testing.assert_allclose(data.weighted.value(data.f, data.targets), expected, rtol=1e-14)
    assert data.weighted.n_outputs(data.targets) == K
    assert (data.weighted.smooth, data.weighted.degree) == (loss.smooth, loss.degree)


def test_with_weights_of_one_it_is_the_loss(loss):
    data = Samples(loss)
    targets = data.weighted.targets(data.y, np.ones((N, K)))
    z = 0.9 * loss.gradient(data.f, data.y)
    for name, point in {"value": data.f, "conjugate": z}.items():
        found = getattr(data.weighted, name)(point, targets)
        np.testing.assert_array_equal(found, getattr(loss, name)(point, data.y))
    v = -data.weights[:, None] * z
    for balanced in (True, False):
        np.testing.assert_array_equal(
            data.weighted.dual_point(v, targets, data.weights, balanced),
            loss.dual_point(v, data.y, data.weights, balanced),
        )


def test_fenchel_young(loss):
    data = Samples(loss)
    z = data.weighted.gradient(data.other, data.targets)
    conjugate = data.weighted.conjugate(z, data.targets)
    value = data.weighted.value(data.f, data.targets)
    assert (value + conjugate >= (z * data.f).sum(axis=1) - 1e-12).all()
    at_other = data.weighted.value(data.other, data.targets) + conjugate
    np.testing.assert_allclose(at_other, (z * data.other).sum(axis=1), rtol=0, atol=1e-12)


def test_an_output_without_weight_is_free(loss):
    data = Samples(loss)
    z = data.weighted.gradient(data.other, data.targets)
    i, k = np.argwhere(data.w == 0)[0]
    z[i, k] = 1e-300
    assert data.weighted.conjugate(z, data.targets)[i] == np.inf
    far = data.f.copy()
    far[data.w == 0] = 1e150
    value = data.weighted.value(far, data.targets)
    np.testing.assert_array_equal(value, data.weighted.value(data.f, data.targets))


@pytest.mark.parametrize("balanced", [True, False])
def test_dual_points_are_in_the_domain_in_real_numbers(loss, balanced):
    data = Samples(loss)
    v = data.weighted.dual_point(
        3 * data.weights[:, None] * data.other, data.targets, data.weights, balanced
    )
    assert not v[data.w == 0].any()
    assert v.any()
    if balanced:
        np.testing.assert_array_equal(fractions(v).sum(axis=0), 0)
        np.testing.assert_array_equal(v.sum(axis=0), 0.0)
    low, high = loss.domain(data.y.astype(float))
    room = fractions(data.weights)[:, None] * fractions(data.w)
    for end, sign in ((low, 1), (high, -1)):
        held = np.isfinite(end)
        ends = room[held] * fractions(end[held])
        assert (sign * (-fractions(v[held]) - ends) >= 0).all()
    assert np.isfinite(data.weighted.conjugate(-v / data.weights[:, None], data.targets)).all()


@pytest.mark.parametrize("loss", KINDS[:-1], ids=lambda loss: loss.name)
def test_the_error_of_the_conjugate_is_bounded(loss):
    data = Samples(loss)
    z = data.weighted.gradient(data.other, data.targets)
    found, bound = (
        getattr(data.weighted, name)(z, data.targets) for name in ("conjugate", "conjugate_error")
    )
    y, w = fractions(data.y), fractions(data.w)
    quotients = fractions(z) / np.where(data.w > 0, w, Fraction(1))
    terms = w * (quotients * y + (quotients**2 / 2 if loss.has_square else 0))
    errors = np.abs(fractions(found) - terms.sum(axis=1))
    assert (errors <= fractions(bound)).all()


def test_missing_targets_have_no_weight():
    loss = WeightedOutputs(SquaredError())
    y = np.array([[1.0, np.nan], [np.nan, np.nan], [2.0, 4.0]])
    targets = loss.observed(y)
    np.testing.assert_array_equal(targets[:, 2:], [[1, 0], [0, 0], [1, 1]])
    means = loss.best_intercept(np.zeros((3, 2)), targets, np.ones(3))
    np.testing.assert_array_equal(means, [1.5, 4.0])
    assert loss.checked_targets(targets) is targets


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(3), r"y has shape \(3,\), expected \(n, 2K\)"),
        (np.zeros((3, 3)), r"y has shape \(3, 3\)"),
        (np.array([[1.0, 2.0, 1.0, 1.5]]), "not between 0 and 1"),
        (np.array([[1.0, 2.0, 1.0, -0.5]]), "not between 0 and 1"),
        (np.array([[1.0, 2.0, 1.0, 0.0]]), "y has no target with weight in column 1"),
    ],
)
def test_targets_refused(y, message):
    with pytest.raises(ValueError, match=message):
        WeightedOutputs(SquaredError()).checked_targets(y)


def test_what_else_is_refused():
    loss = WeightedOutputs(Poisson())
    with pytest.raises(ValueError, match="y has the entry -1; loss='poisson'"):
        loss.checked_targets(np.array([[-1.0, 2.0, 1.0, 1.0]]))
    with pytest.raises(ValueError, match="not a loss for numbers"):
        WeightedOutputs(Logistic())
    with pytest.raises(ValueError, match=r"weights has shape \(1, 3\), expected \(1, 2\)"):
        loss.targets([[1.0, 2.0]], [[1.0, 1.0, 1.0]])
    targets = loss.targets([[1.0, 2.0], [1.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="no target with weight in column 1"):
        loss.best_intercept(np.zeros((2, 2)), targets, np.array([1.0, 0.0]))
