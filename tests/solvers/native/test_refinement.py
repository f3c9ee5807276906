import numpy as np
import pytest
import torch

from convexrelu.solvers.native.refinement import refined


@pytest.mark.parametrize("seed", range(5))
def test_solutions_with_a_poor_factor_become_accurate(seed):
    """Two coupled equations, solved with a matrix that is wrong by a tenth."""
    rng = np.random.default_rng(seed)
    rows = torch.tensor(rng.standard_normal((8, 6)))
    matrix = rows @ rows.T + torch.eye(8, dtype=torch.float64)
    wrong = matrix + 0.1 * torch.diag(matrix.diagonal())
    right = torch.tensor(rng.standard_normal(8))

    def solve(a, b):
        solution = torch.linalg.solve(wrong, torch.cat([a, b]))
        return solution[:3], solution[3:]

    def rests(x, y):
        rest = right - matrix @ torch.cat([x, y])
        return rest[:3], rest[3:]

    found = torch.cat(refined(solve, rests, (right[:3], right[3:])))
    rough = torch.linalg.solve(wrong, right)
    exact = torch.linalg.solve(matrix, right)
    assert (found - exact).norm() <= 1e-4 * (rough - exact).norm()


def test_empty_parts_and_zeros_end_at_once():
    n_calls = []

    def solve(a, b):
        n_calls.append(1)
        return a / 2, b

    none = torch.zeros(0, dtype=torch.float64)
    found = refined(solve, lambda x, y: (-2 * x, y), (torch.zeros(3), none))
    assert not found[0].any() and len(found[1]) == 0
    assert len(n_calls) == 2
