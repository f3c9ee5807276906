"""Pricing of several outputs and of other activations, against brute force."""

from dataclasses import replace

import numpy as np
import pytest

from convexrelu._utils.norms import lipschitz_constant
from convexrelu.oracles import (
    BranchAndBoundOracle,
    CellOracle,
    FanOracle,
    GeneralSearchOracle,
    HybridOracle,
    MirroredOracle,
    OutputRankOracle,
    PatternOracle,
    PlanarOracle,
    RelaxationOracle,
    SearchOracle,
    SweepOracle,
)
from convexrelu.oracles.base import distinct_pairs, largest_value, witnesses
from convexrelu.oracles.selection import choose_oracles, program_oracle
from tests import reference

SLOPES = 0.0, 0.01, 0.5, -1.0
RNG = np.random.default_rng(0)


def rectified(make, design, slope):
    return make(design) if slope == 0 else MirroredOracle(make, design, slope)


def searched(design, slope=0.0):
    return GeneralSearchOracle(
        design, slope=slope, n_starts=24, n_steps=20, n_polish=12, random_state=0
    )


def prover(design, slope, make):
    """Proofs of any number of outputs, from scalar ones."""
    scalar = rectified(make, design, slope)
    fan = FanOracle(scalar, searched(design, slope), design, slope=slope)
    return OutputRankOracle(design, scalar, fan)


def degenerate(design, rng):
    """Repeated, opposite and zero rows, and rows of very different lengths."""
    kind = rng.integers(5)
    if kind == 1:
        design[-1] = design[0]
    if kind == 2:
        design[-1], design[0] = -2 * design[1 % len(design)], 0.0
    if kind == 3:
        design *= 10.0 ** rng.integers(-4, 5, (len(design), 1))
    if kind == 4:
        design[:] = np.round(design)
    return design


def dual_point(n, size, rank, rng):
    if size == 1:
        return rng.standard_normal(n)
    V = rng.standard_normal((n, min(rank, size))) @ rng.standard_normal((min(rank, size), size))
    return V - V.mean(axis=0) if rng.random() < 0.5 else V


def check_report(report, design, V, slope, below):
    """The witnesses are what they say they are, and none is above the bound; nor is what brute force found."""
    size = np.abs(V) if V.ndim == 1 else np.linalg.norm(V, axis=1)
    rounding = 1e-12 * (size @ np.linalg.norm(design, axis=1))
    assert report.signs.shape == (len(report.values), *V.shape[1:])
    some = report.values > rounding
    np.testing.assert_allclose(np.linalg.norm(report.directions[some], axis=1), 1.0, rtol=1e-9)
    outputs, signs = report.directions[some] @ design.T, report.signs[some]
    moments = reference.activation(outputs, slope) @ V
    at_signs = moments * signs if V.ndim == 1 else (moments * signs).sum(axis=1)
    np.testing.assert_allclose(at_signs, report.values[some], rtol=1e-9, atol=rounding)
    if V.ndim == 2:
        np.testing.assert_allclose(np.linalg.norm(signs, axis=1), 1.0, rtol=1e-9)
    lengths = np.linalg.norm(design, axis=1)
    clear = np.abs(outputs) > 1e-8 * lengths
    assert (report.masks[some] == (outputs > 0))[clear].all()
    assert (np.diff(report.values) <= rounding).all()
    if report.is_proof:
        assert below <= report.bound
        assert (report.values <= report.bound * (1 + 1e-12)).all()
    else:
        assert report.bound <= report.proved_bound


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_one_sweep_is_exact_at_rank_two(slope, size):
    for seed in range(6):
        rng = np.random.default_rng([seed, size])
        n, dim = rng.integers(1, 9), rng.integers(1, 3)
        design = degenerate(rng.standard_normal((n, dim)), rng)
        V = dual_point(n, size, rng.integers(1, 5), rng).reshape(n, size)
        below = reference.brute_force(design, V, slope, seed)
        report = rectified(PlanarOracle, design, slope)(V)
        assert report.is_proof and report.method == "sweep" and report.scope == "global"
        assert report.bound == pytest.approx(below, rel=1e-6, abs=1e-12)
        check_report(report, design, V, slope, below)
        relaxed = RelaxationOracle(design, slope)(V)
        assert relaxed.is_proof and relaxed.bound >= report.bound * (1 - 1e-9)
        assert searched(design, slope)(V).bound <= report.bound


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_fan_of_sweeps_is_sharp(slope, size):
    for seed in range(5):
        rng = np.random.default_rng([seed, size, 1])
        n = rng.integers(2, 9)
        design = degenerate(rng.standard_normal((n, 3)), rng)
        V = dual_point(n, size, rng.integers(1, 4), rng)
        below = reference.brute_force(design, V, slope, seed)
        report = prover(design, slope, SweepOracle)(V)
        check_report(report, design, V, slope, below)
        assert report.bound <= below * (1 + 6e-4) + 1e-12 * lipschitz_constant(design, V)
        assert searched(design, slope)(V).bound <= report.bound


