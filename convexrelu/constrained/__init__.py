"""Training of networks that must behave: monotone in some features, or with non-negative outer weights."""

from convexrelu.constrained.neuron_class import NeuronClass
from convexrelu.constrained.train import train_in_class

__all__ = ["NeuronClass", "train_in_class"]
