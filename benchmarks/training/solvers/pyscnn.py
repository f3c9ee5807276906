"""pyscnn: augmented Lagrangian, and R-FISTA with its approximate cone decomposition, at their own tolerances."""

import os

from benchmark_utils.worker import WorkerSolver

if "PYSCNN_PYTHON" not in os.environ:
    raise ImportError("PYSCNN_PYTHON does not name the Python of an environment with pyscnn")


class Solver(WorkerSolver):
    name = "pyscnn"
    python = os.environ["PYSCNN_PYTHON"]
    script = "pyscnn_worker.py"
    parameters = {
        "kind": ["AL", "RFISTA+cones"],
        "n_patterns": [50],
        "dtype": ["float32"],
        "time_limit": [10.0],
        "seed": [0],
    }

    def options(self):
        return self.kind, self.n_patterns, self.dtype, self.seed
