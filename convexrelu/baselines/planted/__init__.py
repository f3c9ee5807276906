"""Networks recovered from the moments of Gaussian inputs, by decomposing tensors.

Awasthi, Tang & Vijayaraghavan 2021, "Efficient algorithms for learning depth-2 neural networks with general ReLU
activations", NeurIPS. :mod:`convexrelu.baselines.planted.moments` has the moments, and
:mod:`convexrelu.baselines.planted.recovery` the recovery.
"""

from convexrelu.baselines.planted.moments import (
    HermiteMoments,
    hermite_coefficients,
    population_moments,
    sample_moments,
)
from convexrelu.baselines.planted.recovery import recover_network
from convexrelu.baselines.planted.teacher import neuron_error, planted_network

__all__ = [
    "HermiteMoments",
    "hermite_coefficients",
    "neuron_error",
    "planted_network",
    "population_moments",
    "recover_network",
    "sample_moments",
]
