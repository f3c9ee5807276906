"""The handwritten digits of scikit-learn, ten classes."""

import numpy as np
from benchopt import BaseDataset
from sklearn.datasets import load_digits

from benchmark_utils import common


class Dataset(BaseDataset):
    name = "digits"
    parameters = {"n": [1797]}

    def get_data(self):
        X, y = load_digits(return_X_y=True)
        chosen = np.random.default_rng(0).permutation(len(y))[: self.n]
        X, _ = common.standardised(X[chosen], y[chosen])
        return {"X": X, "y": y[chosen].astype(float), "loss": "multinomial"}
