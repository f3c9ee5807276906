"""The program on patterns of random gates, solved by this library or by a conic solver through cvxpy.

Its certificate speaks of the sampled patterns only and is not recorded. Setup is the building and canonicalisation of
the cvxpy problem; it is part of the time.
"""

import time
import warnings

from convexrelu import TrainingProblem, train
from convexrelu.programs import ReLUProgram
from convexrelu.results.status import SolverWarning
from convexrelu.solvers.reference import CvxpySolver

from benchmark_utils.network import Network
from benchmark_utils.solver import TrainingSolver

MOST_SAMPLES_OF_ECOS = 500
ACCURACY = 1e-8  # what the library asks of these solvers at its default tolerance


class Solver(TrainingSolver):
    name = "sampled"
    sampling_strategy = "run_once"
    parameters = {
        "kind": ["native", "cvxpy:CLARABEL", "cvxpy:ECOS", "cvxpy:SCS"],
        "n_patterns": [50],
        "time_limit": [10.0],
        "seed": [0],
    }

    def skip(self, X, y, alpha, loss):
        # Several outputs have no conic program of fixed size: directions are generated one after the other.
        several = loss == "multinomial" and self.kind != "native"
        if several:
            return True, "several outputs"
        # It takes no limit on time: a hundred seconds with 1400 samples.
        endless = self.kind == "cvxpy:ECOS" and len(y) > MOST_SAMPLES_OF_ECOS
        return endless, "too many samples for ECOS" if endless else None

    def warm_up(self):
        self._train(TrainingProblem(*self.few_data(), 0.1, loss=self.loss), self._solver())

    def run(self, _):
        program_solver = self._solver()
        problem = TrainingProblem(self.X, self.y, self.alpha, loss=self.loss)
        network = self._train(problem, program_solver).network
        parts = network.hidden_weights, network.hidden_bias, network.output_weights
        self.answer = {"network": Network(*parts, network.output_bias)}
        if isinstance(program_solver, TimedSolver):
            self.answer["setup_seconds"] = program_solver.setup_seconds

    def _solver(self):
        return "auto" if self.kind == "native" else TimedSolver(self.kind.split(":")[1], ACCURACY)

    def _train(self, problem, program_solver):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SolverWarning)
            return train(
                problem,
                patterns="sampled",
                n_patterns=self.n_patterns,
                solver=program_solver,
                time_limit=self.time_limit,
                random_state=self.seed,
            )


class TimedSolver(CvxpySolver):
    """Tells the time for building and canonicalisation apart."""

    setup_seconds = 0.0

    def relu(self, problem, blocks, *, start=None, time_limit=None):
        started = time.perf_counter()
        program = ReLUProgram(problem, blocks.masks, blocks.signs)
        self.setup_seconds += time.perf_counter() - started
        solution = program.solve(self.solver, accuracy=self.accuracy, time_limit=time_limit)
        self.setup_seconds += program.cvxpy_problem.compilation_time or 0.0
        return solution
