"""Regularised loss of two-layer ReLU networks, and what is known below it.

    ½ · mean (f(x_i) − y_i)² + (alpha/2) Σ_j (‖w_j‖² + b_j² + ‖a_j‖²),   f(x) = Σ_j a_j relu(w_jᵀx + b_j) + c

or the mean cross-entropy instead. A solver that claims a lower bound hands it over with its network. It is not
believed: a second one, by an independent search at the residual of the network, is recorded beside the claim (the dual
point of the claim is not part of the library's result), and the report looks whether any run of any solver fell below
the claim.
"""

from benchopt import BaseObjective

from benchmark_utils.network import Network, objective, searched_bound


class Objective(BaseObjective):
    name = "Two-layer ReLU network"
    min_benchopt_version = "1.10"
    requirements = ["numpy", "scipy"]
    parameters = {"alpha": [1e-2, 1e-3, 1e-4]}
    test_dataset_name = "teacher"

    def set_data(self, X, y, loss):
        self.X, self.y, self.loss = X, y, loss

    def get_objective(self):
        return {"X": self.X, "y": self.y, "alpha": self.alpha, "loss": self.loss}

    def evaluate_result(
        self,
        network,
        lower_bound=float("nan"),
        is_proof=False,
        final=False,
        setup_seconds=float("nan"),
    ):
        problem = self.X, self.y, self.alpha, self.loss
        return {
            "value": objective(network, *problem),
            "width": len(network.hidden_bias),
            "lower_bound": lower_bound,
            "is_proof": is_proof,
            "searched_bound": searched_bound(network, *problem) if final else float("nan"),
            "setup_seconds": setup_seconds,
        }

    def get_one_result(self):
        n_outputs = 1 if self.loss == "squared_error" else int(self.y.max()) + 1
        return {"network": Network.constant(self.X.shape[1], [0.0] * n_outputs)}
