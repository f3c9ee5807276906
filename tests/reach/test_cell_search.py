"""Best-first search over cells, against all sign vectors one by one."""

import math

import numpy as np
import pytest

from benchmarks.reach.reference import lipschitz_by_signs, random_network
from convexrelu.reach.cell_search import CellSearch
from convexrelu.reach.cells import CellTree
from convexrelu.reach.reached import Reached
from convexrelu.reach.rectifiers import as_rectifiers
from convexrelu.reach.slopes import Slopes


def search_of(network, norm):
    rectifiers = as_rectifiers(network)
    tree, slopes = CellTree(rectifiers, None), Slopes(rectifiers, norm)
    reached = Reached(tree, slopes)
    root = tree.root()
    reached.take(np.asarray(root.point))
    return CellSearch(tree, slopes, reached, root, lambda: None), reached


@pytest.mark.parametrize("norm", [1, 2, math.inf])
@pytest.mark.parametrize("seed", [0, 3, 5, 11])
def test_bound_and_norm_agree_at_the_end_and_enclose_the_constant_before(seed, norm):
    network = random_network(seed)
    expected = lipschitz_by_signs(network, norm, None)
    for most in (0, 1, 4, math.inf):
        search, reached = search_of(network, norm)
        search.run(most=most)
        upper = max(search.bound, reached.value)
        assert reached.value <= expected * (1 + 1e-9) + 1e-12
        assert upper >= expected * (1 - 1e-12)
    assert upper == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert reached.value == pytest.approx(expected, rel=1e-9, abs=1e-12)