@pytest.mark.parametrize("slope", SLOPES)
def test_bounds_in_four_dimensions(slope):
    for seed in range(12):
        rng = np.random.default_rng([seed, 2])
        n = rng.integers(2, 12)
        design = degenerate(rng.standard_normal((n, 4)), rng)
        V = dual_point(n, rng.integers(1, 6), rng.integers(1, 5), rng)
        below = reference.brute_force(design, V, slope, seed)
        relaxed = RelaxationOracle(design, slope)(V)
        assert relaxed.is_proof and below <= relaxed.bound <= lipschitz_constant(design, V) * 1.001
        found = searched(design, slope)(V)
        check_report(found, design, V, slope, below)
        assert not found.is_proof
        assert found.bound <= relaxed.bound
        assert found.bound >= below * (1 - 1e-3)


@pytest.mark.parametrize("slope", SLOPES)
def test_fan_of_other_proofs(slope):
    rng = np.random.default_rng(5)
    design, V = rng.standard_normal((7, 4)), rng.standard_normal((7, 2))
    below = reference.brute_force(design, V, slope)

    def small_branch(rows):
        search = SearchOracle(rows, n_starts=16, n_polish=8, random_state=0)
        return BranchAndBoundOracle(rows, search=search)

    for make, method in ((CellOracle, "cells"), (small_branch, "branch_and_bound")):
        report = prover(design, slope, make)(V)
        check_report(report, design, V, slope, below)
        assert report.method == method
        assert report.bound <= below * (1 + 6e-4)


def test_fan_answers_to_a_level():
    rng = np.random.default_rng(6)
    design, V = rng.standard_normal((20, 3)), rng.standard_normal((20, 3))
    oracle = prover(design, 0.0, SweepOracle)
    whole = oracle(V)
    easy, refuted = oracle(V, level=1.2 * whole.bound), oracle(V, level=0.9 * whole.bound)
    assert whole.values[0] <= easy.bound <= 1.2 * whole.bound and easy.work < whole.work
    assert refuted.bound >= whole.values[0] > 0.9 * whole.bound
    assert refuted.work < whole.work


def test_fan_out_of_time_or_work_is_still_a_proof():
    rng = np.random.default_rng(7)
    design, V = rng.standard_normal((20, 3)), rng.standard_normal((20, 3))
    exact = prover(design, 0.0, SweepOracle)(V)
    fan = FanOracle(SweepOracle(design), searched(design), design, max_work=1)
    for report in (fan(V), fan(V, deadline=0.0), FanOracle(fan.prover, fan.search, design)(V)):
        assert report.is_proof and report.bound >= exact.values[0]
    few = HybridOracle(fan)(V)
    assert not few.is_proof and few.bound <= exact.bound <= few.proved_bound * (1 + 1e-3)
    many = FanOracle(fan.prover, fan.search, design, max_outputs=2)(V)
    assert many.work == 0 and many.bound == RelaxationOracle(design)(V).bound


