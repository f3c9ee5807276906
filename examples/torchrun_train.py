"""Train on rows that several processes share, under ``torchrun``.

    torchrun --nproc-per-node 4 examples/torchrun_train.py

works alone, too. On several machines, see the manual of torchrun: nothing changes here.
"""

import os

import numpy as np

from convexrelu import ChunkedProblem, ConvexReLUClassifier, distributed

N_SAMPLES, N_FEATURES = 4000, 5


def own_rows(rank, size):
    """The rows of one process; in earnest these come from its own file, say ``np.load(..., mmap_mode="r")``."""
    random = np.random.RandomState(0)
    X = random.standard_normal((N_SAMPLES, N_FEATURES))
    y = np.abs(X[:, 0]) - np.maximum(X[:, 1] + X[:, 2], 0) + 0.1 * random.standard_normal(N_SAMPLES)
    return np.array_split(X, size)[rank], np.array_split(y, size)[rank]


def main():
    """Train a network, and fit a classifier."""
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    X, y = own_rows(rank, size)

    result = distributed.train(ChunkedProblem(X, y, alpha=0.02), tol=0.02, random_state=0)

    labels = np.where(y > 1, "large", "small")
    model = ConvexReLUClassifier(alpha=0.02, tol=0.02, random_state=0)
    distributed.fit(model, X, labels)

    if rank == 0:  # all of them have the same
        print("train:", result.certificate)
        print("fit:", model.certificate_)
        print("neurons:", result.network.width, model.network_.width)


if __name__ == "__main__":
    main()
