"""Oracles built from other oracles: they reduce outputs, activations and biases to simpler ones."""
