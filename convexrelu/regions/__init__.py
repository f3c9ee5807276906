"""Linear regions of networks: exact numbers, bounds, lists, pieces of deep networks, training runs; and norms."""

from convexrelu.regions.bounds import region_bound
from convexrelu.regions.cells import Region, list_regions
from convexrelu.regions.counting import (
    ball_region_bound,
    count_regions,
    count_regions_in_ball,
    count_regions_in_box,
)
from convexrelu.regions.history import RegionHistory, boundary_distances, region_history
from convexrelu.regions.layers import widths_of
from convexrelu.regions.norms import path_norm, variation_norm
from convexrelu.regions.pieces import (
    PlanePieces,
    SegmentPieces,
    pieces_on_plane,
    pieces_on_segment,
)
from convexrelu.regions.sampling import sample_regions_in_ball, sample_regions_in_box
from convexrelu.regions.smooth import LinearApproximation, linear_approximation

__all__ = [
    "LinearApproximation",
    "PlanePieces",
    "Region",
    "RegionHistory",
    "SegmentPieces",
    "ball_region_bound",
    "boundary_distances",
    "count_regions",
    "count_regions_in_ball",
    "count_regions_in_box",
    "linear_approximation",
    "list_regions",
    "path_norm",
    "pieces_on_plane",
    "pieces_on_segment",
    "region_bound",
    "region_history",
    "sample_regions_in_ball",
    "sample_regions_in_box",
    "variation_norm",
    "widths_of",
]
