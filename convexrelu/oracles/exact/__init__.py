"""Exact pricing: sweeps, lists of cells, samples on a line, spike-free data."""
