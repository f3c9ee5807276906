"""pyscnn: augmented Lagrangian, and R-FISTA with its approximate cone decomposition, at their own tolerances.

It runs in an environment of its own, under the Python that PYSCNN_PYTHON names. The process is started and has imported
what it needs before the clock starts. One that is not done in time is ended and leaves
the constant zero.
"""

import os
import select
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmark_utils.network import Network
from benchmark_utils.solver import TrainingSolver

if "PYSCNN_PYTHON" not in os.environ:
    raise ImportError("PYSCNN_PYTHON does not name the Python of an environment with pyscnn")

WORKER = Path(__file__).parents[1] / "benchmark_utils" / "pyscnn_worker.py"


class Solver(TrainingSolver):
    name = "pyscnn"
    sampling_strategy = "run_once"
    parameters = {
        "kind": ["AL", "RFISTA+cones"],
        "n_patterns": [50],
        "dtype": ["float32"],
        "time_limit": [10.0],
        "seed": [0],
    }

    def skip(self, X, y, alpha, loss):
        return loss != "squared_error", "squared error only"

    def pre_run_hook(self, _):
        self.folder = tempfile.TemporaryDirectory()
        source = Path(self.folder.name, "data.npz")
        np.savez(source, X=self.X, y=self.y, alpha=self.alpha)
        options = self.kind, self.n_patterns, self.dtype, self.seed
        self.worker = subprocess.Popen(
            [os.environ["PYSCNN_PYTHON"], WORKER, self.folder.name, *map(str, options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._expect("ready")  # it has imported and warmed up

    def run(self, _):
        self.worker.stdin.write("go\n")
        self.worker.stdin.flush()
        done, _, _ = select.select([self.worker.stdout], [], [], self.time_limit)
        if done:
            self._expect("done")
        else:
            self.worker.kill()

    def _expect(self, word):
        if self.worker.stdout.readline().strip() != word:
            raise RuntimeError(f"pyscnn did not get as far as {word!r}")

    def get_result(self):
        self.worker.communicate()
        path = Path(self.folder.name, "network.npz")
        if path.exists():
            with np.load(path) as parts:
                self.answer = {"network": Network(**parts)}
        self.folder.cleanup()
        return self.answer
