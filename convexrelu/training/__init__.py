"""Training: options become objects, and cutting planes or a closed form find the network."""

from convexrelu.training.options import PATTERNS
from convexrelu.training.path import regularization_path
from convexrelu.training.train import train

__all__ = ["PATTERNS", "regularization_path", "train"]