def test_fan_ends_where_its_rays_put_the_target_out_of_reach():
    """A prover that gives up a tenth above: no cone of its rays gets below them, however narrow."""
    design, V = np.random.default_rng(0).standard_normal((2, 12, 3))
    sweep, asked = SweepOracle(design), []

    def gives_up(v, **options):
        report = sweep(v)
        asked.append(report.bound)
        return replace(report, bound=1.1 * report.bound)

    exact = FanOracle(sweep, searched(design), design)(V)
    report = FanOracle(gives_up, searched(design), design)(V)
    assert report.is_proof
    assert exact.values[0] <= report.bound <= 1.21 * exact.bound
    assert len(asked) <= 25  # to the end of what splitting gains, about sixty


def test_an_estimate_at_a_ray_proves_nothing():
    rng = np.random.default_rng(8)
    design, V = rng.standard_normal((10, 3)), rng.standard_normal((10, 2))
    report = FanOracle(SearchOracle(design, random_state=0), searched(design), design)(V)
    assert report.bound == RelaxationOracle(design)(V).bound


@pytest.mark.parametrize("scales", [(1e-150, 1e150), (1e150, 1e-150), (1e-150, 1.0), (1.0, 1e-150)])
@pytest.mark.parametrize("slope", [0.0, -1.0])
def test_bounds_scale_with_the_data(scales, slope):
    rng = np.random.default_rng(9)
    of_rows, of_v = scales
    for dim in (2, 3):
        design, V = rng.standard_normal((6, dim)), rng.standard_normal((6, 2))
        makers = [
            lambda rows: prover(rows, slope, SweepOracle),
            lambda rows: RelaxationOracle(rows, slope),
            lambda rows: searched(rows, slope),
        ]
        if dim == 2:
            makers.append(lambda rows: rectified(PlanarOracle, rows, slope))
        for make in makers:
            bound = make(of_rows * design)(of_v * V).bound
            assert bound / (of_rows * of_v) == pytest.approx(make(design)(V).bound, rel=1e-3)


@pytest.mark.parametrize("slope", SLOPES)
def test_nothing_to_price(slope):
    design = np.vstack([RNG.standard_normal((3, 2)), np.zeros((1, 2))])
    for V in (np.zeros((4, 3)), np.eye(4)[:, [3, 3]]):
        for rows in (design, np.zeros((4, 2))):
            expected = 0.0 if not V[:3].any() else None
            for oracle in (
                rectified(PlanarOracle, rows, slope),
                prover(rows, slope, SweepOracle),
                searched(rows, slope),
                RelaxationOracle(rows, slope),
            ):
                assert oracle(V).bound == pytest.approx(expected, abs=1e-12)


def test_rank_of_the_dual_point_is_what_counts():
    rng = np.random.default_rng(10)
    design, v = rng.standard_normal((12, 3)), rng.standard_normal(12)
    g = np.array([0.6, 0.0, -0.8])
    scalar, report = SweepOracle(design)(v), prover(design, 0.0, SweepOracle)(np.outer(v, g))
    assert report.bound == pytest.approx(scalar.bound, rel=1e-12) and report.bound >= scalar.bound
    np.testing.assert_allclose(np.abs(report.signs @ g), 1.0, rtol=1e-12)


@pytest.mark.parametrize("slope", SLOPES)
def test_local_maxima_of_the_search_are_attained(slope):
    rng = np.random.default_rng(11)
    design, V = reference.augment(rng.standard_normal((60, 5)), True), rng.standard_normal((60, 4))
    report = GeneralSearchOracle(design, slope=slope, n_starts=64, random_state=0)(V)
    check_report(report, design, V, slope, 0.0)
    assert report.bound == report.values[0] and len(report.values) > 2
    for u, value in zip(report.directions[:4], report.values, strict=False):
        around = u + 1e-4 * rng.standard_normal((2000, 6))
        assert reference.value_at(design, V, around, slope).max() <= value * (1 + 1e-7)


