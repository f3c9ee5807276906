"""adelie: group-lasso path on sampled patterns, in compiled coordinate descent, with cones as linear constraints."""

import os

from benchmark_utils.worker import WorkerSolver

if "ADELIE_PYTHON" not in os.environ:
    raise ImportError("ADELIE_PYTHON does not name the Python of an environment with adelie")


class Solver(WorkerSolver):
    name = "adelie"
    python = os.environ["ADELIE_PYTHON"]
    script = "adelie_worker.py"
    parameters = {
        "kind": ["path"],
        "n_patterns": [50],
        "n_penalties": [20],
        "time_limit": [10.0],
        "seed": [0],
    }

    def options(self):
        return self.n_patterns, self.n_penalties, self.seed
