"""A solver that runs in an environment of its own, as a process that is started and warm before the clock starts."""

import select
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmark_utils.network import Network
from benchmark_utils.solver import TrainingSolver


class WorkerSolver(TrainingSolver):
    """Trains once, by a script beside this file. Who is not done in time is ended and leaves the constant zero.

    The script is given a folder with ``data.npz`` and the options. It prints "ready" once it has imported what it
    needs, waits for a line, trains, prints "done" and leaves ``network.npz``: the arrays of a `Network`, and
    ``setup_seconds`` if it knows them.
    """

    sampling_strategy = "run_once"
    python: str
    script: str
    grace = 0.0  # seconds more, for a script that keeps the limit itself

    def skip(self, X, y, alpha, loss):
        return loss != "squared_error", "squared error only"

    def options(self):
        """Command line of the script after the folder."""
        raise NotImplementedError

    def pre_run_hook(self, _):
        self.folder = tempfile.TemporaryDirectory()
        source = Path(self.folder.name, "data.npz")
        np.savez(source, X=self.X, y=self.y, alpha=self.alpha)
        command = self.python, Path(__file__).with_name(self.script), self.folder.name
        self.worker = subprocess.Popen(
            [*command, *map(str, self.options())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._expect("ready")

    def run(self, _):
        self.worker.stdin.write("go\n")
        self.worker.stdin.flush()
        limit = self.time_limit + self.grace
        done, _, _ = select.select([self.worker.stdout], [], [], limit)
        if done:
            self._expect("done")
        else:
            self.worker.kill()

    def _expect(self, word):
        if self.worker.stdout.readline().strip() != word:
            raise RuntimeError(f"{self.name} did not get as far as {word!r}")

    def get_result(self):
        self.worker.communicate()
        path = Path(self.folder.name, "network.npz")
        if path.exists():
            with np.load(path) as parts:
                parts = dict(parts)
            setup = parts.pop("setup_seconds", None)
            self.answer = {"network": Network(**parts)}
            if setup is not None:
                self.answer["setup_seconds"] = float(setup)
        self.folder.cleanup()
        return self.answer
