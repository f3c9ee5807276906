"""Multi-layer perceptrons of scikit-learn at width 100.

Their `alpha` is divided by the size of a batch, so it is given as the size times that of the objective. They leave
the hidden biases out of the penalty, a different problem: here they are judged by the objective of all others.
"""

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmark_utils.network import Network
from benchmark_utils.solver import TrainingSolver


class Solver(TrainingSolver):
    name = "sklearn-mlp"
    sampling_strategy = "run_once"
    # L-BFGS counts iterations, Adam epochs; the rate is Adam's.
    parameters = {
        "kind, rate, max_iter": [("lbfgs", 1e-3, 1000), ("adam", 1e-3, 500), ("adam", 1e-2, 500)],
        "seed": [0],
    }

    def warm_up(self):
        self._fit(max_iter=2)

    def run(self, _):
        fitted = self._fit(self.max_iter)
        hidden, output = fitted.coefs_
        self.answer = {
            "network": Network(hidden.T, fitted.intercepts_[0], output.T, fitted.intercepts_[1])
        }

    def _fit(self, max_iter):
        batch = len(self.y) if self.kind == "lbfgs" else min(200, len(self.y))
        make = MLPRegressor if self.loss == "squared_error" else MLPClassifier
        model = make(
            hidden_layer_sizes=(100,),
            solver=self.kind,
            alpha=batch * self.alpha,
            batch_size=batch,
            learning_rate_init=self.rate,
            max_iter=max_iter,
            max_fun=15 * max_iter,
            tol=1e-7,
            random_state=self.seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(self.X, self.y)
