"""Masters for the finite programmes, and the cutting-plane loop around them."""
