"""Other ways of training a two-layer network, to compare with: optimisers and losses for torch."""
