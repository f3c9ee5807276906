"""How many searches stand behind an estimate."""

import pytest

from convexrelu.training.searches import searches_for


@pytest.mark.parametrize(
    ("tol", "n"), [(1.0, 1), (1e-3, 1), (1e-4, 3), (1e-6, 10), (1e-9, 16), (0.0, 16)]
)
def test_smaller_tolerances_need_more_searches_up_to_a_limit(tol, n):
    assert searches_for(tol) == n
