"""Barcodes of the sublevel sets of a loss over a set of minima."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.arguments import finite_array, float_array
from convexrelu._utils.typing import Array
from convexrelu.landscape.heights import PathHeights

__all__ = ["Barcode", "barcode"]


@dataclass(frozen=True, eq=False)
class Barcode:
    """One bar for each minimum: from its loss to the height at which a path leads to a lower one.

    Attributes
    ----------
    births : array of shape (k,)
        Losses of the minima, in increasing order.
    deaths : array of shape (k,)
        Heights of the passes to lower minima; infinite for the lowest minimum of all.
    minima : array of shape (k,)
        Which minimum a bar belongs to.

    Examples
    --------
    >>> from convexrelu.landscape import barcode
    >>> barcode([[0.0, 5.0, 4.0], [5.0, 1.0, 3.0], [4.0, 3.0, 2.0]]).lengths
    array([inf,  3.,  1.])
    """

    births: Array
    deaths: Array
    minima: NDArray[np.int_]

    @property
    def lengths(self) -> Array:
        """How far one has to climb from a minimum to reach a lower one."""
        return self.deaths - self.births


def barcode(heights: PathHeights | ArrayLike) -> Barcode:
    """0-dimensional persistence of the graph of minima and paths, by the library gudhi.

    A minimum enters at its loss, a path at its height. Where two components meet, the one with the higher minimum
    ends.

    Parameters
    ----------
    heights : PathHeights or array of shape (k, k)
        Heights of paths between minima; on the diagonal, the losses of the minima. Infinite where there is no path.

    Returns
    -------
    Barcode

    Raises
    ------
    ImportError
        Without gudhi, which ``pip install convexrelu[landscape]`` installs.

    References
    ----------
    Barannikov, Voronkova, Trofimov, Korotin, Sotnikov & Burnaev 2020, "Topological obstructions in neural networks
    learning".

    Notes
    -----
    The bars are those of a graph. They are at least as long as those of the landscape itself between these minima, as
    far as heights of paths are heights of passes or above; minima that were not found have no bars.

    Examples
    --------
    >>> from convexrelu.landscape import barcode
    >>> bars = barcode([[0.0, 5.0, 4.0], [5.0, 1.0, 3.0], [4.0, 3.0, 2.0]])
    >>> bars.births, bars.deaths
    (array([0., 1., 2.]), array([inf,  4.,  3.]))
    """
    matrix = heights.heights if isinstance(heights, PathHeights) else heights
    matrix = _checked(matrix)
    tree = _gudhi().SimplexTree()
    for i, row in enumerate(matrix):
        tree.insert([i], filtration=float(row[i]))
    for i, j in combinations(range(len(matrix)), 2):
        if np.isfinite(matrix[i, j]):
            tree.insert([i, j], filtration=float(matrix[i, j]))
    # Bars of length zero are kept, and minima without any path, whose complex has dimension zero.
    tree.compute_persistence(min_persistence=-1.0, persistence_dim_max=True)
    pairs = [(birth[0], death) for birth, death in tree.persistence_pairs() if len(birth) == 1]
    minima = np.array([birth for birth, _ in pairs], dtype=int)
    deaths = np.array([tree.filtration(death) if death else np.inf for _, death in pairs])
    births = matrix[minima, minima]
    order = np.lexsort((-deaths, births))
    return Barcode(births[order], deaths[order], minima[order])


def _checked(heights: ArrayLike) -> Array:
    matrix = float_array("heights", heights)
    if matrix.ndim != 2 or len(matrix) != matrix.shape[1] or not len(matrix):
        raise ValueError(f"heights has shape {matrix.shape}, expected (k, k)")
    losses = finite_array("diagonal of heights", np.diag(matrix))
    if np.isnan(matrix).any() or not np.array_equal(matrix, matrix.T):
        raise ValueError("heights is not symmetric")
    if (matrix < np.maximum(losses[:, None], losses)).any():
        raise ValueError("heights has a path that is below one of its ends")
    return matrix


def _gudhi() -> Any:
    try:
        import gudhi
    except ImportError as error:
        raise ImportError(
            "barcodes need gudhi; install it with pip install convexrelu[landscape]"
        ) from error
    return gudhi
