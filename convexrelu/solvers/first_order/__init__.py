"""Accelerated gradient steps, for programs that are too large for Newton steps."""
