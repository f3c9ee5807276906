"""Regression sets of the UCI repository with at most 1700 samples; training part of split 0."""

import os

from benchopt import BaseDataset

from benchmark_utils import common

if "CONVEXRELU_UCI" not in os.environ:
    raise ImportError("CONVEXRELU_UCI does not name the folder of the UCI sets")


class Dataset(BaseDataset):
    name = "uci"
    parameters = {"set": list(common.SMALL_UCI)}

    def get_data(self):
        X, y = common.real_data(self.set)
        return {"X": X, "y": y, "loss": "squared_error"}
