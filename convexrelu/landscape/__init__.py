"""How shallow networks train: walks, minima, cells and paths on a loss surface, beside the certified optimum."""

from convexrelu.landscape.barcode_display import BarcodeDisplay
from convexrelu.landscape.certified_line import draw_optimum
from convexrelu.landscape.clouds import CloudWidths, cloud_widths, valley_widths
from convexrelu.landscape.curvature import Curvature, curvature, hessian_null_space
from convexrelu.landscape.heights import PathHeights, minimax_heights, path_heights
from convexrelu.landscape.ill_posedness import IllPosedness, ill_posedness
from convexrelu.landscape.loss_gradient_display import LossGradientDisplay
from convexrelu.landscape.loss_landscape import LossLandscape
from convexrelu.landscape.minima import Minima, find_minima
from convexrelu.landscape.persistence import Barcode, barcode
from convexrelu.landscape.saturation import range_saturation, saturation
from convexrelu.landscape.symmetry import aligned
from convexrelu.landscape.walks import MACRO, MICRO, WalkProgress, Walks, walk

__all__ = [
    "MACRO",
    "MICRO",
    "Barcode",
    "BarcodeDisplay",
    "CloudWidths",
    "Curvature",
    "IllPosedness",
    "LossGradientDisplay",
    "LossLandscape",
    "Minima",
    "PathHeights",
    "WalkProgress",
    "Walks",
    "aligned",
    "barcode",
    "cloud_widths",
    "curvature",
    "draw_optimum",
    "find_minima",
    "hessian_null_space",
    "ill_posedness",
    "minimax_heights",
    "path_heights",
    "range_saturation",
    "saturation",
    "valley_widths",
    "walk",
]
