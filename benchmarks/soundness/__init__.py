"""An attack on soundness: random and nasty problems, claims of the package, and whatever refutes them."""
