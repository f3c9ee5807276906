"""L-BFGS of torch in float64 with strong Wolfe line search at width 100, and once wider."""

import time

import torch

from benchmark_utils import descent
from benchmark_utils.solver import LONG, CurveSolver

STEPS_A_LOOK = 10


class Solver(CurveSolver):
    name = "torch-lbfgs"
    # The last has the time that cutting planes have.
    parameters = {
        "kind": ["lbfgs"],
        "seed, seconds, width": [(0, 3.0, 100), (1, 3.0, 100), (2, LONG, 300)],
    }

    def warm_up(self):
        seconds, self.seconds = self.seconds, 0.05
        self.run(lambda: True)
        self.seconds = seconds

    def run(self, cb):
        X, targets = descent.tensors(self.X, self.y, self.loss, torch.float64)
        self.net = net = descent.module(
            X.shape[1], self.n_outputs, self.seed, torch.float64, self.width
        )
        optimizer = torch.optim.LBFGS(
            net.parameters(),
            max_iter=STEPS_A_LOOK,
            history_size=20,
            line_search_fn="strong_wolfe",
            tolerance_grad=1e-9,
            tolerance_change=0.0,
        )

        def loss():
            optimizer.zero_grad()
            penalty = sum(part.square().sum() for part in descent.penalised(net))
            value = descent.data_fit(net, X, targets, self.loss) + 0.5 * self.alpha * penalty
            value.backward()
            return value

        spent, before, now = 0.0, float("inf"), float("inf")
        while cb() and spent < self.seconds and (now < before or now == float("inf")):
            started = time.perf_counter()
            before, now = now, optimizer.step(loss).item()
            spent += time.perf_counter() - started

    def get_result(self):
        return {"network": descent.as_network(self.net)}
