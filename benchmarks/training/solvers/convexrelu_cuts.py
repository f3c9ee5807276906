"""Cutting planes of this library, default settings, looked at after every round."""

import warnings

from convexrelu import TrainingProblem, train
from convexrelu.results.status import SolverWarning

from benchmark_utils.network import Network
from benchmark_utils.solver import LONG, CurveSolver


class Solver(CurveSolver):
    name = "convexrelu"
    parameters = {"kind": ["cutting planes"], "time_limit": [LONG], "seed": [0, 1]}

    def get_next(self, stop_val):
        return stop_val + 1

    def warm_up(self):
        train(TrainingProblem(*self.few_data(), 0.1, loss=self.loss), tol=0.1, time_limit=2.0)

    def run(self, cb):
        cb()

        def look(entry):
            self.answer = _answer(entry.network, entry)
            cb()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SolverWarning)  # the table shows the gaps
            result = train(
                TrainingProblem(self.X, self.y, self.alpha, loss=self.loss),
                time_limit=self.time_limit,
                random_state=self.seed,
                progress=look,
            )
        self.answer = _answer(result.network, result.certificate) | {"final": True}
        cb()


def _answer(network, certificate):
    parts = "hidden_weights", "hidden_bias", "output_weights", "output_bias"
    return {
        "network": Network(*(getattr(network, part) for part in parts)),
        "lower_bound": certificate.lower_bound,
        "is_proof": certificate.is_proof,
    }
