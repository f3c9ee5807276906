"""The linear systems of interior points, against dense matrices."""

import numpy as np
import pytest
import torch

from convexrelu.solvers.native.saddle_system import BlockSystem, OutputMap, OutputSystem

SYSTEMS = (OutputSystem, BlockSystem)
N, B, DIM = 30, 4, 3


def parts(seed=0, n_free=1, spread=0.0):
    rng = np.random.default_rng(seed)
    outputs = OutputMap(
        torch.tensor(rng.standard_normal((N, DIM))), torch.tensor(rng.standard_normal((B, N)))
    )
    roots = rng.standard_normal((B, DIM, DIM))
    blocks = torch.tensor(roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(DIM))
    theta = torch.tensor(10.0 ** rng.uniform(-spread, spread, N))
    free = torch.tensor(rng.standard_normal((N, n_free)))
    sides = [torch.tensor(rng.standard_normal(size)) for size in (N, (B, DIM), n_free)]
    return outputs, free, blocks, theta, sides


def dense(outputs):
    """``A`` of shape (N, B d̃), entry by entry."""
    A = np.zeros((N, B, DIM))
    for o in range(N):
        for j in range(B):
            A[o, j] = outputs.masks[j, o].item() * outputs.rows[o].numpy()
    return A.reshape(N, -1)


def test_the_map_and_its_adjoint():
    outputs, *_, (a, b, _) = parts()
    A = dense(outputs)
    np.testing.assert_allclose(outputs.push(b).numpy(), A @ b.numpy().ravel())
    np.testing.assert_allclose(outputs.pull(a).numpy().ravel(), A.T @ a.numpy())


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("n_free", [0, 1, 3])
def test_the_solution_is_that_of_the_dense_matrix(system, n_free):
    outputs, free, blocks, theta, sides = parts(1, n_free)
    zeta, du, dc = system(outputs, free, blocks, theta).solve(*sides)
    A, E, H = dense(outputs), free.numpy(), torch.block_diag(*blocks).numpy()
    matrix = np.block(
        [
            [np.diag(1 / theta.numpy()), -A, -E],
            [A.T, H, np.zeros((B * DIM, n_free))],
            [E.T, np.zeros((n_free, B * DIM + n_free))],
        ]
    )
    expected = np.linalg.solve(matrix, np.concatenate([side.numpy().ravel() for side in sides]))
    solution = torch.cat([zeta, du.ravel(), dc]).numpy()
    np.testing.assert_allclose(solution, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("seed", range(5))
def test_curvatures_from_nothing_to_kinks(system, seed):
    """All three equations hold to rounding, in their own units."""
    outputs, free, blocks, theta, (a, b, e) = parts(seed, spread=10.0)
    zeta, du, dc = system(outputs, free, blocks, theta).solve(a, b, e)
    first = zeta / theta - outputs.push(du) - free @ dc - a
    second = outputs.pull(zeta) + torch.einsum("jkl,jl->jk", blocks, du) - b
    third = free.T @ zeta - e
    scale = 1 + float(du.abs().max() + dc.abs().max() + zeta.abs().max())
    for residual in (first, second, third):
        assert float(residual.abs().max()) <= 1e-10 * scale
