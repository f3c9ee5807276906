from collections.abc import Buffer

MAX_RANK: int
MAX_OPEN: int

def explore(
    up: Buffer,
    up_sizes: Buffer,
    down: Buffer,
    down_sizes: Buffer,
    n_up: int,
    n_down: int,
    rank: int,
    face: int,
    n_free: int,
    target: float,
    narrowest: float,
    max_work: float,
    boxes: Buffer,
    outcome: Buffer,
    /,
) -> None: ...
