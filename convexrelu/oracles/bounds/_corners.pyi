from numpy.typing import NDArray

MAX_RANK: int
MAX_OPEN: int

def explore(
    up: NDArray,
    up_sizes: NDArray,
    down: NDArray,
    down_sizes: NDArray,
    n_up: int,
    n_down: int,
    rank: int,
    face: int,
    n_free: int,
    target: float,
    narrowest: float,
    max_work: float,
    boxes: NDArray,
    outcome: NDArray,
    /,
) -> None: ...
