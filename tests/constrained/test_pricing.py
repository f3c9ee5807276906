"""Bounds over a class: never below what a direction of the class reaches, and sharp."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from convexrelu.constrained.neuron_class import NeuronClass
from convexrelu.constrained.penalised import Penalised
from convexrelu.constrained.prover import ClassProver
from convexrelu.constrained.search import ClassSearch
from convexrelu.oracles import SearchOracle

CLASSES = (([1, 0, -1], False), ([0, 0, 0], True), ([1, 1, 0], True), ([-1, 1, 1], False))


def activation(t, slope):
    return np.maximum(t, 0) + slope * np.minimum(t, 0)


def reached(design, v, limits, signs, slope, seed=0):
    """The largest value at many directions of the class, the best of them improved: from below."""
    rng = np.random.default_rng(seed)
    best = 0.0
    for sign in signs:
        u = rng.standard_normal((4000, design.shape[1]))
        wrong = sign * limits * u < 0
        u = np.where(wrong, np.where(rng.random(u.shape) < 0.5, 0.0, -u), u)
        u /= np.linalg.norm(u, axis=1)[:, None]
        values = sign * activation(u @ design.T, slope) @ v

        def loss(w, sign=sign):
            w = np.where(sign * limits * w < 0, 0.0, w)
            size = np.linalg.norm(w)
            return -sign * activation(design @ w, slope) @ v / size if size else 0.0

        for k in np.argsort(-values)[:3]:
            end = minimize(loss, u[k], method="Nelder-Mead", options={"maxiter": 300})
            best = max(best, -end.fun)
    return best


def problem(seed, n=25):
    rng = np.random.default_rng(seed)
    limits, positive = CLASSES[seed % len(CLASSES)]
    design = np.column_stack([rng.standard_normal((n, 3)), np.ones(n)])
    if seed % 5 == 4:
        design[:, 1] = 0.0
    if seed % 3 == 2:
        design[: n // 2] = design[0]
    v = rng.standard_normal(n) * (rng.random(n) < 0.8)
    return design, v - v.mean(), NeuronClass(limits, positive), (0.0, 0.0, 0.4)[seed % 3]


def oracles(design, neuron_class, slope):
    penalised = Penalised(design, neuron_class, slope)
    search = ClassSearch(penalised, n_starts=32, n_polish=16, random=np.random.RandomState(0))
    return search, ClassProver(penalised, search)


@pytest.mark.parametrize("seed", range(6))
def test_proofs_are_sharp_and_searches_are_not_above_them(seed):
    design, v, neuron_class, slope = problem(seed)
    limits = neuron_class.limits(4)
    best = reached(design, v, limits, neuron_class.signs, slope)
    search, prover = oracles(design, neuron_class, slope)
    found, proved = search(v), prover(v)
    assert proved.is_proof
    assert not found.is_proof
    assert proved.scope == found.scope == neuron_class.scope
    assert best * (1 - 1e-9) <= proved.bound <= (1 + 2e-4) * max(best, found.bound)
    assert 0.99 * best <= found.bound <= proved.bound
    for report in (found, proved):
        u, signs = report.directions, report.signs
        assert (signs[:, None] * limits * u >= 0).all()
        assert set(signs) <= set(neuron_class.signs)
        values = signs * (activation(u @ design.T, slope) @ v)
        assert report.values == pytest.approx(values, rel=1e-9)


@pytest.mark.parametrize("seed", [3, 4])
def test_searches_find_maxima_on_faces(seed):
    """With few starts, what a search of the face alone finds: ascents from inside of the cone reach no face."""
    rng = np.random.default_rng(seed)
    design = np.column_stack([rng.standard_normal((200, 5)), np.ones(200)])
    v = np.sign(rng.standard_normal(200)) + 0.6 * np.sign(design[:, 4] - design[:, 0])
    v -= v.mean()
    on_face = SearchOracle(design[:, [1, 2, 3, 5]], n_starts=512, random_state=0)(v).bound
    penalised = Penalised(design, NeuronClass([1, 0, 0, 0, -1]), 0.0)
    for start in range(4):
        random = np.random.RandomState(start)
        found = ClassSearch(penalised, n_starts=64, n_polish=32, random=random)(v)
        assert found.bound >= (1 - 1e-3) * on_face


@pytest.mark.parametrize("seed", range(8))
def test_any_penalty_gives_a_bound_and_this_one_an_equality(seed):
    """``h_s`` is the function of the class in its cone, and at most the value of the projection outside of it."""
    design, v, neuron_class, slope = problem(seed)
    penalised = Penalised(design, neuron_class, slope)
    directions = np.random.default_rng(seed).standard_normal((500, 4))
    for sign in neuron_class.signs:
        rows, weights = penalised.rows(sign), penalised.weights(sign, v)
        inside = neuron_class.project(directions, np.full(500, sign))
        own = sign * activation(inside @ design.T, slope) @ v
        rounding = 1e-12 * np.abs(weights) @ np.linalg.norm(rows, axis=1)
        assert np.maximum(inside @ rows.T, 0) @ weights == pytest.approx(own, abs=rounding)
        assert (np.maximum(directions @ rows.T, 0) @ weights <= own + 10 * rounding).all()
        closed = penalised.closed_form(sign, v, np.inf)
        assert (own <= closed * np.linalg.norm(inside, axis=1) + rounding).all()


@pytest.mark.parametrize("scale", [1e-150, 1e-5, 1e8, 1e150])
def test_scales(scale):
    """Bounds grow with the data: nothing overflows, and nothing is lost to underflow."""
    design, v, neuron_class, _ = problem(0)
    known = oracles(design, neuron_class, 0.0)[1](v).bound
    scaled = oracles(scale * design, neuron_class, 0.0)[1](v).bound
    assert scaled == pytest.approx(scale * known, rel=1e-3)


def test_a_level_that_is_reached_counts_as_reached():
    """Padding for rounding comes before the comparison with the level."""
    design, v, neuron_class, _ = problem(0)
    prover = oracles(design, neuron_class, 0.0)[1]
    level = 1.01 * prover(v).bound
    assert prover(v, level=level).bound <= level


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 30))
def test_proofs_of_many_problems(seed):
    design, v, neuron_class, slope = problem(seed, n=12 + seed)
    best = reached(design, v, neuron_class.limits(4), neuron_class.signs, slope, seed)
    proved = oracles(design, neuron_class, slope)[1](v)
    assert best * (1 - 1e-9) <= proved.bound <= 1.01 * best


@pytest.mark.parametrize(("limits", "positive"), CLASSES)
@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_without_time_for_boxes_there_is_the_bound_in_closed_form(
    limits, positive, slope, monkeypatch
):
    monkeypatch.setattr("convexrelu._utils.deadlines._ALWAYS", 0.0)
    rng = np.random.default_rng(0)
    design, v = rng.standard_normal((9, 3)), rng.standard_normal(9)
    penalised = Penalised(design, NeuronClass(limits, positive=positive), slope)
    random = np.random.RandomState(0)
    prover = ClassProver(penalised, ClassSearch(penalised, n_starts=8, n_polish=4, random=random))
    short, full = prover(v, deadline=-math.inf), prover(v)
    assert short.is_proof and short.method == "relaxation" and short.scope == full.scope
    assert full.bound <= short.bound * (1 + 1e-12) < math.inf
    assert (short.values <= full.bound * (1 + 1e-9)).all()
