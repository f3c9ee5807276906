"""Which cuts a round takes, of those that an oracle found."""

from __future__ import annotations

from convexrelu._utils.typing import Array
from convexrelu.oracles import OracleReport
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks
from convexrelu.training.masters import MANY_BLOCKS

__all__ = ["are_too_few", "distinct_first", "most_cuts", "new_cuts", "oriented"]

# Cuts per round: as many as there are blocks, within these limits; the last where programs are least squares of one
# output. There, with 400 instead of 100, programs take little longer, and half as many rounds lead to the same gap
# (diabetes, stock, alpha = 0.001).
_FEWEST, _MOST, _MOST_OF_LEAST_SQUARES = 12, 100, 400
# Pricing goes on as long as there are so many cuts, and their number grows by this factor.
_MANY, _FRUITFUL = 100, 1.1
# Violations that are smaller than this part of the tolerance leave a smaller gap than that, about twice as large as
# they are. There are hundreds, by programs that are solved roughly, and as cuts they take half of the time of programs
# (concrete, alpha = 0.003).
_SHARE_OF_TOL, _LEAST = 0.1, 1e-9


def most_cuts(problem: TrainingProblem, blocks: Blocks) -> int:
    """Number of cuts that a round takes."""
    most = _MOST_OF_LEAST_SQUARES if problem.is_least_squares else _MOST
    return min(max(_FEWEST, len(blocks)), most)


def new_cuts(problem: TrainingProblem, blocks: Blocks, report: OracleReport, tol: float) -> Blocks:
    """Witnesses that are violated by enough for a gap of `tol`, and not among the blocks; strongest first."""
    known = set(blocks.keys())
    found = Blocks(report.masks, report.signs, report.directions)
    level = problem.alpha * (1 + max(_LEAST, _SHARE_OF_TOL * tol))
    fresh = [
        i for i, key in enumerate(found.keys()) if report.values[i] > level and key not in known
    ]
    chosen = distinct_first(oriented(report), fresh)[: most_cuts(problem, blocks)]
    return found.select(chosen)


def are_too_few(problem: TrainingProblem, blocks: Blocks, n_before: int, n_now: int) -> bool:
    """Whether the same point is worth pricing again, where that has just found more cuts than before."""
    many = problem.is_least_squares and len(blocks) >= MANY_BLOCKS
    return many and n_now >= _MANY and n_before * _FRUITFUL < n_now < most_cuts(problem, blocks)


def oriented(report: OracleReport) -> Array:
    """Witnesses as vectors that are close if both their directions and their outer weights are."""
    if report.signs.ndim == 1:
        return report.directions * report.signs[:, None]
    products = report.directions[:, :, None] * report.signs[:, None, :]
    return products.reshape(len(products), products.shape[1] * products.shape[2])


def distinct_first(directions: Array, index: list[int]) -> list[int]:
    """Reorder `index`: first one for every direction (closer than eight degrees is the same), then the rest."""
    leaders: list[int] = []
    rest: list[int] = []
    for i in index:
        near = leaders and (directions[leaders] @ directions[i]).max() > 0.99
        (rest if near else leaders).append(i)
    return leaders + rest
