"""Searches: estimates of ``M(v)`` by many local ascents."""

from convexrelu.oracles.search.one_output import SearchOracle
from convexrelu.oracles.search.starts import most_polished, random_starts

__all__ = ["SearchOracle", "most_polished", "random_starts"]
