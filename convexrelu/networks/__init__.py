"""Networks: two layers with ReLU units, gated units or threshold units."""

from convexrelu.networks.gated import GatedNetwork
from convexrelu.networks.threshold import ThresholdNetwork
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["GatedNetwork", "ThresholdNetwork", "TwoLayerNetwork"]
