"""The native solver on losses other than the squared error: what it passes on."""

import pytest

from convexrelu import Status
from convexrelu.solvers.native.solver import NativeSolver
from tests.solvers.native.test_loss_interior_point import assert_optimal, blocks_of, problem_of


@pytest.mark.parametrize("kind", ["relu", "gated"])
def test_both_programs(kind):
    problem = problem_of("hinge")
    blocks = blocks_of(problem)
    solution = getattr(NativeSolver(gap=1e-8), kind)(problem, blocks)
    assert_optimal(problem, blocks, solution, kind == "relu")


def test_time_limit():
    problem = problem_of("hinge")
    solution = NativeSolver().relu(problem, blocks_of(problem), time_limit=0.0)
    assert solution.status is Status.USER_LIMIT


def test_unknown_devices_are_refused():
    with pytest.raises(ValueError, match="device='nowhere' is not available"):
        NativeSolver(device="nowhere")
