"""How shallow networks train: walks, minima, cells and paths on a loss surface, beside the certified optimum."""

from convexrelu.landscape.barcode_display import BarcodeDisplay
from convexrelu.landscape.cell_paths import CellPath, join_in_cell
from convexrelu.landscape.cells import CellSummary, cell_summary
from convexrelu.landscape.certified_line import draw_optimum
from convexrelu.landscape.clouds import CloudWidths, cloud_widths, valley_widths
from convexrelu.landscape.connectivity import Connectivity, optimal_connectivity
from convexrelu.landscape.connectivity_display import ConnectivityDisplay, ConstantPathDisplay
from convexrelu.landscape.constant_paths import ConstantPath, direct_path, optimal_path
from convexrelu.landscape.curvature import Curvature, curvature, hessian_null_space
from convexrelu.landscape.heights import PathHeights, minimax_heights, path_heights
from convexrelu.landscape.ill_posedness import IllPosedness, ill_posedness
from convexrelu.landscape.linearity import (
    LinearUnits,
    Separability,
    layer_separability,
    linear_separability,
    linear_units,
)
from convexrelu.landscape.loss_gradient_display import LossGradientDisplay
from convexrelu.landscape.loss_landscape import LossLandscape
from convexrelu.landscape.minima import Minima, find_minima
from convexrelu.landscape.persistence import Barcode, barcode
from convexrelu.landscape.saturation import range_saturation, saturation
from convexrelu.landscape.splines import (
    Initialisation,
    SplineMotion,
    SplineMotionDisplay,
    initialisation,
    random_spline,
    spline_motion,
)
from convexrelu.landscape.spurious import SpuriousMinimum, spurious_minimum
from convexrelu.landscape.stability import (
    LeaveOneOut,
    interpolating_fit,
    leave_one_out,
    penalised_fit,
)
from convexrelu.landscape.symmetry import aligned
from convexrelu.landscape.vertices import (
    Decay,
    VertexDensity,
    VertexDescent,
    VertexDescentDisplay,
    loss_decay,
    random_network,
    vertex_density,
    vertex_descent,
    vertex_descents,
)
from convexrelu.landscape.walks import MACRO, MICRO, WalkProgress, Walks, walk

__all__ = [
    "MACRO",
    "MICRO",
    "Barcode",
    "BarcodeDisplay",
    "CellPath",
    "CellSummary",
    "CloudWidths",
    "Connectivity",
    "ConnectivityDisplay",
    "ConstantPath",
    "ConstantPathDisplay",
    "Curvature",
    "Decay",
    "IllPosedness",
    "Initialisation",
    "LeaveOneOut",
    "LinearUnits",
    "LossGradientDisplay",
    "LossLandscape",
    "Minima",
    "PathHeights",
    "Separability",
    "SplineMotion",
    "SplineMotionDisplay",
    "SpuriousMinimum",
    "VertexDensity",
    "VertexDescent",
    "VertexDescentDisplay",
    "WalkProgress",
    "Walks",
    "aligned",
    "barcode",
    "cell_summary",
    "cloud_widths",
    "curvature",
    "direct_path",
    "draw_optimum",
    "find_minima",
    "hessian_null_space",
    "ill_posedness",
    "initialisation",
    "interpolating_fit",
    "join_in_cell",
    "layer_separability",
    "leave_one_out",
    "linear_separability",
    "linear_units",
    "loss_decay",
    "minimax_heights",
    "optimal_connectivity",
    "optimal_path",
    "path_heights",
    "penalised_fit",
    "random_network",
    "random_spline",
    "range_saturation",
    "saturation",
    "spline_motion",
    "spurious_minimum",
    "valley_widths",
    "vertex_density",
    "vertex_descent",
    "vertex_descents",
    "walk",
]
