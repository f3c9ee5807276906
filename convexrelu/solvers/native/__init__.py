"""Solvers of the finite programs in PyTorch, made for their block structure."""