def test_absolute_values_have_no_sides():
    rng = np.random.default_rng(12)
    design, V = rng.standard_normal((15, 2)), rng.standard_normal((15, 3))
    for oracle in (searched(design, -1.0), rectified(PlanarOracle, design, -1.0)):
        report = oracle(V)
        opposite = (report.masks[:, None] != report.masks[None]).all(axis=2)
        assert not (opposite & (report.signs @ report.signs.T > 0.999)).any()


@pytest.mark.parametrize("slope", SLOPES)
def test_scalar_search_of_other_activations(slope):
    for seed in range(5):
        rng = np.random.default_rng([seed, 13])
        design, v = rng.standard_normal((30, 3)), rng.standard_normal(30)
        exact = rectified(SweepOracle, design, slope)(v)
        found = GeneralSearchOracle(design, slope=slope, random_state=0)(v)
        check_report(exact, design, v, slope, reference.brute_force(design, v, slope))
        check_report(found, design, v, slope, 0.0)
        assert found.bound == pytest.approx(exact.bound, rel=1e-6) and found.bound <= exact.bound


def test_many_samples_are_searched_on_a_sample(monkeypatch):
    rng = np.random.default_rng(14)
    design, V = rng.standard_normal((2000, 4)), rng.standard_normal((2000, 3))
    whole = GeneralSearchOracle(design, n_starts=32, n_polish=16, random_state=0)(V)
    monkeypatch.setattr("convexrelu.oracles.search.base.LARGEST_SAMPLE", 1000)
    sampled = GeneralSearchOracle(design, n_starts=32, n_polish=16, random_state=0)(V)
    assert sampled.bound == pytest.approx(whole.bound, rel=0.05)
    check_report(sampled, design, V, 0.0, 0.0)


# Programs


@pytest.mark.parametrize("slope", SLOPES)
def test_given_pairs_of_pattern_and_direction(slope):
    rng = np.random.default_rng(15)
    design, V = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    masks = reference.all_masks(design)
    G = rng.standard_normal((len(masks), 2))
    G /= np.linalg.norm(G, axis=1)[:, None]
    report = program_oracle(design, masks, signs=G, slope=slope, n_outputs=2)(V)
    directions = rng.standard_normal((20_000, 3))
    outputs = reference.activation(directions @ design.T, slope) @ V
    index = np.argmax((masks[None] == (directions @ design.T > 0)[:, None]).all(axis=2), axis=1)
    values = (outputs * G[index]).sum(axis=1) / np.linalg.norm(directions, axis=1)
    assert report.is_proof and report.scope == "program"
    assert values.max() <= report.bound <= values.max() * 1.01
    check_report(report, design, V, slope, values.max())


@pytest.mark.parametrize("slope", SLOPES)
def test_all_patterns_and_all_directions_are_everything(slope):
    rng = np.random.default_rng(16)
    design, V = rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
    masks, below = reference.all_masks(design), reference.brute_force(design, V, slope)
    report = program_oracle(design, masks, slope=slope, n_outputs=2)(V)
    spectral = PatternOracle(design, masks, slope=slope)(V)
    assert report.scope == spectral.scope == "program"
    assert below <= report.bound <= below * (1 + 6e-4)
    assert report.bound <= spectral.bound
    check_report(spectral, design, V, slope, below)


@pytest.mark.parametrize("slope", SLOPES)
def test_gates_of_several_outputs(slope):
    rng = np.random.default_rng(17)
    design, V = rng.standard_normal((6, 3)), rng.standard_normal((6, 4))
    masks = rng.random((5, 6)) < 0.5
    report = program_oracle(design, masks, cones=False, slope=slope, n_outputs=4)(V)
    maps = [V.T @ (np.where(mask, 1.0, slope)[:, None] * design) for mask in masks]
    exact = max(np.linalg.norm(part, 2) for part in maps)
    assert report.bound >= exact and report.bound == pytest.approx(exact, rel=1e-12)
    part = maps[next(k for k, mask in enumerate(masks) if (mask == report.masks[0]).all())]
    assert report.signs[0] @ part @ report.directions[0] == pytest.approx(exact, rel=1e-12)


