"""Internal helpers: array types, norms, and checks of arguments."""
