"""What the torch solvers share: the module, its loss, and its weights as NumPy arrays."""

import numpy as np
import torch
from torch import nn

from benchmark_utils.network import Network


def tensors(X, y, loss, dtype):
    targets = torch.tensor(y[:, None], dtype=dtype)
    if loss == "multinomial":
        targets = torch.tensor(y, dtype=torch.long)
    return torch.tensor(X, dtype=dtype), targets


def module(n_features, n_outputs, seed, dtype, width):
    """Linear, ReLU, Linear, with torch's own first weights."""
    torch.manual_seed(seed)
    layers = nn.Linear(n_features, width), nn.ReLU(), nn.Linear(width, n_outputs)
    return nn.Sequential(*layers).to(dtype)


def penalised(net):
    """All parameters but the output intercept."""
    return [net[0].weight, net[0].bias, net[2].weight]


def data_fit(net, X, targets, loss):
    if loss == "multinomial":
        return nn.functional.cross_entropy(net(X), targets)
    return 0.5 * nn.functional.mse_loss(net(X), targets)


def as_network(net):
    parts = net[0].weight, net[0].bias, net[2].weight, net[2].bias
    return Network(*(part.detach().numpy().astype(np.float64) for part in parts))
