"""Train on a cluster of Ray: its ``TorchTrainer`` makes the process group.

    pip install "ray[train]"
    python examples/ray_train.py

Not among the tests. It ran with Ray 2.60.
"""

import pickle
import tempfile
from pathlib import Path

import numpy as np

from convexrelu import ConvexReLURegressor, distributed

FEATURES, TARGET = ["a", "b", "c"], "y"


def train_on_worker(config):
    """What every worker runs, in a process group that is ready."""
    import ray.train

    shard = ray.train.get_dataset_shard("train")
    batches = list(shard.iter_batches(batch_size=65536, batch_format="numpy"))
    X = np.concatenate([np.column_stack([batch[name] for name in FEATURES]) for batch in batches])
    y = np.concatenate([batch[TARGET] for batch in batches])

    model = distributed.fit(ConvexReLURegressor(**config), X, y)

    certificate = model.certificate_
    metrics = {"objective": certificate.objective, "gap": certificate.relative_gap}
    if ray.train.get_context().get_world_rank() > 0:  # all of them have the same
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.pickle").write_bytes(pickle.dumps(model))
        ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))


def main():
    """Train with two workers."""
    import pandas as pd
    import ray.data
    from ray.train import ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    frame = pd.DataFrame(np.random.RandomState(0).standard_normal((4000, 3)), columns=FEATURES)
    frame[TARGET] = frame["a"].abs() - frame["b"]
    trainer = TorchTrainer(
        train_on_worker,
        train_loop_config={"alpha": 0.02, "tol": 0.02, "random_state": 0},
        scaling_config=ScalingConfig(num_workers=2),
        torch_config=TorchConfig(backend="gloo"),
        datasets={"train": ray.data.from_pandas(frame)},
    )
    print(trainer.fit().metrics)


if __name__ == "__main__":
    main()
