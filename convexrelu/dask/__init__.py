"""Estimators for Dask: rows that the workers of a cluster hold, as dask arrays or dataframes.

Needs the extra: ``pip install convexrelu[dask]``.
"""

try:
    import dask.array  # noqa: F401
    import distributed  # noqa: F401
except ImportError as error:
    raise ImportError(
        "convexrelu.dask needs dask and distributed: pip install convexrelu[dask]"
    ) from error

from convexrelu.dask.estimators import DaskConvexReLUClassifier, DaskConvexReLURegressor

__all__ = ["DaskConvexReLUClassifier", "DaskConvexReLURegressor"]
