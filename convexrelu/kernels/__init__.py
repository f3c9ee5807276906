"""Kernels related to the convex programs: of infinite width, of gates, and of the learned features of a network."""

from convexrelu.kernels.features import kernel_alignment, network_kernel
from convexrelu.kernels.gated import ReweightedKernel, gated_kernel, reweighted_kernel
from convexrelu.kernels.tangent import tangent_kernel

__all__ = [
    "ReweightedKernel",
    "gated_kernel",
    "kernel_alignment",
    "network_kernel",
    "reweighted_kernel",
    "tangent_kernel",
]
