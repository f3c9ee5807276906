"""Regression sets of OpenML by name, numeric columns only; needs a network."""

from benchopt import BaseDataset
from sklearn.datasets import fetch_openml

from benchmark_utils import regression


class Dataset(BaseDataset):
    name = "openml"
    parameters = {"set": ["boston", "bodyfat"], "n": [1700]}

    def get_data(self):
        table, y = fetch_openml(self.set, version=1, return_X_y=True, as_frame=True)
        X = table.select_dtypes("number").dropna(axis=1).to_numpy(float)
        y = y.to_numpy(float)
        return regression(X[: self.n], y[: self.n])
