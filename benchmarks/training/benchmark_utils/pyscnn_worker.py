"""Train with pyscnn in its own environment; needs numpy and pyscnn only. Waits for a line before it starts.

    python pyscnn_worker.py FOLDER KIND N_PATTERNS DTYPE SEED

The bias is a column of ones, penalised as in the objective. pyscnn has no output intercept: the best one is added.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from scnn.activations import sample_gate_vectors
from scnn.metrics import Metrics
from scnn.models import ConvexGatedReLU, ConvexReLU
from scnn.optimize import optimize_model
from scnn.regularizers import NeuronGL1
from scnn.solvers import AL, ApproximateConeDecomposition


def main():
    folder, kind, n_patterns, dtype, seed = sys.argv[1:6]
    torch.set_num_threads(1)
    data = np.load(Path(folder, "data.npz"))
    X, y, alpha = data["X"], data["y"], float(data["alpha"])
    design = np.column_stack([X, np.ones(len(X))])
    train(design[:20], y[:20], 0.1, kind, 4, dtype, 0)
    print("ready", flush=True)
    sys.stdin.readline()
    inner, outer = train(design, y, alpha, kind, int(n_patterns), dtype, int(seed))
    print("done", flush=True)
    outputs = np.maximum(design @ inner.T, 0.0) @ outer.T
    np.savez(
        Path(folder, "network.npz"),
        hidden_weights=inner[:, :-1],
        hidden_bias=inner[:, -1],
        output_weights=outer,
        output_bias=np.mean(y[:, None] - outputs, axis=0),
    )


def train(design, y, alpha, kind, n_patterns, dtype, seed):
    """Inner weights of shape (m, d + 1) and outer ones of shape (1, m)."""
    gates = sample_gate_vectors(seed, design.shape[1], n_patterns)
    if kind == "AL":
        model = ConvexReLU(gates, c=1, bias=False)
        solver = AL(model)
    else:
        model = ConvexGatedReLU(gates, c=1, bias=False)
        solver = ApproximateConeDecomposition(model)
    trained, _ = optimize_model(
        model,
        solver,
        Metrics(),
        design,
        y[:, None],
        regularizer=NeuronGL1(alpha),
        unitize_data=False,
        dtype=dtype,
    )
    return [np.asarray(part, dtype=np.float64) for part in trained.parameters]


if __name__ == "__main__":
    main()
