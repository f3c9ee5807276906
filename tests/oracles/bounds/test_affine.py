"""Affine rules: bounds that hold wherever descent stops, and that are tighter than the closed form."""

import time

import numpy as np
import pytest

from convexrelu.oracles import (
    AffineOracle,
    BranchAndBoundOracle,
    CellOracle,
    RelaxationOracle,
    SearchOracle,
)
from convexrelu.oracles.bounds.affine_rules import (
    AffineRules,
    affine_bound,
    n_steps_for,
    work_of_step,
)
from tests.oracles.bounds.test_branch_and_bound import Blind, instance


@pytest.mark.parametrize("seed", range(60))
def test_is_never_below_the_enumeration(seed):
    design, v = instance(seed)
    exact = CellOracle(design)(v).values.max(initial=0.0)
    for n_steps in (1, 40):
        report = AffineOracle(design, n_steps=max(n_steps, 30))(v)
        assert report.is_proof and report.bound >= exact
        assert report.bound <= RelaxationOracle(design)(v).bound
        bounds = [affine_bound(design, sign * v, n_steps=n_steps) for sign in (1, -1)]
        assert max(bounds) >= exact


@pytest.mark.parametrize("seed", range(20))
def test_holds_with_any_rules(seed):
    # Also with rules that are out of bounds before they are scaled, and with any λ.
    rng = np.random.default_rng(seed)
    up, down = rng.standard_normal((2, 7, 3))
    rules = AffineRules(up, down)
    rules.parts[0][:] = rng.uniform(-1, 2, 7)
    rules.parts[1][:] = rng.standard_normal((7, 7)) * 10.0 ** rng.uniform(-3, 1)
    rules.parts[2][:] = rng.uniform(-3, 3, 8)
    bound, _ = rules.bound()
    u = rng.standard_normal((2000, 3))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    h = np.maximum(u @ up.T, 0).sum(axis=1) - np.maximum(u @ down.T, 0).sum(axis=1)
    assert h.max() <= bound * (1 + 1e-12)


def test_gradients_are_those_of_the_bound(monkeypatch):
    # With a sharp maximum, the smooth one is the maximum itself.
    monkeypatch.setattr("convexrelu.oracles.bounds.affine_rules._SHARPNESS", 400.0)
    rng = np.random.default_rng(0)
    rules = AffineRules(*rng.standard_normal((2, 5, 3)))
    rules.parts[0][:] = rng.uniform(0.1, 0.9, 5)
    rules.parts[1] *= rng.uniform(0.2, 3, (5, 1))  # some rows are scaled to their room
    _, gradients = rules.bound()
    for part, gradient in zip(rules.parts, gradients.parts, strict=True):
        for k in np.ndindex(part.shape):
            values = []
            for step in (1e-6, -2e-6):
                part[k] += step
                values.append(2 * np.log(rules.bound()[0]))
            part[k] += 1e-6
            assert gradient[k] == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-7)
    for rows, gradient in ((rules.up, gradients.log_up), (rules.down, gradients.log_down)):
        for row, derivative in zip(rows, gradient, strict=True):
            values, given = [], row.copy()
            for step in (1e-6, -1e-6):
                row[:] = given * np.exp(step)
                values.append(2 * np.log(rules.bound()[0]))
            row[:] = given
            assert derivative == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-7)


def test_is_tight_at_high_rank():
    rng = np.random.default_rng(1)
    design, v = rng.standard_normal((80, 15)), rng.standard_normal(80)
    search = SearchOracle(design, n_starts=32, n_polish=8, random_state=0)
    report = AffineOracle(design, search=search)(v)
    closed = RelaxationOracle(design)(v).bound
    assert report.values[0] <= report.bound < 1.1 * report.values[0] < closed
    # Fewer steps of descent give a looser bound, less work than thirty steps take the closed form.
    assert report.bound <= AffineOracle(design, n_steps=30)(v).bound < closed
    assert AffineOracle(design, max_work=1e5)(v).bound == closed
    estimate = AffineOracle(design, search=search, max_work=1e5)(v)
    assert not estimate.is_proof and estimate.method == "search"


def test_rows_of_any_size_give_the_same_bound():
    rng = np.random.default_rng(5)
    rows, v = rng.standard_normal((8, 3)), rng.standard_normal(8)
    bound = affine_bound(rows, v)
    # Squares of these entries are zero in double precision.
    assert affine_bound(np.ldexp(rows, -600), np.ldexp(v, 600)) == pytest.approx(bound, rel=1e-6)


def test_work_counts_eigenvalues_where_samples_of_one_sign_are_few():
    rows, v = np.ones((1000, 1000)), np.where(np.arange(1000) < 10, 1.0, -1.0)
    assert work_of_step(rows, v) > 2e8  # about 0.2 to 0.35 s
    assert n_steps_for(1e9, rows, v) == n_steps_for(1e9, rows, -v) == 0


def test_stops_at_a_level_and_at_the_deadline(clock):
    rng = np.random.default_rng(2)
    design, v = rng.standard_normal((60, 9)), rng.standard_normal(60)
    oracle = AffineOracle(design)
    sharp, closed = oracle(v).bound, RelaxationOracle(design)(v).bound
    level = 0.5 * (sharp + closed)
    assert sharp < oracle(v, level=level).bound <= level
    clock.step = 1.0
    assert sharp < oracle(v, deadline=clock.now + 20).bound <= closed
    assert clock.now < 200
    assert oracle(v, deadline=time.perf_counter() - 1).bound == closed


@pytest.mark.parametrize("design", [np.zeros((3, 2)), np.eye(2), np.ones((4, 1)), -np.ones((1, 1))])
@pytest.mark.parametrize("scale", [0.0, 1.0, -1.0, 1e-120, 1e120, 1e-310, 1e300])
def test_degenerate_sizes(design, scale):
    v = scale * np.ones(len(design))
    exact = CellOracle(design)(v).values.max(initial=0.0)
    assert exact <= AffineOracle(design)(v).bound <= RelaxationOracle(design)(v).bound


def test_lengths_over_many_orders():
    rng = np.random.default_rng(3)
    design = rng.standard_normal((12, 3)) * 10.0 ** rng.uniform(-150, 150, (12, 1))
    v = rng.standard_normal(12) * 10.0 ** rng.uniform(-150, 150, 12)
    report = AffineOracle(design)(v)
    assert report.bound >= CellOracle(design)(v).values.max()


def test_lowers_the_bound_of_a_proof_that_stops_early():
    rng = np.random.default_rng(4)
    design, v = rng.standard_normal((60, 14)), rng.standard_normal(60)
    report = BranchAndBoundOracle(design, search=Blind(14), max_work=2e8)(v)
    largest = SearchOracle(design, n_starts=64, random_state=0)(v).bound
    assert report.is_proof and largest <= report.bound < 1.1 * largest
    assert report.work <= 2.1e8


def test_no_step_is_begun_that_ends_too_late_or_needs_too_much_memory(monkeypatch):
    """The closed form is left, which is a proof, too."""
    rng = np.random.default_rng(0)
    design, v = rng.standard_normal((20_000, 2)), rng.standard_normal(20_000)
    monkeypatch.setattr(AffineRules, "__init__", lambda *_: pytest.fail("too large"))
    assert affine_bound(design[:4000], v[:4000], deadline=time.perf_counter() + 1e-3) == np.inf
    assert n_steps_for(np.inf, design, v) == 0
    report, closed = AffineOracle(design)(v), RelaxationOracle(design)(v)
    assert report.is_proof and report.bound == closed.bound
