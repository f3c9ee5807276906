"""What holds for one loss or another."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from convexrelu import Status, TrainingProblem, train
from convexrelu.losses import LOSSES, Huber, Quantile, multinomial
from convexrelu.losses.quantiles import weighted_quantile


def test_squared_error_meets_equal_targets_to_the_last_bit():
    loss, y = LOSSES["squared_error"](), np.full(7, 0.1)
    assert loss.best_intercept(np.zeros(7), y, np.full(7, 1 / 7)) == 0.1


@pytest.mark.parametrize("delta", [0.0, -1.0, np.inf, np.nan, True, "one"])
def test_huber_refuses(delta):
    with pytest.raises(ValueError, match="delta="):
        Huber(delta)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, np.nan, True, "half"])
def test_quantile_refuses(level):
    with pytest.raises(ValueError, match="level="):
        Quantile(level)


@pytest.mark.parametrize(
    "name", ["squared_error", "absolute_error", "huber", "quantile", "poisson"]
)
@pytest.mark.parametrize("shape", [(5, 1), (5, 0), (5, 2, 2)])
def test_regression_refuses_shapes(name, shape):
    with pytest.raises(ValueError, match="y has shape"):
        LOSSES[name]().checked_targets(np.zeros(shape))


@pytest.mark.parametrize(
    ("name", "y", "words"),
    [
        ("poisson", [1.0, -1.0], "y has the entry -1"),
        ("logistic", [1.0, 0.0], "y has the entry 0"),
        ("hinge", [1.0, 1.0], "y has one class, 1"),
        ("squared_hinge", [-1.0, -1.0], "y has one class, -1"),
        ("logistic", [[1.0], [-1.0]], "y has shape"),
        ("hinge", [[1.0, -1.0], [1.0, 1.0]], "y has one class in column 0, 1"),
        ("multinomial", [0.0, 1.5], "y has the entry 1.5"),
        ("multinomial", [0.0, -1.0], "y has the entry -1"),
        ("multinomial", [0.0, 0.0], "y has one class, 0"),
        ("multinomial", [0.0, 2.0], "y has no sample of class 1"),
        ("multinomial", [[0.0, 1.0]], "y has shape"),
    ],
)
def test_targets_refused(name, y, words):
    with pytest.raises(ValueError, match=words):
        LOSSES[name]().checked_targets(np.array(y))


def test_no_constant_is_best():
    ones = np.ones(2)
    with pytest.raises(ValueError, match="y is zero for every sample"):
        LOSSES["poisson"]().best_intercept(np.zeros(2), np.zeros(2), ones)
    with pytest.raises(ValueError, match="class 1"):
        LOSSES["multinomial"]().best_intercept(
            np.zeros((2, 2)), np.array([0.0, 1.0]), np.array([1.0, 0.0])
        )


def test_best_intercept_of_rare_classes_takes_few_steps(monkeypatch):
    """For outputs of zero it is the logarithm of the shares."""
    calls = []
    monkeypatch.setattr(
        "convexrelu.losses.multinomial._log_sum_exp",
        lambda f: calls.append(1) or logsumexp(f, axis=1),
    )
    for rare in (1e-3, 1e-5, 1e-7, 1e-9):
        shares = np.array([1 - 3 * rare, rare, 2 * rare])
        c = LOSSES["multinomial"]().best_intercept(np.zeros((3, 3)), np.arange(3.0), shares)
        expected = np.log(shares) - np.log(shares).mean()
        np.testing.assert_allclose(c, expected, rtol=0, atol=1e-15 / rare)
    assert len(calls) < 200


def test_best_intercept_of_classes_that_are_far_apart_takes_few_steps(monkeypatch):
    """Where Newton's steps from zero would be halved a hundred times."""
    calls, rng = [], np.random.default_rng(0)
    monkeypatch.setattr(
        "convexrelu.losses.multinomial._log_sum_exp",
        lambda f: calls.append(1) or logsumexp(f, axis=1),
    )
    loss, weights = LOSSES["multinomial"](), np.full(14, 1 / 14)
    for _ in range(20):
        f = rng.standard_normal((14, 3)) + 200 * rng.standard_normal(3)
        y = np.r_[0, 1, 2, rng.integers(0, 3, 11)].astype(float)
        c = loss.best_intercept(f, y, weights)
        np.testing.assert_allclose(weights @ loss.gradient(f + c, y), 0, atol=1e-12)
    assert len(calls) < 20 * 30


@pytest.mark.parametrize("n", [1000, 100_000])
def test_best_intercept_of_classes_that_are_equally_frequent_takes_few_steps(monkeypatch, n):
    """There zero is nearly the best one, and the objective of others differs by rounding."""
    original, calls = multinomial._log_sum_exp, []

    def counted(f):
        calls.append(1)
        assert len(calls) < 50
        return original(f)

    monkeypatch.setattr(multinomial, "_log_sum_exp", counted)
    for n_classes in (4, 10):
        calls.clear()
        y = np.arange(float(n)) % n_classes
        for f in (np.zeros((n, n_classes)), np.full((n, n_classes), 3.0)):
            c = LOSSES["multinomial"]().best_intercept(f, y, np.full(n, 1 / n))
            np.testing.assert_allclose(c, 0, atol=1e-14)
        f[-1, 0] = 3.5
        c = LOSSES["multinomial"]().best_intercept(f, y, np.full(n, 1 / n))
        np.testing.assert_allclose(softmax(f + c, axis=1).mean(axis=0), 1 / n_classes, rtol=1e-11)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 30.0, 1e4])
