"""Train on a cluster of Spark: its ``TorchDistributor`` makes the processes.

    pip install pyspark
    python examples/spark_train.py

Not among the tests. It ran with Spark 4.3.
"""

import os

import numpy as np

from convexrelu import ConvexReLURegressor, distributed


def train_on_worker(folder, parameters):
    """What every process runs: TorchDistributor sets the environment of torchrun.

    Each reads its own files, which all machines must reach.
    """
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    files = sorted(name for name in os.listdir(folder) if name.endswith(".npz"))[rank::size]
    shards = [np.load(os.path.join(folder, name)) for name in files]
    X = np.concatenate([shard["X"] for shard in shards])
    y = np.concatenate([shard["y"] for shard in shards])
    return distributed.fit(ConvexReLURegressor(**parameters), X, y)


def main():
    """Train with two processes on this machine."""
    import tempfile

    from pyspark.ml.torch.distributor import TorchDistributor
    from pyspark.sql import SparkSession

    session = SparkSession.builder.getOrCreate()
    random = np.random.RandomState(0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(4):
            X = random.standard_normal((1000, 3))
            np.savez(os.path.join(folder, f"{number}.npz"), X=X, y=np.abs(X[:, 0]) - X[:, 1])
        distributor = TorchDistributor(num_processes=2, local_mode=True, use_gpu=False)
        parameters = {"alpha": 0.02, "tol": 0.02, "random_state": 0}
        model = distributor.run(train_on_worker, folder, parameters)
    session.stop()
    print(model.certificate_)


if __name__ == "__main__":
    main()
