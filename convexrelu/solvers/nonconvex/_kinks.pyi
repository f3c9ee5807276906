from typing import Any

from numpy.typing import NDArray

LANES: int

def adam(
    gemm: Any,
    is_single: bool,
    may_own: bool,
    slope: float,
    n: int,
    d: int,
    m: int,
    n_outputs: int,
    width: float,
    decays: tuple[float, float, float],
    fits_intercept: bool,
    rows: NDArray,
    target: NDArray,
    weights: NDArray,
    starts: NDArray,
    steps: NDArray,
    penalty: NDArray,
    state: NDArray,
    /,
) -> None: ...
def pass_over(
    gemm: Any,
    is_single: bool,
    may_own: bool,
    slope: float,
    n: int,
    d: int,
    m: int,
    n_outputs: int,
    rows: NDArray,
    inner: NDArray,
    outer: NDArray,
    t: NDArray,
    pull: Any,
    out: NDArray,
    /,
) -> None: ...
def least_squares(
    gemm: Any,
    is_single: bool,
    may_own: bool,
    slope: float,
    n: int,
    d: int,
    m: int,
    n_outputs: int,
    rows: NDArray,
    inner: NDArray,
    outer: NDArray,
    scaled: NDArray,
    target: NDArray,
    weights: NDArray,
    intercept: NDArray,
    out: NDArray,
    /,
) -> None: ...
