"""Sums over numbered terms whose rounding does not depend on who has added which of them.

Terms are the leaves of a binary tree over their numbers, and every node is the sum of its two children. A process adds
up the largest subtrees whose leaves it all has; these partial sums are nodes of the same tree whoever computes them.
"""

from __future__ import annotations

from collections.abc import Sequence

from convexrelu._utils.typing import Array

__all__ = ["subtrees", "sum_of_subtrees", "tree_sum"]

Node = tuple[int, int]  # first leaf, and number of leaves: a power of two that divides the first


def subtrees(first: int, last: int) -> list[Node]:
    """The largest subtrees that together have the leaves ``first … last − 1``, in order.

    Examples
    --------
    >>> subtrees(3, 9)
    [(3, 1), (4, 4), (8, 1)]
    """
    nodes = []
    while first < last:
        size = first & -first if first else 1 << (last - first).bit_length()
        while size > last - first:
            size //= 2
        nodes.append((first, size))
        first += size
    return nodes


def tree_sum(terms: Sequence[Array]) -> Array:
    """Sum of the leaves of one subtree, in the order of the tree.

    Examples
    --------
    >>> float(tree_sum([1e16, 1.0, -1e16, 1.0]))  # (1e16 + 1) + (−1e16 + 1)
    0.0
    """
    level = list(terms)
    while len(level) > 1:
        level = [level[k] + level[k + 1] for k in range(0, len(level) - 1, 2)] + level[
            len(level) & ~1 :
        ]
    return level[0]


def sum_of_subtrees(sums: dict[Node, Array]) -> Array:
    """Sum of all leaves, from those of subtrees that have each of them once.

    Examples
    --------
    >>> sum_of_subtrees({(0, 2): 3, (2, 1): 4, (3, 1): 5})
    12
    """
    sums = dict(sums)
    size = 1
    while len(sums) > 1:
        for first in sorted(first for first, width in sums if width == size):
            node, right = (first, size), (first + size, size)
            if first % (2 * size) == 0 and node in sums:
                # The last node of a level may lack a sibling: it moves up as it is.
                other = sums.pop(right, None)
                own = sums.pop(node)
                sums[first, 2 * size] = own if other is None else own + other
        size *= 2
    return next(iter(sums.values()))
