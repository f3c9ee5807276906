"""Regression sets that come with scikit-learn."""

from benchopt import BaseDataset
from sklearn.datasets import load_diabetes, make_friedman1

from benchmark_utils import regression


class Dataset(BaseDataset):
    name = "scikit"
    parameters = {"set": ["diabetes", "friedman1"], "n": [500]}

    def get_data(self):
        if self.set == "diabetes":
            X, y = load_diabetes(return_X_y=True)
        else:
            X, y = make_friedman1(self.n, noise=1.0, random_state=0)
        return regression(X[: self.n], y[: self.n])
