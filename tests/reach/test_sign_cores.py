"""What wishes for signs cost, against all cells one by one."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from convexrelu import TwoLayerNetwork
from convexrelu.reach.cells import CellTree
from convexrelu.reach.corner_search import CornerSearch
from convexrelu.reach.functionals import LinearFunctionals
from convexrelu.reach.rectifiers import as_rectifiers
from convexrelu.reach.sign_cores import Cores, SignCores

pytestmark = pytest.mark.skipif(not SignCores.are_available(), reason="built without a compiler")


def arrangement(seed):
    """Kinks of a network, many of them degenerate for odd seeds; the signs of all cells, by linear programs."""
    rng = np.random.default_rng(seed)
    W, p = rng.standard_normal((7, 2)), rng.standard_normal(7)
    if seed % 2:
        W, p = rng.integers(-1, 2, (7, 2)).astype(float), rng.integers(-1, 2, 7).astype(float)
        W[~W.any(axis=1)] = [1.0, 0.0]
        W[1], p[1] = -W[0], -p[0]
        W[3], p[3] = 3 * W[2], 3 * p[2]
    tree = CellTree(as_rectifiers(TwoLayerNetwork(W, p, np.ones((1, 7)), [0.0])), None)
    return tree.root(), np.array([cell.signs for cell in tree.leaves()])


@pytest.fixture(scope="module", params=range(8))
def cells(request):
    return arrangement(request.param)


def test_no_cell_pays_less_than_the_cost(cells):
    root, signs = cells
    rng = np.random.default_rng(0)
    cores = SignCores(root.layer.fixed, root.layer.rows)
    positive = 0
    for _ in range(40):
        wishes = rng.standard_normal(7) * rng.integers(0, 2, 7)
        decided = np.where(rng.random(7) < 0.3, signs[rng.integers(len(signs))], 0)
        price = cores.price(decided, wishes)
        inside = signs[(signs * decided >= 0).all(axis=1)]
        missed = (inside * wishes < 0) & (decided == 0)
        assert (price.charges <= np.abs(wishes)).all() and (price.charges >= 0).all()
        # Not only the weights: already what is charged is as much as the cost, in every cell.
        assert (missed @ price.charges).min() >= price.cost - 1e-13
        assert (inside * price.signs >= 0).all()
        assert (price.signs[decided != 0] == decided[decided != 0]).all()
        if len(price.core):
            assert (inside[:, price.core] * wishes[price.core] < 0).any(axis=1).all()
        positive += price.cost > 0
    assert positive > 5


def test_relaxed_norms_are_above_those_of_all_cells(cells):
    """For any multipliers and any start, with the cores of any wishes; signs that follow are those of all cells."""
    root, signs = cells
    rng = np.random.default_rng(3)
    cores = SignCores(root.layer.fixed, root.layer.rows)
    sharper = 0
    for k in range(40):
        base, generators = rng.standard_normal(3), rng.standard_normal((7, 3))
        generators[rng.random(7) < 0.1] = 0.0
        decided = np.where(rng.random(7) < 0.3, signs[rng.integers(len(signs))], 0)
        inside = signs[(signs * decided >= 0).all(axis=1)]
        largest = (np.linalg.norm(base + inside @ generators, axis=1) ** 2).max()
        Z, sweeps = rng.standard_normal((3, 8)), (1, 2, 30)[k % 3]
        plain = cores.relax(base, generators, decided, Cores.none(), Z, 30, 0.0)
        price = cores.price(decided, plain.wishes, n_cores=7)
        known = price.cores._replace(
            multipliers=price.cores.multipliers * 10.0 ** rng.integers(-3, 3)
        )
        relaxed = cores.relax(base, generators, decided, known, Z, sweeps, 0.0)
        assert relaxed.value >= largest * (1 - 1e-13)
        assert (inside * relaxed.signs >= 0).all()
        members = np.abs(relaxed.cores.members) - 1
        assert (relaxed.signs[members] == 0).all() and (relaxed.cores.multipliers >= 0).all()
        # What is enough is returned only if it is a bound.
        for enough in largest * np.array([0.9, 0.999, 1.001, 2.0]):
            again = cores.relax(base, generators, decided, known, Z, sweeps, enough)
            assert again.value >= largest * (1 - 1e-13)
        sharper += sweeps == 30 and relaxed.value < plain.value * 0.99
    assert sharper


def test_a_relaxed_norm_comes_with_the_state_it_is_from(cells):
    """The formula of the bound, evaluated at what is returned, gives no more: worse steps are undone."""
    root, signs = cells
    rng = np.random.default_rng(4)
    cores = SignCores(root.layer.fixed, root.layer.rows)
    finite = 0
    for _ in range(40):
        base, generators = rng.standard_normal(3), rng.standard_normal((7, 3))
        decided = np.where(rng.random(7) < 0.2, signs[rng.integers(len(signs))], 0)
        Z = rng.standard_normal((3, 8))
        plain = cores.relax(base, generators, decided, Cores.none(), Z, 30, 0.0)
        known = cores.price(decided, plain.wishes, n_cores=7).cores
        known = known._replace(multipliers=known.multipliers * 10.0 ** rng.integers(-2, 2))
        relaxed = cores.relax(base, generators, decided, known, Z, 60, 0.0)
        if np.isfinite(relaxed.value):
            assert smallest_bound(base, generators, relaxed) <= relaxed.value * (1 + 1e-6)
            finite += 1
    assert finite > 20


def smallest_bound(base, generators, relaxed):
    """``λ_max(Uᵀ D⁻¹ U) (Σ w_j + c)`` with the weights and cores of a relaxed norm, and the best ``w_0``."""
    free, (starts, members, multipliers) = relaxed.signs == 0, relaxed.cores
    U = np.vstack([base + relaxed.signs @ generators, generators[free]])
    h, lengths = np.zeros(len(free)), np.diff(starts)
    np.add.at(h, np.abs(members) - 1, np.sign(members) * np.repeat(multipliers, lengths) / 2)
    w, h, c = np.maximum(relaxed.weights[free], 1e-8), h[free], multipliers @ (lengths - 2)

    def bound(logarithm):
        D = np.diag(np.append(h @ (h / w) + np.exp(logarithm), w))
        D[0, 1:] = D[1:, 0] = h
        return np.linalg.eigvalsh(U.T @ np.linalg.solve(D, U))[-1] * (np.trace(D) + c)

    return min(minimize_scalar(bound, (k, k + 1.0)).fun for k in (-6, -3, 0, 3))


def test_cores_that_are_met_exclude_all_inputs():
    cores = Cores(np.array([0, 2, 4], np.int32), np.array([1, -2, 2, 3], np.int32), np.ones(2))
    arguments = (np.ones(2), np.ones((3, 2)))
    start = np.ones((2, 8))
    signs = SignCores.relax(*arguments, np.array([1, 0, 0]), cores, start, 3, 0.0).signs
    assert signs.tolist() == [1, 1, -1]
    assert SignCores.relax(*arguments, np.array([1, 0, 1]), cores, start, 3, 0.0) is None


def test_signs_that_no_cell_has_cost_everything(cells):
    root, signs = cells
    cores = SignCores(root.layer.fixed, root.layer.rows)
    rng, known = np.random.default_rng(1), {tuple(row) for row in signs}
    for _ in range(40):
        wanted = rng.choice([-1, 1], 7)
        cost = cores.price(wanted, np.ones(7)).cost
        assert cost == (0.0 if tuple(wanted) in known else np.inf)


def test_constants_are_in_no_core(cells):
    """Their signs stay as they are given, whatever rows and wishes say."""
    root, signs = cells
    rows = np.vstack([np.zeros((1, 3)), root.layer.rows])
    cores = SignCores(root.layer.fixed, rows, np.arange(8) == 0)
    decided = np.append(-1, signs[0])
    price = cores.price(decided, np.ones(8))
    assert price.cost == 0.0 and price.signs.tolist() == decided.tolist()
    assert not price.charges.any() and len(price.core) == 0
    assert cores.is_inside(root.point) == cores_of(root).is_inside(root.point)


def cores_of(root):
    return SignCores(root.layer.fixed, root.layer.rows)


def test_the_largest_sum_over_all_cells(cells):
    root, signs = cells
    cores = SignCores(root.layer.fixed, root.layer.rows)
    rng = np.random.default_rng(2)
    for _ in range(10):
        constants, weights = rng.standard_normal(3), rng.standard_normal((3, 7))
        values = constants + (signs > 0) @ weights.T

        def take(point, k, constants=constants, weights=weights):
            return constants[k] + weights[k] @ (root.layer.rows @ point > 0)

        functions = LinearFunctionals(constants, weights, 0.0)
        search = CornerSearch(cores, functions, root.signs, -np.inf, take)
        search.run()
        assert search.bound >= values.max() - 1e-12
        assert search.bound == pytest.approx(values.max(), rel=1e-10, abs=1e-12)
        assert search.value == pytest.approx(values.max(), rel=1e-12, abs=1e-12)


def test_a_search_that_is_stopped_has_a_bound():
    rng = np.random.default_rng(3)
    network = TwoLayerNetwork(
        rng.standard_normal((40, 8)), rng.standard_normal(40), np.ones((1, 40)), [0.0]
    )
    tree = CellTree(as_rectifiers(network), None)
    root, gains = tree.root(), rng.standard_normal((1, 40))
    bounds = []
    for most in (0, 3, 30, np.inf):
        search = CornerSearch(
            SignCores(root.layer.fixed, root.layer.rows),
            LinearFunctionals(np.zeros(1), gains, 0.0),
            *(root.signs, -np.inf),
            lambda point, _: gains[0] @ (root.layer.rows @ point > 0),
        )
        search.run(most=most)
        bounds.append(search.bound)
        assert search.value <= search.bound
    assert bounds == sorted(bounds, reverse=True) and bounds[-1] < bounds[0]
    assert search.value == pytest.approx(search.bound, rel=1e-10)
