"""What the solvers share: the problem as they are given it, and the network that they hand back."""

import numpy as np
from benchopt import BaseSolver
from benchopt.stopping_criterion import NoCriterion

from benchmark_utils.network import Network

LONG = 15.0  # seconds that cutting planes have, and one run each of the strongest peers


class TrainingSolver(BaseSolver):
    """A solver that keeps its answer in `answer`, at first the constant zero."""

    def set_objective(self, X, y, alpha, loss):
        self.X, self.y, self.alpha, self.loss = X, y, alpha, loss
        self.n_outputs = 1 if loss == "squared_error" else int(y.max()) + 1
        self.answer = {"network": Network.constant(X.shape[1], [0.0] * self.n_outputs)}

    def get_result(self):
        return self.answer

    def few_data(self):
        """Inputs and targets of the same kind, for a first call that is not timed."""
        y = self.y[:20] if self.n_outputs == 1 else np.arange(20.0) % 3
        return self.X[:20, :3], y


class CurveSolver(TrainingSolver):
    """One whose way is looked at; the looking is not timed. It stops by itself."""

    sampling_strategy = "callback"
    stopping_criterion = NoCriterion(strategy="callback")

    def get_next(self, stop_val):
        return max(stop_val + 1, int(1.1 * stop_val))
