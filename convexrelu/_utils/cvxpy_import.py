"""Import all of cvxpy at once: its solvers are compiled, and an import that Ctrl-C cuts short may not be repeatable."""

from convexrelu._utils.interruptions import interruptions_held

with interruptions_held():
    import cvxpy as cp

__all__ = ["cp"]
