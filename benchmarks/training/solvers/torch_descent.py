"""Full-batch gradient methods of torch in float32 , a grid of rates at width 100, and the best of it at a larger one.

``weight_decay=alpha`` on all parameters but the output intercept adds ``alpha θ`` to the gradient, which is the
gradient of the penalty. AdamW decays beside the gradient instead, ``θ ← θ − rate · alpha · θ``. No decay makes that
equivalent: its fixed points minimise the loss alone in a box, ``‖θ‖_∞ ≤ 1/decay`` (Xie & Li 2024, "Implicit Bias of
AdamW"). It is here because it is what many people would run. The cosine schedule ends at zero when seconds or steps are
over, whichever is first.
"""

import math
import time

import torch

from benchmark_utils import descent
from benchmark_utils.solver import LONG, CurveSolver

RATES = {
    "sgd": (0.03, 0.1, 0.3, 1.0),
    "momentum": (0.01, 0.03, 0.1, 0.3),
    "adam": (1e-3, 3e-3, 1e-2, 3e-2),
    "adam-cosine": (3e-3, 1e-2, 3e-2, 1e-1),
    "adamw": (3e-3, 1e-2),
}
# Kind, rate, seed, seconds, width. The strongest has a second seed, and once a larger width and more time.
SECONDS = {"adam-cosine": 3.0}  # the strongest; the others have two
GRID = [
    (kind, rate, 0, SECONDS.get(kind, 2.0), 100) for kind, rates in RATES.items() for rate in rates
]
GRID += [("adam-cosine", rate, 1, 3.0, 100) for rate in RATES["adam-cosine"]]
GRID += [("adam-cosine", 1e-2, 0, LONG, 300)]


class Solver(CurveSolver):
    name = "torch-descent"
    parameters = {"kind, rate, seed, seconds, width": GRID, "steps": [100_000]}

    def warm_up(self):
        seconds, self.seconds = self.seconds, 0.05
        self.run(lambda: True)
        self.seconds = seconds
        self.set_objective(self.X, self.y, self.alpha, self.loss)

    def run(self, cb):
        X, targets = descent.tensors(self.X, self.y, self.loss, torch.float32)
        net = descent.module(X.shape[1], self.n_outputs, self.seed, torch.float32, self.width)
        optimizer = self._optimizer(net)
        self.net = net
        spent = step = value = 0
        while cb() and math.isfinite(value):
            started = time.perf_counter()
            done = max(spent / self.seconds, step / self.steps)
            if done >= 1:
                break
            if self.kind == "adam-cosine":
                for group in optimizer.param_groups:
                    group["lr"] = self.rate * 0.5 * (1 + math.cos(math.pi * done))
            optimizer.zero_grad()
            loss = descent.data_fit(net, X, targets, self.loss)
            loss.backward()
            optimizer.step()
            value = loss.item()
            step += 1
            spent += time.perf_counter() - started

    def get_result(self):
        return {"network": descent.as_network(self.net)}

    def _optimizer(self, net):
        groups = [
            {"params": descent.penalised(net), "weight_decay": self.alpha},
            {"params": [net[2].bias], "weight_decay": 0.0},
        ]
        options = {"lr": self.rate, "fused": True}
        match self.kind:
            case "sgd":
                return torch.optim.SGD(groups, **options)
            case "momentum":
                return torch.optim.SGD(groups, momentum=0.9, **options)
            case "adamw":
                return torch.optim.AdamW(groups, **options)
            case _:
                return torch.optim.Adam(groups, **options)
