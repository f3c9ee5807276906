"""Elimination of the columns of samples, against dense matrices and rational numbers."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from convexrelu.solvers.native.free_columns import FreeColumns
from convexrelu.solvers.native.saddle_system import BlockSystem, OutputMap, OutputSystem
from convexrelu.solvers.native.softmax_system import Elimination, SoftmaxSystem

N, B, DIM = 9, 4, 3


def parts(n_outputs, seed=0, intercept=True, spread=0.0):
    rng = np.random.default_rng(seed)
    n_flat = N * n_outputs
    rows = torch.tensor(rng.standard_normal((N, DIM))).repeat_interleave(n_outputs, dim=0)
    outputs = OutputMap(rows, torch.tensor(rng.standard_normal((B, n_flat))))
    roots = rng.standard_normal((B, DIM, DIM))
    blocks = torch.tensor(roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(DIM))
    theta = torch.tensor(10.0 ** rng.uniform(-spread, spread, n_flat))
    free = FreeColumns.of(theta, n_outputs, intercept=intercept, of_samples=True)
    width = len(free.pull(theta))
    sides = [torch.tensor(rng.standard_normal(size)) for size in (n_flat, (B, DIM), width)]
    return outputs, free, blocks, theta, sides


def matrix_of(outputs, free, blocks, theta, width):
    """The matrix of the three equations, column by column."""
    A = torch.einsum("jo,od->ojd", outputs.masks, outputs.rows).flatten(1).numpy()
    E = np.column_stack([free.push(unit).numpy() for unit in torch.eye(width).double()])
    H = torch.block_diag(*blocks).numpy()
    zeros = np.zeros((B * DIM, width))
    return np.block(
        [
            [np.diag(1 / theta.numpy()), -A, -E],
            [A.T, H, zeros],
            [E.T, zeros.T, np.zeros((width, width))],
        ]
    )


@pytest.mark.parametrize("kind", [OutputSystem, BlockSystem])
@pytest.mark.parametrize("n_outputs", [2, 3, 5])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_solution_is_that_of_the_dense_matrix(kind, n_outputs, intercept):
    outputs, free, blocks, theta, sides = parts(n_outputs, 1, intercept)
    solution = SoftmaxSystem(kind, outputs, free, blocks, theta).solve(*sides)
    matrix = matrix_of(outputs, free, blocks, theta, len(sides[2]))
    right = np.concatenate([side.numpy().ravel() for side in sides])
    found = torch.cat([part.ravel() for part in solution]).numpy()
    np.testing.assert_allclose(found, np.linalg.solve(matrix, right), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind", [OutputSystem, BlockSystem])
def test_elimination_needs_no_refinement(kind):
    """Refinement would hide a wrong part of it, and take steps for that."""
    outputs, free, blocks, theta, sides = parts(3, 2)
    once = SoftmaxSystem(kind, outputs, free, blocks, theta)._once(*sides)
    matrix = matrix_of(outputs, free, blocks, theta, len(sides[2]))
    right = np.concatenate([side.numpy().ravel() for side in sides])
    found = torch.cat([part.ravel() for part in once]).numpy()
    np.testing.assert_allclose(matrix @ found, right, atol=1e-8)


@pytest.mark.parametrize("kind", [OutputSystem, BlockSystem])
@pytest.mark.parametrize("seed", range(5))
def test_curvatures_of_certain_classes(kind, seed):
    """All three equations hold to rounding, in their own units."""
    outputs, free, blocks, theta, (a, b, e) = parts(4, seed, spread=8.0)
    zeta, du, dc = SoftmaxSystem(kind, outputs, free, blocks, theta).solve(a, b, e)
    first = zeta / theta - outputs.push(du) - free.push(dc) - a
    second = outputs.pull(zeta) + torch.einsum("jkl,jl->jk", blocks, du) - b
    third = free.pull(zeta) - e
    scale = 1 + float(du.abs().max() + dc.abs().max() + zeta.abs().max())
    scale += float((zeta / theta).abs().max())
    for residual in (first, second, third):
        assert float(residual.abs().max()) <= 1e-10 * scale


@pytest.mark.parametrize("seed", range(3))
def test_factors_are_accurate_in_every_entry_however_uneven_curvatures_are(seed):
    theta = 10.0 ** np.random.default_rng(seed).uniform(-60, 0, 4)
    found = Elimination.of(torch.tensor(theta), 4)
    exact = [Fraction(value) for value in theta]
    tails = [sum(exact[k:]) for k in range(5)]
    curvature = [exact[k] * tails[k + 1] / tails[k] for k in range(3)]
    np.testing.assert_allclose(found.curvature().numpy(), [float(d) for d in curvature], rtol=1e-14)
    lower = np.column_stack([found.up(unit).numpy() for unit in torch.eye(3).double()])
    for k in range(3):
        column = [-exact[j] / tails[k + 1] if j > k else Fraction(j == k) for j in range(4)]
        np.testing.assert_allclose(lower[:, k], [float(entry) for entry in column], rtol=1e-14)


def test_products_of_the_factors_are_those_of_the_matrix():
    theta = torch.tensor([0.2, 0.5, 0.3, 2.0], dtype=torch.float64)
    found = Elimination.of(theta, 4)
    f = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    expected = theta * f - theta * (theta @ f) / theta.sum()
    torch.testing.assert_close(found.up(found.curvature() * found.down(f)), expected)
