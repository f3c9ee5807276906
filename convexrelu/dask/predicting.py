"""Predictions of a fitted estimator as dask collections, computed where the rows are."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
from numpy.typing import DTypeLike, NDArray
from sklearn.utils.validation import _check_feature_names, _check_n_features

from convexrelu.dask.partitions import checked_collection, chunked_like
from convexrelu.estimators.base import NetworkEstimator
from convexrelu.estimators.exposure import checked_exposure

__all__ = ["lazily", "times_exposure"]


def lazily(
    model: NetworkEstimator, method: str, X: Any, width: int | None, dtype: DTypeLike
) -> Any:
    """What a method of the model returns for the rows of a dask array or dataframe.

    Parameters
    ----------
    model : estimator
        Fitted, without a client.
    method : str
    X : dask array or dataframe
    width : int or None
        Columns of the result; None if it has one dimension.
    dtype : dtype
        Of the result.

    Returns
    -------
    dask array
    """
    X = checked_collection("X", X)
    if X.ndim != 2:
        raise ValueError(f"X has ndim={X.ndim}, expected 2")
    rows = X if hasattr(X, "chunks") else X._meta
    _check_feature_names(model, rows, reset=False)
    _check_n_features(model, rows, reset=False)
    options: dict[str, Any] = {"model": model, "method": method, "width": width, "kind": dtype}
    if hasattr(X, "chunks"):
        meta = np.empty((0,) if width is None else (0, 0), dtype=dtype)
        shape = {"drop_axis": 1} if width is None else {"chunks": (X.chunks[0], (width,))}
        return X.map_blocks(_predicted, **options, meta=meta, **shape)
    frame = _predicted_frame(rows, **options)
    return X.map_partitions(_predicted_frame, **options, meta=frame).values


def times_exposure(predicted: Any, exposure: Any) -> Any:
    """Predictions, a dask array, times the exposures of their rows, which are checked when they are computed."""
    exposure = checked_collection("exposure", exposure)
    if exposure.ndim != 1:
        raise ValueError(f"exposure has ndim={exposure.ndim}, expected 1")
    times = exposure if hasattr(exposure, "chunks") else exposure.values
    times = chunked_like(predicted, "exposure", times)
    if times.numblocks[0] != predicted.numblocks[0]:
        raise ValueError(
            f"exposure has {times.numblocks[0]} partitions, X has {predicted.numblocks[0]}; repartition one of them"
        )
    axes = "ij"[: predicted.ndim]
    return da.blockwise(
        _times, axes, predicted, axes, times, "i", meta=predicted._meta, align_arrays=False
    )


def _times(predicted: NDArray[Any], exposure: Any) -> NDArray[Any]:
    return (predicted.T * checked_exposure(exposure, len(predicted))).T


def _predicted(
    X: Any, model: NetworkEstimator, method: str, width: int | None, kind: DTypeLike
) -> NDArray[Any]:
    """Predictions for one block, which may be empty."""
    if len(X) == 0:
        return np.empty((0,) if width is None else (0, width), dtype=kind)
    return getattr(model, method)(X)


def _predicted_frame(X: pd.DataFrame, width: int | None, **options: Any) -> Any:
    """Predictions for one partition, with its index."""
    found = _predicted(X, width=width, **options)
    return pd.Series(found, X.index) if width is None else pd.DataFrame(found, X.index)