def test_the_cross_entropy_is_accurate_for_outputs_of_any_size(scale):
    """As SciPy's, also for equal outputs and for labels that are nearly certain."""
    f = scale * np.random.default_rng(0).standard_normal((200, 3))
    f[:10, 1] = f[:10, 0]
    labels = f.argmax(axis=1)
    own = f - f.max(axis=1, keepdims=True)
    expected = logsumexp(own, axis=1)
    value = LOSSES["multinomial"]().value(own, labels.astype(float))
    np.testing.assert_allclose(value, expected, rtol=1e-14, atol=0)


def test_large_outputs_do_not_overflow():
    logistic, poisson, multinomial = (LOSSES[k]() for k in ("logistic", "poisson", "multinomial"))
    f, y = np.array([1e4, -1e4]), np.array([-1.0, 1.0])
    np.testing.assert_array_equal(logistic.value(f, y), [1e4, 1e4])
    assert np.isinf(poisson.value(f, np.ones(2))[0])
    np.testing.assert_array_equal(
        multinomial.value(np.column_stack([f, -f]), np.array([1.0, 0.0])), [2e4, 2e4]
    )


def test_poisson_of_large_counts():
    loss, y = LOSSES["poisson"](), np.array([1e12])
    z = np.array([1.0])  # ½ z²/y to first order: y log y is 10²⁵ times as much
    assert loss.conjugate(z, y)[0] == pytest.approx(np.log(1e12), rel=1e-3)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.75])
def test_weighted_quantile_minimises(level):
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 8):
        values, weights = rng.integers(0, 4, n).astype(float), rng.integers(0, 3, n).astype(float)
        weights[0] += 1

        def total(c, values=values, weights=weights):
            rest = values - c
            return weights @ np.maximum(level * rest, (level - 1) * rest)

        best = weighted_quantile(values, weights, level)
        assert total(best) <= min(map(total, values)) + 1e-12


def test_medians_turn_with_the_sign():
    rng = np.random.default_rng(1)
    values, weights = rng.standard_normal(6), np.ones(6)
    assert weighted_quantile(-values, weights, 0.5) == -weighted_quantile(values, weights, 0.5)


@pytest.mark.parametrize("count", [1e-3, 1.0, 1e3, 1e9])
def test_poisson_is_as_exact_as_its_outputs(count):
    loss, rng = LOSSES["poisson"](), np.random.default_rng(0)
    d = np.concatenate([sign * 10 ** rng.uniform(-12, 1, 20) for sign in (-1, 1)])
    f, y = np.log(count) + d, np.full(40, count)
    values = loss.value(f, y)
    assert (values >= 0).all()
    with localcontext(prec=60):
        z = Decimal(count)
        outputs = [Decimal(x) for x in f.tolist()]
        exact = np.array([float(x.exp() - z * x + z * z.ln() - z) for x in outputs])
    # An output is off by a rounding of it and of the logarithm, which is subtracted.
    rounding = 4e-16 * (np.abs(f) + np.abs(np.log(count)))
    slope = np.maximum(*(np.abs(loss.gradient(f + s * rounding, y)) for s in (-1, 1)))
    assert (
        np.abs(values - exact) <= 1e-15 * exact + 2 * rounding * slope + count * rounding**2
    ).all()


def test_objectives_of_large_counts_are_not_negative():
    y = np.full(6, 1e3)
    problem = TrainingProblem(np.arange(6.0)[:, None], y, 1.0, loss="poisson")
    result = train(problem)
    assert result.status is Status.CONVERGED
    assert 0.0 == result.certificate.lower_bound == result.certificate.objective


def test_multinomial_of_a_sure_output():
    value = LOSSES["multinomial"]().value(np.array([[0.0, 100.0]]), np.array([1.0]))
    assert value[0] == pytest.approx(np.exp(-100.0), rel=1e-12)


@pytest.mark.parametrize("count", [3.0, 0.1, 1 / 3, 1e-5, 12345.678, 1e12])
def test_equal_counts_are_met_without_a_loss(count):
    """Their mean is wrong by rounding, which would leave a loss of some 1e-30, and a relative gap of one."""
    some = np.random.default_rng(0).random(60) * (np.arange(60) % 3 > 0)
    for weight in (None, some):
        problem = TrainingProblem(
            np.arange(60.0)[:, None], np.full(60, count), 0.01, loss="poisson", sample_weight=weight
        )
        assert problem.objective(problem.zero_network()) == 0
    result = train(problem)
    assert result.status is Status.CONVERGED and result.network.width == 0


@pytest.mark.parametrize("size", [0.0, 1.0, 30.0, 800.0])
def test_classes_have_value_and_gradient_from_the_same_exponentials(size):
    """As from SciPy's; far from the label the loss is a small difference that must not vanish."""
    loss, y = LOSSES["multinomial"](), np.array([0.0, 1.0, 2.0, 1.0])
    f = size * np.random.default_rng(0).standard_normal((4, 3))
    value, gradient = loss.value_and_gradient(f.copy(), y)
    probabilities = softmax(f, axis=1)
    wanted = probabilities - np.eye(3)[y.astype(int)]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-12, atol=1e-15)
    assert np.abs(gradient.sum(axis=1)).max() <= 1e-15
    np.testing.assert_array_equal(value, loss.value(f, y))
