"""Targets from a random network of k neurons with ten per cent of noise."""

from benchopt import BaseDataset

from benchmark_utils import common, regression


class Dataset(BaseDataset):
    name = "teacher"
    parameters = {"n, d, k": [(200, 5, 5), (500, 20, 10), (1000, 10, 5)], "seed": [0]}

    def get_data(self):
        X, y, _ = common.teacher(self.n, self.d, self.k, 0.1, self.seed)
        return regression(X, y)
