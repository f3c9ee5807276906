"""Newton directions against dense systems, written with NumPy from the data of the problem."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from convexrelu import TrainingProblem
from convexrelu.patterns.cone_projection import ConeProjector
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers.native import newton_systems as module
from convexrelu.solvers.native.newton_systems import ActiveBlocks, ConeSystem, GatedSystem
from convexrelu.solvers.native.tensor_program import TensorProgram
from tests import reference

N = 30
X, Y = reference.teacher(N, 3, 3, 0.2, 0)
WEIGHTS = np.random.default_rng(0).exponential(size=N)


class Setting:
    """A program, points of its blocks, and the same in plain NumPy."""

    def __init__(self, n_blocks, cones, options, seed=0):
        rng = np.random.default_rng(seed)
        problem = TrainingProblem(X, Y, 0.03, **options)
        design = reference.augment(X, options["hidden_bias"])
        self.dim = design.shape[1]
        gates = rng.standard_normal((n_blocks, self.dim))
        masks = gates @ design.T >= 0
        signs = rng.choice([-1.0, 1.0], n_blocks)
        self.program = TensorProgram(problem, Blocks(masks, signs), cones=cones)
        self.projector = ConeProjector(self.program.rows, torch.tensor(masks))
        self.system = (
            ConeSystem(self.program, self.projector) if cones else GatedSystem(self.program)
        )
        root = np.sqrt(reference.normalised(options["sample_weight"], N))
        rows = root[:, None] * design
        centre = np.eye(N) - np.outer(root, root) if options["fit_intercept"] else np.eye(N)
        scaled = rows / np.linalg.norm(rows)
        self.maps = [
            centre @ (sign * mask[:, None] * scaled)
            for mask, sign in zip(masks, signs, strict=True)
        ]
        self.normals = [np.where(mask[:, None], design, -design) for mask in masks]
        # Near enough to the cones for projections on faces of all dimensions.
        self.points = gates + 0.7 * rng.standard_normal((n_blocks, self.dim))
        self.gradient = centre @ rng.standard_normal(N)

    def projection(self, j, z):
        """The projection on cone ``j``, and the rows that carry it."""
        if not self.program.cones:
            return z, np.zeros((0, self.dim))
        multipliers = nnls(self.normals[j].T, -z)[0]
        return z + self.normals[j].T @ multipliers, self.normals[j][multipliers > 0]

    def shrunk(self, j, z, level):
        p = self.projection(j, z)[0]
        length = np.linalg.norm(p)
        return max(1 - level / length, 0.0) * p if length > 0 else p

    def derivative(self, j, level):
        """``J_j`` by its formula."""
        p, active = self.projection(j, self.points[j])
        length = np.linalg.norm(p)
        if length <= level:
            return np.zeros((self.dim, self.dim))
        theta, along = 1 - level / length, np.outer(p, p) / length**2
        return theta * (np.eye(self.dim) - np.linalg.pinv(active) @ active) + (1 - theta) * along

    def active(self, level):
        """What the solver knows of the blocks at these points."""
        points, index = torch.tensor(self.points), torch.arange(len(self.points))
        p = self.projector.project(points, index, level) if self.program.cones else points
        lengths = p.norm(dim=1)
        index = (lengths > level).nonzero()[:, 0]
        return ActiveBlocks(
            index, p[index] / lengths[index, None], 1 - level / lengths[index].double()
        )

    def lengths(self):
        return [np.linalg.norm(self.projection(j, z)[0]) for j, z in enumerate(self.points)]

    def some_level(self):
        """Some blocks are above, and some below."""
        return float(0.1 * min(self.lengths()) + 0.9 * np.median(self.lengths()))

    def matrix(self, level, tau):
        terms = (A @ self.derivative(j, level) @ A.T for j, A in enumerate(self.maps))
        return np.eye(N) + tau * sum(terms)

    def assert_solved(self, level, tau, accuracy=1e-12):
        active = self.active(level)
        step = self.system.direction(torch.tensor(self.gradient), active, tau).numpy()
        matrix = self.matrix(level, tau)
        expected = np.linalg.solve(matrix, -self.gradient)
        error = np.linalg.norm(step - expected)
        assert error <= accuracy * np.linalg.cond(matrix) * np.linalg.norm(expected)
        return active


@pytest.mark.parametrize("cones", [True, False])
@pytest.mark.parametrize("n_blocks", [3, 60])
def test_directions_solve_the_dense_system(options, n_blocks, cones):
    setting = Setting(n_blocks, cones, options)
    level = setting.some_level()
    for tau in (1e-2, 10.0, 1e4):
        active = setting.assert_solved(level, tau)
        assert 0 < len(active) < n_blocks


def test_with_many_samples_a_kept_gram_matrix_gives_the_same_directions(options, monkeypatch):
    setting = Setting(6, True, options)
    level = setting.some_level()
    plain = setting.assert_solved(level, 10.0)
    monkeypatch.setattr(module, "_MANY_SAMPLES", 0)
    assert len(plain) > 0
    for tau in (1e-2, 10.0, 1e4):
        setting.assert_solved(level, tau)
    assert len(setting.system._gram._known) == len(plain)
    setting.assert_solved(0.5 * level, 10.0)  # more blocks
    assert len(setting.system._gram._known) > len(plain)


@pytest.mark.parametrize("cones", [True, False])
def test_the_formula_is_the_derivative(options, cones):
    setting = Setting(20, cones, options)
    level, step = setting.some_level(), 1e-6
    for j, z in enumerate(setting.points):
        differences = [
            setting.shrunk(j, z + step * e, level) - setting.shrunk(j, z - step * e, level)
            for e in np.eye(setting.dim)
        ]
        measured = np.array(differences).T / (2 * step)
        np.testing.assert_allclose(setting.derivative(j, level), measured, atol=1e-8)


@pytest.mark.parametrize("cones", [True, False])
@pytest.mark.parametrize("n_blocks", [2, 40])
def test_blocks_that_are_hardly_active_count_hardly(n_blocks, cones):
    options = {"hidden_bias": True, "fit_intercept": True, "sample_weight": WEIGHTS}
    setting = Setting(n_blocks, cones, options)
    shortest = min(length for length in setting.lengths() if length > 1e-3)
    active = setting.assert_solved(shortest * (1 - 1e-7), 1.0, accuracy=1e-9)
    assert 0 < active.shrink.min() < 1e-6


@pytest.mark.parametrize("cones", [True, False])
@pytest.mark.parametrize("n_blocks", [3, 60])
def test_without_active_blocks_the_step_is_that_of_steepest_descent(n_blocks, cones):
    options = {"hidden_bias": True, "fit_intercept": True, "sample_weight": None}
    setting = Setting(n_blocks, cones, options)
    active = setting.active(1e9)
    assert len(active) == 0
    step = setting.system.direction(torch.tensor(setting.gradient), active, 1.0).numpy()
    np.testing.assert_allclose(step, -setting.gradient, rtol=1e-12)


@pytest.mark.parametrize("cones", [True, False])
@pytest.mark.parametrize("n_blocks", [3, 60])
def test_directions_stay_orthogonal_to_the_intercept(n_blocks, cones):
    options = {"hidden_bias": True, "fit_intercept": True, "sample_weight": WEIGHTS}
    setting = Setting(n_blocks, cones, options)
    active = setting.active(setting.some_level())
    step = setting.system.direction(torch.tensor(setting.gradient), active, 100.0).numpy()
    assert abs(np.sqrt(WEIGHTS / WEIGHTS.sum()) @ step) <= 1e-12 * np.linalg.norm(step)


def test_gated_systems_follow_blocks_that_come_and_go(options):
    setting = Setting(16, False, options)
    points = setting.points.copy()
    for active in (
        [0, 1],
        [0, 1, 2],
        [5],
        [6, 4, 3],
        [0, 7, 9],
        [9, 0],
        [],
        range(16),
        [15, 2, 11],
    ):
        setting.points = 1e-3 * points
        setting.points[list(active)] = points[list(active)]
        found = setting.assert_solved(0.1, 10.0)
        assert sorted(active) == found.index.tolist()


def test_large_systems_are_solved_to_a_hundredth_with_one_factor(monkeypatch, options):
    monkeypatch.setattr(module, "_LARGE", 0)
    setting, factors, original = Setting(60, False, options), [], GatedSystem._matrix
    monkeypatch.setattr(GatedSystem, "_matrix", lambda *args: factors.append(1) or original(*args))
    level, points = setting.some_level(), setting.points.copy()
    rng = np.random.default_rng(1)
    for tau in (1e-2, 1.0, 100.0, 110.0, 120.0, 1e4, 1.0):
        setting.points = points + 0.01 * rng.standard_normal(points.shape)
        active = setting.active(level)
        gradient = torch.tensor(setting.gradient)
        step = setting.system.direction(gradient, active, tau).numpy()
        rest = setting.matrix(level, tau) @ step + setting.gradient
        assert np.linalg.norm(rest) <= 0.011 * np.linalg.norm(setting.gradient)
    assert 1 <= len(factors) < 7


def test_large_systems_beyond_single_precision_are_solved_all_the_same(monkeypatch):
    monkeypatch.setattr(module, "_LARGE", 0)
    options = {"hidden_bias": True, "fit_intercept": True, "sample_weight": WEIGHTS}
    setting = Setting(60, False, options)
    level = setting.some_level()
    active, gradient = setting.active(level), torch.tensor(setting.gradient)
    for tau in (1e10, 1e45, 1.0):
        step = setting.system.direction(gradient, active, tau)
        assert step.isfinite().all() and float(step @ gradient) < 0


@pytest.mark.parametrize("order", [[1, 0, 2], [2, 1, 0]])
def test_gated_systems_take_active_blocks_in_any_order(order):
    options = {"hidden_bias": True, "fit_intercept": True, "sample_weight": WEIGHTS}
    setting = Setting(3, False, options)
    sorted_blocks = setting.active(0.1)
    assert len(sorted_blocks) == 3
    gradient = torch.tensor(setting.gradient)
    expected = setting.system.direction(gradient, sorted_blocks, 5.0)
    parts = sorted_blocks.index, sorted_blocks.directions, sorted_blocks.shrink
    for system in (setting.system, GatedSystem(setting.program)):
        shuffled = ActiveBlocks(*(part[order] for part in parts))
        found = system.direction(gradient, shuffled, 5.0)
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-10, atol=1e-13)


def test_what_gated_systems_keep_does_not_outgrow_the_samples():
    options = {"hidden_bias": True, "fit_intercept": False, "sample_weight": None}
    setting = Setting(40, False, options)
    points, sizes = setting.points.copy(), []
    for first in range(38):
        setting.points = 1e-3 * points
        setting.points[first : first + 3] = points[first : first + 3]
        setting.assert_solved(0.1, 1.0)
        sizes.append(setting.dim * len(setting.system._gram._known))
    assert max(sizes) <= N == len(setting.system._gram._gram)
    assert min(sizes) < max(sizes) and max(sizes) > 12  # more than what is active, while it fits


@pytest.mark.parametrize("cones", [True, False])
@pytest.mark.parametrize("n_blocks", [3, 60])
def test_systems_that_are_singular_to_rounding_still_give_descent(n_blocks, cones):
    options = {"hidden_bias": True, "fit_intercept": True, "sample_weight": None}
    setting = Setting(n_blocks, cones, options)
    active = setting.active(setting.some_level())
    gradient = torch.tensor(setting.gradient)
    for tau in (1e12, 1e15, 1e18):
        step = setting.system.direction(gradient, active, tau)
        assert step.isfinite().all()
        assert float(step @ gradient) < 0