# What all share


def test_lipschitz_constant_and_largest_value():
    rng = np.random.default_rng(18)
    design, V, U = (rng.standard_normal((5, k)) for k in (3, 2, 3))
    expected = sum(np.linalg.norm(a) * np.linalg.norm(b) for a, b in zip(V, design, strict=True))
    assert lipschitz_constant(design, V) == pytest.approx(expected)
    U[2] = 0.0
    for slope in SLOPES:
        best = reference.value_at(design, V, U, slope).max()
        assert largest_value(design, V, U, slope) == pytest.approx(best)
    assert largest_value(design, V, U[:0]) == 0.0


def test_distinct_pairs_keep_other_directions_of_a_pattern():
    masks = np.array([[True, False]] * 4 + [[True, True]])
    near = np.array([np.cos(0.01), np.sin(0.01)])
    signs = np.array([[1.0, 0.0], [0.0, 1.0], near, [-1.0, 0.0], [1.0, 0.0]])
    assert distinct_pairs(masks, signs).tolist() == [0, 1, 3, 4]


def test_witnesses_are_sorted_and_distinct():
    rng = np.random.default_rng(19)
    design, V = rng.standard_normal((5, 2)), rng.standard_normal((5, 2))
    units = rng.standard_normal((50, 2))
    units /= np.linalg.norm(units, axis=1)[:, None]
    masks, signs, directions, values = witnesses(design, V, units)
    assert values[0] == pytest.approx(reference.value_at(design, V, units).max())
    assert len(distinct_pairs(masks, signs)) == len(masks) == len(directions) < 50


# Choice


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("n_outputs", [1, 2, 3])
@pytest.mark.parametrize("dim", [2, 3, 4])
def test_auto_proves_where_it_can(slope, n_outputs, dim):
    rng = np.random.default_rng(20)
    design, V = rng.standard_normal((8, dim)), rng.standard_normal((8, n_outputs))
    V = V[:, 0] if n_outputs == 1 else V - V.mean(axis=1, keepdims=True)
    pair = choose_oracles("auto", design, 0, n_outputs=n_outputs, slope=slope)
    report, found = pair.exact(V), pair.heuristic(V)
    below = reference.brute_force(design, V, slope)
    check_report(report, design, V, slope, below)
    assert report.is_proof and report.bound <= below * (1 + 1.1e-3)
    assert found.bound >= below * (1 - 1e-6)


@pytest.mark.parametrize("name", ["sweep", "cells", "branch_and_bound", "search"])
def test_named_oracles_of_two_outputs(name):
    rng = np.random.default_rng(21)
    design, V = rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
    report = choose_oracles(name, design, 0, n_outputs=2, slope=0.01).exact(V)
    assert report.method == name and report.is_proof == (name != "search")
    check_report(report, design, V, 0.01, reference.brute_force(design, V, 0.01))


@pytest.mark.parametrize(
    ("name", "options", "missing"),
    [
        ("semidefinite", {"n_outputs": 2}, "several outputs"),
        ("affine", {"n_outputs": 2}, "several outputs"),
        ("spike_free", {"n_outputs": 2}, "several outputs"),
        ("spike_free", {"slope": 0.01}, "activations other than 'relu'"),
        ("spike_free", {"free_bias": True}, "free hidden biases"),
        ("cells", {"n_outputs": 20}, "more than 8 outputs"),
    ],
)
def test_what_an_oracle_is_missing(name, options, missing):
    with pytest.raises(ValueError, match=f"^oracle='{name}' does not support {missing}; use "):
        choose_oracles(name, np.eye(3), **options)


def test_many_outputs_are_an_estimate():
    rng = np.random.default_rng(22)
    design, V = rng.standard_normal((10, 3)), rng.standard_normal((10, 6))
    report = choose_oracles("auto", design, 0, n_outputs=6).exact(V)
    assert not report.is_proof
    assert (
        report.bound
        <= report.proved_bound
        == pytest.approx(RelaxationOracle(design)(V).bound, rel=1e-9)
    )
