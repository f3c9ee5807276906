"""CRONOS: ADMM with preconditioned conjugate gradients in JAX, on sampled patterns, for three values of its penalty.

It is no package: CRONOS_PYTHON names a Python with JAX, CRONOS_FOLDER a clone of the authors' repository.
"""

import os

from benchmark_utils.worker import WorkerSolver

for variable in ("CRONOS_PYTHON", "CRONOS_FOLDER"):
    if variable not in os.environ:
        raise ImportError(f"{variable} is not set")


class Solver(WorkerSolver):
    name = "cronos"
    python = os.environ["CRONOS_PYTHON"]
    script = "cronos_worker.py"
    grace = 20.0  # besides compilation
    parameters = {
        "kind": ["ADMM"],
        "rho": [1.0, 10.0, 100.0],
        "n_patterns": [50],
        "time_limit": [10.0],
        "seed": [0],
    }

    def options(self):
        return os.environ["CRONOS_FOLDER"], self.n_patterns, self.rho, self.time_limit, self.seed
