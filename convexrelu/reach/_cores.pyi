from numpy.typing import NDArray

def price(
    rows: NDArray,
    n: int,
    d: int,
    tableau: NDArray,
    places: NDArray,
    decided: NDArray,
    wish: NDArray,
    order: NDArray,
    n_wishes: int,
    room: float,
    charged: NDArray,
    first: NDArray,
    outcome: NDArray,
    /,
) -> None: ...
