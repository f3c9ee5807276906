"""Import all of torch at once: an import that Ctrl-C cuts short breaks every later one in the process."""

from convexrelu._utils.imports import importing

with importing():
    import torch
    from torch import Tensor, nn

__all__ = ["Tensor", "check_device", "free_memory", "nn", "torch"]


def check_device(device: str) -> None:
    """Raise a ValueError for a device that torch does not have."""
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(f"device={device!r} is not available: {error}") from error


def free_memory(device: str) -> float:
    """Bytes that can still be allocated on a device, infinite where torch cannot tell."""
    if torch.device(device).type != "cuda":
        return float("inf")
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # for reuse
    return float(torch.cuda.mem_get_info(device)[0] + kept)
