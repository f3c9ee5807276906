"""Fit on a cluster of Dask: here one of two local processes, in earnest ``Client("tcp://scheduler:8786")``.

python examples/dask_fit.py
"""

import dask.array as da
from distributed import Client

from convexrelu.dask import DaskConvexReLURegressor


def main():
    """Fit, and predict where the rows are."""
    with Client(n_workers=2, threads_per_worker=1, dashboard_address=":0") as client:
        random = da.random.default_rng(0)
        X = random.standard_normal((4000, 5), chunks=(1000, 5))
        y = abs(X[:, 0]) - da.maximum(X[:, 1] + X[:, 2], 0)
        X, y = client.persist([X, y])  # otherwise it is computed anew for predictions

        model = DaskConvexReLURegressor(alpha=0.02, tol=0.02, random_state=0, client=client)
        model.fit(X, y)
        error = ((model.predict(X) - y) ** 2).mean().compute()  # predictions are lazy

        print("fit:", model.certificate_)
        print("mean squared error:", round(float(error), 4))
        print("for data in memory:", model.to_local())


if __name__ == "__main__":
    main()
