"""Accelerated first-order methods, for programs that are too large for Newton steps."""
