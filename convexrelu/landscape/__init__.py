"""How shallow networks train: walks, minima, cells and paths on a loss surface, beside the certified optimum."""
