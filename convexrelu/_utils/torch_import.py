"""Import all of torch at once: an import that Ctrl-C cuts short breaks every later one in the process."""

from convexrelu._utils.interruptions import interruptions_held

with interruptions_held():
    import torch
    from torch import Tensor, nn

__all__ = ["Tensor", "nn", "torch"]
