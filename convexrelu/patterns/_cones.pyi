from numpy.typing import NDArray

LANES: int

def project(
    n: int,
    d: int,
    normals: NDArray,
    columns: NDArray,
    inside: NDArray,
    index: NDArray,
    points: NDArray,
    levels: NDArray,
    rows: NDArray,
    held: NDArray,
    multipliers: NDArray,
    found: NDArray,
    most: int,
    violation: float,
    /,
) -> int: ...
