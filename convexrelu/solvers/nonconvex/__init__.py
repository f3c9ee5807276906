"""Descent on the weights of a network."""
