"""Partitions of dask collections that belong together, and the workers that hold them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import dask
import distributed
import numpy as np

__all__ = ["Share", "checked_collection", "chunked_like", "computed", "joined", "shares_of"]


class Share(NamedTuple):
    """What one worker trains on.

    Attributes
    ----------
    worker : str
        Its address.
    parts : list of Future
        Tuples of inputs, targets, weights and exposures; consecutive partitions.
    """

    worker: str
    parts: list[distributed.Future]


def checked_collection(name: str, value: Any) -> Any:
    """A dask array or dataframe; a TypeError for other things."""
    if not dask.is_dask_collection(value) or not hasattr(value, "to_delayed"):
        raise TypeError(
            f"{name} is a {type(value).__name__}, expected a dask array or dataframe; use to_local() for data in "
            "memory"
        )
    if value.ndim == 2 and hasattr(value, "rechunk") and value.numblocks[1] > 1:
        return value.rechunk({1: -1})
    return value


def joined(parts: tuple[Any, ...], name: str) -> Any:
    """Consecutive rows as one array or frame."""
    shapes = {getattr(part, "shape", ())[1:] for part in parts}
    if len(shapes) > 1:
        found = " and ".join(str(("n", *shape)) for shape in sorted(shapes))
        raise ValueError(f"{name} has partitions of shapes {found}, expected one shape")
    if len(parts) == 1 or parts[0] is None:
        return parts[0]
    if hasattr(parts[0], "iloc"):
        import pandas as pd

        whole = pd.concat(parts)
        if whole.shape[1:] != parts[0].shape[1:]:
            raise ValueError(f"{name} has partitions with other columns than {[*parts[0].columns]}")
        return whole
    return np.concatenate(parts)


def computed(**values: Any) -> list[Any]:
    """What dask collections hold, computed together, also arrays with dataframes; other values as they are."""
    parts = {
        name: _delayed(checked_collection(name, value)) if dask.is_dask_collection(value) else value
        for name, value in values.items()
    }
    (found,) = dask.compute(parts)
    return [
        joined(tuple(found[name]), name) if dask.is_dask_collection(value) else value
        for name, value in values.items()
    ]


def shares_of(
    client: distributed.Client, X: Any, y: Any, sample_weight: Any = None, exposure: Any = None
) -> list[Share]:
    """Compute the partitions, and divide them among the workers that hold some of them.

    A worker gets consecutive partitions, as many as it holds; those that lie elsewhere are moved. So rows keep their
    order, on which the bits of a fit depend, wherever they are.

    Raises
    ------
    ValueError
        For partitions that do not fit together, or no rows at all.
    """
    others = {"y": y, "sample_weight": sample_weight, "exposure": exposure}
    futures = client.compute(_zipped(X, others))
    counts = client.gather(client.map(_counts, futures, pure=False))
    _check_counts(counts, list(others))
    full = [future for future, (n_rows, *_) in zip(futures, counts, strict=True) if n_rows]
    if not full:
        raise ValueError("X has no rows")
    return _divided(full, client.who_has(full))


def _zipped(X: Any, others: dict[str, Any]) -> list[Any]:
    """Delayed tuples of the partitions that have the same number."""
    columns = [_delayed(X)]
    for name, value in others.items():
        if value is None:
            columns.append([None] * len(columns[0]))
            continue
        parts = _delayed(chunked_like(X, name, value))
        if len(parts) != len(columns[0]):
            raise ValueError(
                f"{name} has {len(parts)} partitions, X has {len(columns[0])}; repartition one of them"
            )
        columns.append(parts)
    # Each is computed by itself: collections that were persisted stay where they are.
    return [dask.delayed(_as_tuple)(*parts) for parts in zip(*columns, strict=True)]


def chunked_like(X: Any, name: str, value: Any) -> Any:
    """Rows in the chunks of `X`, as far as arrays know theirs."""
    if not (hasattr(X, "chunks") and hasattr(value, "chunks")):
        return value
    known = not any(math.isnan(size) for size in (*X.chunks[0], *value.chunks[0]))
    if known and len(X) != len(value):
        raise ValueError(f"{name} has {len(value)} rows, X has {len(X)}")
    return value.rechunk({0: X.chunks[0]}) if known and X.chunks[0] != value.chunks[0] else value


def _delayed(collection: Any) -> list[Any]:
    return np.ravel(collection.to_delayed()).tolist()


def _as_tuple(*columns: Any) -> tuple[Any, ...]:
    return columns


def _counts(part: tuple[Any, ...]) -> tuple[int | None, ...]:
    return tuple(None if each is None else len(each) for each in part)


def _check_counts(counts: list[tuple[int | None, ...]], names: list[str]) -> None:
    for number, (n_rows, *others) in enumerate(counts):
        for name, count in zip(names, others, strict=True):
            if count not in (None, n_rows):
                raise ValueError(
                    f"{name} has {count} rows in partition {number}, X has {n_rows} there"
                )


def _divided(futures: list[distributed.Future], holders: Any) -> list[Share]:
    """Consecutive futures for every worker that holds some: as many as it holds, and the first ones for the first."""
    places: dict[str, list[int]] = {}
    for number, future in enumerate(futures):
        worker = min(holders[future.key], default="")
        places.setdefault(worker, []).append(number)
    if "" in places:
        raise RuntimeError("a worker ended, and the data that it held are lost; fit again")
    shares, start = [], 0
    for worker in sorted(places, key=lambda each: float(np.median(places[each]))):
        stop = start + len(places[worker])
        shares.append(Share(worker, futures[start:stop]))
        start = stop
    return shares
