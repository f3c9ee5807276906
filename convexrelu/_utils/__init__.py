"""Array types, norms, and checks of arguments; for this package only."""
