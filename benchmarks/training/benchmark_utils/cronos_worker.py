"""Train with CRONOS in its own environment; needs JAX and a clone of its repository only. Waits before it starts.

    python cronos_worker.py FOLDER CLONE N_PATTERNS RHO TIME_LIMIT SEED

Steps are taken until the two copies of the variables agree, or the time after the first step, which is compiled, is
up. The authors hand over the first copy; here the network of the second, which is sparse, is looked at too, and the
better one is returned. The bias is a column of ones, penalised as in the objective; there is no output intercept: the
best one is added.
"""

import os
import sys
import time
import types
from pathlib import Path

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp
import numpy as np

RANK = 10  # of the preconditioner
INNER = 20  # steps of conjugate gradients in one of ADMM
RATIO = 1.0  # length of dual steps
LOOK, AGREED = 10, 1e-4


def main():
    answers, sys.stdout = sys.stdout, sys.stderr  # CRONOS prints
    folder, clone, *options = sys.argv[1:7]
    n_patterns, rho, limit, seed = int(options[0]), *map(float, options[1:3]), int(options[3])
    parts = of_clone(Path(clone))
    data = np.load(Path(folder, "data.npz"))
    X, y, alpha = data["X"], data["y"], float(data["alpha"])
    design = np.column_stack([X, np.ones(len(X))])
    train(parts, design[:20, -3:], y[:20], 0.1, 4, rho, 0.1, 0)
    print("ready", file=answers, flush=True)
    sys.stdin.readline()
    copies, setup = train(parts, design, y, alpha, n_patterns, rho, limit, seed)
    print("done", file=answers, flush=True)
    networks = [as_network(blocks, design, y) for blocks in copies]
    losses = [objective(network, design, y, alpha) for network in networks]
    best = networks[int(np.argmin(np.nan_to_num(losses, nan=np.inf)))]
    np.savez(Path(folder, "network.npz"), setup_seconds=setup, **best)


def of_clone(clone):
    """Modules of the clone without the ``__init__`` of its packages, which import what is not needed here."""
    for name in ("utils", "models", "optimizers", "preconditioner"):
        package = types.ModuleType(name)
        package.__path__ = [str(clone / name)]
        sys.modules[name] = package
    from utils import linops_utils

    sys.modules["utils"].tensor_to_vec = linops_utils.tensor_to_vec
    sys.modules["utils"].vec_to_tensor = linops_utils.vec_to_tensor
    from models.cvx_relu_mlp import CVX_ReLU_MLP
    from optimizers import cronos
    from preconditioner import nystrom

    return types.SimpleNamespace(model=CVX_ReLU_MLP, steps=cronos, nystrom=nystrom)


def train(parts, design, y, alpha, n_patterns, rho, limit, seed):
    """Both copies of the blocks, each of shape (2, d + 1, P), and the seconds of everything before the steps.

    The program of CRONOS is a sum over samples where ours is a mean.
    """
    started = time.perf_counter()
    X, targets, beta = (jnp.asarray(part, jnp.float32) for part in (design, y, alpha * len(y)))
    model = parts.model(X, targets, n_patterns, beta, rho, jax.random.key(seed))
    model.init_model()
    n, d = design.shape
    U, S, model.seed = parts.nystrom.rand_nys_appx(model, RANK, "CReLU", model.seed)
    preconditioner = parts.nystrom.Nys_Precond(U, S, d, rho, n_patterns, "CReLU")
    state, ends = parts.steps.init_cronos_state(d, n, n_patterns), []
    while not ends or ends[-1] - ends[0] < limit:
        tol = 1 / (1 + len(ends)) ** 1.2  # as the authors have it
        state = parts.steps.cronos_step(state, model, preconditioner, beta, RATIO, INNER, tol)
        jax.block_until_ready(state)
        ends.append(time.perf_counter() - started)
        if len(ends) % LOOK == 0 and disagreement(state) < AGREED:
            break
    setup = 2 * ends[0] - ends[1] if len(ends) > 1 else ends[0]  # a step without its compilation
    return [np.asarray(blocks, dtype=np.float64) for blocks in (state.u, state.v)], setup


def disagreement(state):
    """Of the two copies of the blocks, and of their outputs and the slacks that are to be non-negative; relative."""
    apart = jnp.linalg.norm(state.u - state.v) + jnp.linalg.norm(state.Gu - state.s)
    return float(apart / (jnp.linalg.norm(state.u) + jnp.linalg.norm(state.Gu)))


def as_network(blocks, design, y):
    """Balanced neurons; those of the second half have negative outer weights."""
    inner = np.concatenate([blocks[0], blocks[1]], axis=1).T
    roots = np.sqrt(np.linalg.norm(inner, axis=1))
    inner = inner / np.where(roots > 0, roots, 1.0)[:, None]
    outer = np.where(np.arange(len(roots)) < blocks.shape[2], roots, -roots)
    outputs = np.maximum(design @ inner.T, 0.0) @ outer
    return {
        "hidden_weights": inner[:, :-1],
        "hidden_bias": inner[:, -1],
        "output_weights": outer[None],
        "output_bias": np.atleast_1d(np.mean(y - outputs)),
    }


def objective(network, design, y, alpha):
    """Regularised loss, to choose between the copies; the suite judges by its own."""
    inner = np.column_stack([network["hidden_weights"], network["hidden_bias"]])
    outer = network["output_weights"][0]
    residual = np.maximum(design @ inner.T, 0.0) @ outer + network["output_bias"] - y
    return 0.5 * np.mean(residual**2) + alpha * np.linalg.norm(inner, axis=1) @ np.abs(outer)


if __name__ == "__main__":
    main()
