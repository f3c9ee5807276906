"""Objectives and bounds where data are far from the origin, against exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.problem import unread
from convexrelu.problem.evaluation import CentredInputs, exact_sums
from convexrelu.problem.unread import Unread
from convexrelu.problem.unread_problem import UnreadProblem
from tests import reference

X, Y = reference.teacher(12, 2, 3, 0.1, 0)
fractions = np.vectorize(Fraction, otypes=[object])


def exact_objective(problem, net):
    """Of the floats as they are, for the squared error."""
    inner, bias, outer = map(fractions, (net.hidden_weights, net.hidden_bias, net.output_weights))
    hidden = np.maximum(fractions(problem.X) @ inner.T + bias, 0)
    rest = hidden @ outer[0] + Fraction(net.output_bias[0]) - fractions(problem.y)
    if net.skip_weights is not None:
        rest = rest + fractions(problem.X) @ fractions(net.skip_weights[0])
    squares = (inner**2).sum() + (outer**2).sum() + (0 if problem.free_bias else (bias**2).sum())
    value = fractions(problem.weights) @ rest**2 / 2 + Fraction(problem.alpha) * squares / 2
    if net.skip_weights is not None:
        squares = (fractions(net.skip_weights) ** 2).sum()
        value += Fraction(problem.skip_alpha) * squares / 2
    return value


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(("of_x", "of_y"), [(0, 0), (1e5, 0), (0, 1e12), (1e12, 0), (-1e12, 1e8)])
def test_objectives_are_exact_but_for_their_last_digits(of_x, of_y, skip):
    rng = np.random.default_rng(0)
    inner = rng.standard_normal((5, 2))
    weights = 0.1 * rng.standard_normal((1, 2)) if skip else None
    constant = of_y - (of_x * weights.sum() if skip else 0.0)
    net = TwoLayerNetwork(
        inner,
        rng.standard_normal(5) - of_x * inner.sum(axis=1),
        rng.standard_normal((1, 5)),
        [constant],
        skip_weights=weights,
    )
    problem = TrainingProblem(
        of_x + X, of_y + Y, 1e-2, hidden_bias="free", skip=skip, skip_alpha=0.1 * skip
    )
    exact = exact_objective(problem, net)
    assert exact <= Fraction(problem.objective(net)) <= exact * (1 + Fraction(1, 10**11))


def test_an_objective_of_zero_is_zero():
    problem = TrainingProblem(1e9 + X, np.full(12, 0.1), 1.0)
    assert problem.objective(problem.zero_network()) == 0.0


@pytest.mark.parametrize(("of_x", "of_y"), [(0.0, 1e8), (1e8, 0.0), (1e4, 1e6)])
def test_gaps_include_rounding(of_x, of_y):
    problem = TrainingProblem(of_x + X[:, :1], of_y + Y, 1e-2, hidden_bias="free")
    result = train(problem, tol=1e-6)
    exact = exact_objective(problem, result.network)
    gap = exact - Fraction(result.certificate.lower_bound)
    assert 0 <= gap <= Fraction(result.certificate.gap)
    assert result.certificate.relative_gap <= 1e-6


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
def test_bounds_do_not_depend_on_the_offset_of_targets(loss):
    targets = np.round(Y * 2**20) / 2**20  # sums with the offset are exact
    near = TrainingProblem(X, targets, 1e-2, loss=loss)
    far = TrainingProblem(X, targets + 2.0**25, 1e-2, loss=loss)
    v = near.dual_point(np.zeros(12))
    assert far.dual(v) == pytest.approx(near.dual(v), rel=1e-12)


def test_offsets_count_without_an_intercept():
    problem = TrainingProblem(X, Y + 1e3, 1e-2, fit_intercept=False)
    v = problem.dual_point(np.zeros(12))
    expected = reference.dual_value(v, problem.y, problem.weights)
    assert problem.dual(v) == pytest.approx(expected, rel=1e-12)


def test_sums_are_the_nearest_floats():
    rng = np.random.default_rng(0)
    rows, vector = rng.standard_normal((20, 3)), 1e12 * rng.standard_normal(3)
    added = -(rows @ vector)
    sums, rest = exact_sums(rows, vector, added)
    for k in range(20):
        exact = fractions(rows[k]) @ fractions(vector) + Fraction(added[k])
        assert sums[k] == float(exact)
        assert rest[k] == float(exact - Fraction(sums[k]))


@pytest.mark.parametrize("far", [0.0, 1e6])
@pytest.mark.parametrize("part", [3, 2**18])
def test_inputs_that_are_not_read_are_centred_some_rows_at_a_time(monkeypatch, far, part):
    monkeypatch.setattr(unread, "_PART", part)
    rows = np.random.default_rng(0).standard_normal((20, 3)) + far
    plain, late = CentredInputs.of(rows), CentredInputs.unread(Unread(rows))
    np.testing.assert_allclose(late.centre, plain.centre, rtol=1e-12)
    np.testing.assert_allclose(late.lengths, plain.lengths, rtol=1e-8)
    assert plain.centre.any() == (far > 0)
    assert late.rows.shape == rows.shape
    np.testing.assert_allclose(late.rows[2:9], plain.rows[2:9], atol=1e-8)
    np.testing.assert_allclose(np.asarray(late.rows), plain.rows, atol=1e-8)
    np.testing.assert_allclose(late.rows @ np.ones(3), plain.rows @ np.ones(3), atol=1e-7)
    assert norms_are_of(late)


def norms_are_of(inputs):
    """Whether lengths are those of the rows less the very centre that is used."""
    return np.allclose(np.linalg.norm(np.asarray(inputs.rows), axis=1), inputs.lengths, rtol=1e-12)


def test_a_mean_between_one_and_two_spreads_is_compared_with_the_spread_around_it():
    """Where the mean may be longer than the spread, rows less the mean decide."""
    rows = np.array([[1.0, 0.9], [1.0, -0.9], [1.0, 0.0]])
    assert CentredInputs.of(rows).centre.any()
    assert CentredInputs.unread(Unread(rows)).centre.any()
    wider = rows * [1.0, 1.2]
    assert not CentredInputs.of(wider).centre.any()
    assert not CentredInputs.unread(Unread(wider)).centre.any()


def test_constants_are_judged_without_inputs():
    class Unreadable(UnreadProblem):
        @property
        def X(self):
            raise AssertionError("inputs are read")

    y = np.array([1.0, 2.0, 4.0])
    problem = Unreadable(Unread(np.eye(3)), y, 0.1)
    plain = TrainingProblem(np.eye(3), y, 0.1)
    constant = plain.zero_network()
    assert problem.objective(constant) == plain.objective(constant)
    assert problem.merged(constant).width == 0
