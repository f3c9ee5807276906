"""Test images of MNIST from the folder CONVEXRELU_MNIST, ten classes, a random part of them."""

import gzip
import os
from pathlib import Path

import numpy as np
from benchopt import BaseDataset

if "CONVEXRELU_MNIST" not in os.environ:
    raise ImportError("CONVEXRELU_MNIST does not name the folder of the images")


class Dataset(BaseDataset):
    name = "mnist10k"
    parameters = {"n": [1000]}

    def get_data(self):
        chosen = np.random.default_rng(0).permutation(10_000)[: self.n]
        images = _entries("t10k-images-idx3-ubyte.gz", 16).reshape(10_000, -1)[chosen] / 255.0
        labels = _entries("t10k-labels-idx1-ubyte.gz", 8)[chosen]
        # One scale for all pixels: many are almost constant.
        X = (images - images.mean(axis=0)) / images.std()
        return {"X": X, "y": labels.astype(float), "loss": "multinomial"}


def _entries(name, header):
    with gzip.open(Path(os.environ["CONVEXRELU_MNIST"]) / name) as file:
        return np.frombuffer(file.read(), dtype=np.uint8, offset=header)
