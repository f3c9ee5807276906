"""Oracles made of other oracles: outputs, activations and biases reduced to simpler ones."""
