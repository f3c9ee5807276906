"""Which cuts a round takes, of those that an oracle found."""

from __future__ import annotations

from convexrelu._utils.typing import Array
from convexrelu.oracles import OracleReport

__all__ = ["distinct_first", "oriented"]


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
