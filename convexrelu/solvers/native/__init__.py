"""PyTorch solvers for the finite programs, which exploit their block structure."""
