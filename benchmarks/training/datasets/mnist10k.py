"""Test images of MNIST from the folder CONVEXRELU_MNIST, ten classes, a random part of them."""

import os

import numpy as np
from benchopt import BaseDataset

from benchmark_utils import common

if "CONVEXRELU_MNIST" not in os.environ:
    raise ImportError("CONVEXRELU_MNIST does not name the folder of the images")


class Dataset(BaseDataset):
    name = "mnist10k"
    parameters = {"n": [1000]}

    def get_data(self):
        chosen = np.random.default_rng(0).permutation(10_000)[: self.n]
        images, labels = (part[chosen] for part in common.mnist())
        # One scale for all pixels: many are almost constant.
        X = (images - images.mean(axis=0)) / images.std()
        return {"X": X, "y": labels.astype(float), "loss": "multinomial"}
