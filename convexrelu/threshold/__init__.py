"""Threshold networks: training as a lasso over patterns, and the oracles that price threshold units."""

from convexrelu.threshold.oracles import (
    ThresholdPatternOracle,
    ThresholdSearchOracle,
    threshold_relaxation,
)
from convexrelu.threshold.sweep import ThresholdSweepOracle
from convexrelu.threshold.train import train_threshold

__all__ = [
    "ThresholdPatternOracle",
    "ThresholdSearchOracle",
    "ThresholdSweepOracle",
    "threshold_relaxation",
    "train_threshold",
]
