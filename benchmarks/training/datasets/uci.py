"""Regression sets of the UCI repository by the names of their folders; training part of split 0."""

import os

from benchopt import BaseDataset

from benchmark_utils import common

if "CONVEXRELU_UCI" not in os.environ:
    raise ImportError("CONVEXRELU_UCI does not name the folder of the UCI sets")


class Dataset(BaseDataset):
    name = "uci"
    parameters = {"set": ["yacht"]}

    def get_data(self):
        X, y = common.real_data(self.set)
        return {"X": X, "y": y, "loss": "squared_error"}
