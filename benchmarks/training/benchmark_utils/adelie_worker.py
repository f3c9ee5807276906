"""Train with adelie in its own environment; needs NumPy and adelie only. Waits for a line before it starts.

    python adelie_worker.py FOLDER N_PATTERNS N_PENALTIES SEED

Group lasso over both signs of the patterns of random gates, with the cone of each block as linear constraints; solved
along penalties that fall to the one that is asked for, as the package is meant to be used. The bias is a column of
ones, penalised as in the objective, and the intercept is free.
"""

import sys
import time
from pathlib import Path

import adelie as ad
import numpy as np


def main():
    folder, *options = sys.argv[1:5]
    n_patterns, n_penalties, seed = map(int, options)
    data = np.load(Path(folder, "data.npz"))
    X, y, alpha = data["X"], data["y"], float(data["alpha"])
    design = np.column_stack([X, np.ones(len(X))])
    train(design[:20, -3:], y[:20], 0.1, 4, 2, 0)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        inner, signs, intercept, setup = train(design, y, alpha, n_patterns, n_penalties, seed)
    except (RuntimeError, IndexError) as error:  # it ended before the first penalty
        print(f"adelie: {error}", file=sys.stderr)
        print("done", flush=True)
        return
    print("done", flush=True)
    outer = np.linalg.norm(inner, axis=1)  # of unit inner weights: only the product is penalised
    inner = inner / np.where(outer > 0, outer, 1.0)[:, None]
    np.savez(
        Path(folder, "network.npz"),
        hidden_weights=inner[:, :-1],
        hidden_bias=inner[:, -1],
        output_weights=(signs * outer)[None],
        output_bias=np.atleast_1d(intercept),
        setup_seconds=setup,
    )


def train(design, y, alpha, n_patterns, n_penalties, seed):
    """Blocks of shape (2 P, d + 1), their signs, the intercept, and seconds before the solver."""
    started = time.perf_counter()
    rng = np.random.default_rng(seed)
    gates = rng.standard_normal((design.shape[1], n_patterns))
    masks = np.asfortranarray(design @ gates >= 0)
    d = design.shape[1]
    cones = [_cone((2.0 * mask - 1.0)[:, None] * design) for mask in np.vstack([masks.T, masks.T])]
    options = {
        "X": ad.matrix.convex_relu(np.asfortranarray(design), masks),
        "glm": ad.glm.gaussian(y=y),
        "groups": np.arange(0, 2 * n_patterns * d, d),
        "penalty": np.ones(2 * n_patterns),
        "constraints": cones,
        "progress_bar": False,
        "early_exit": False,
    }
    setup = time.perf_counter() - started
    path = alpha * np.geomspace(100, 1, n_penalties)
    state = ad.grpnet(lmda_path=path, **options)
    blocks = state.betas[-1].toarray().reshape(2 * n_patterns, d)
    return blocks, np.repeat([1.0, -1.0], n_patterns), float(state.intercepts[-1]), setup


def _cone(rows):
    """Non-negative on all of them; blocks may not share one."""
    n = len(rows)
    return ad.constraint.linear(np.ascontiguousarray(rows), np.zeros(n), np.full(n, np.inf))


if __name__ == "__main__":
    main()
