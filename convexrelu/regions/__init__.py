"""Linear regions of networks: exact numbers, bounds, lists, and what becomes of them in training."""

from convexrelu.regions.bounds import region_bound
from convexrelu.regions.cells import Region, list_regions
from convexrelu.regions.counting import (
    ball_region_bound,
    count_regions,
    count_regions_in_ball,
    count_regions_in_box,
)
from convexrelu.regions.sampling import sample_regions_in_ball, sample_regions_in_box

__all__ = [
    "Region",
    "ball_region_bound",
    "count_regions",
    "count_regions_in_ball",
    "count_regions_in_box",
    "list_regions",
    "region_bound",
    "sample_regions_in_ball",
    "sample_regions_in_box",
]
