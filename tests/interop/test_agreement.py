"""A module or regressor that computes something else than its weights say gets no certificate."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from convexrelu import TwoLayerNetwork, certify

RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, 2))
Y = np.abs(X[:, 0]) + X[:, 1]


def make(first=nn.Linear, middle=nn.ReLU, whole=nn.Sequential, dtype=torch.float64):
    torch.manual_seed(0)
    return whole(first(2, 5), middle(), nn.Linear(5, 1)).to(dtype)


def outputs(module, dtype=torch.float64):
    with torch.no_grad():
        return module.eval()(torch.tensor(X, dtype=dtype)).double().numpy()


class TripleLinear(nn.Linear):
    def forward(self, x):
        return 3 * super().forward(x)


class CappedReLU(nn.ReLU):
    def forward(self, x):
        return super().forward(x).clamp(max=0.5)


class Residual(nn.Sequential):
    def forward(self, x):
        return super().forward(x) + x[:, :1]


class Training(nn.ReLU):
    """Adds noise in training only."""

    def forward(self, x):
        return super().forward(x + torch.randn_like(x) if self.training else x)


class AlwaysDropout(nn.Linear):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), training=True)


class TwoValued(nn.Sequential):
    def forward(self, x):
        return super().forward(x), x


def with_hook(place, hook):
    module = make()
    (module if place is None else module[place]).register_forward_hook(hook)
    return module


OTHERS = {
    "layer of a subclass": make(first=TripleLinear),
    "activation of a subclass": make(middle=CappedReLU),
    "module of a subclass": make(whole=Residual),
    "always random": make(first=AlwaysDropout),
    "two results": make(whole=TwoValued),
    "hook on the output": with_hook(2, lambda module, inputs, out: 3 * out),
    "hook on the module": with_hook(None, lambda module, inputs, out: 3 * out),
    "hook on the activation": with_hook(1, lambda module, inputs, out: out + 1),
    "hook of another shape": with_hook(None, lambda module, inputs, out: out[:1]),
    "hook that fails": with_hook(0, lambda module, inputs, out: 1 / 0),
    "hook of complex numbers": with_hook(None, lambda module, inputs, out: out + 1j),
    "hook of NaN": with_hook(None, lambda module, inputs, out: out / 0 * 0),
}


@pytest.mark.parametrize("case", OTHERS)
def test_other_functions_are_refused(case):
    module = OTHERS[case]
    with pytest.raises(ValueError, match="module"):
        TwoLayerNetwork.from_torch(module)
    with pytest.raises(ValueError, match="network_or_module is no two-layer ReLU network: module"):
        certify(module, X, Y, alpha=0.1)


def test_a_function_that_differs_on_the_samples_only():
    sample = torch.tensor(X[3])
    module = with_hook(None, lambda m, inputs, out: out + (inputs[0] == sample).all(1, True))
    assert TwoLayerNetwork.from_torch(module).width == 5
    with pytest.raises(ValueError, match="another function than the network of its weights"):
        certify(module, X, Y, alpha=0.1)


class Halved(nn.Module):
    def forward(self, weight):
        return weight / 2


def parametrised():
    module = make()
    parametrize.register_parametrization(module[0], "weight", Halved())
    return module


def old_weight_norm():
    """Its weights are those of the last call: here they are old."""
    module = make()
    with pytest.warns(FutureWarning, match="weight_norm"):
        nn.utils.weight_norm(module[0])
    with torch.no_grad():
        module[0].weight_g.mul_(2)
    return module


def spectral():
    module = make()
    parametrizations.spectral_norm(module[0])
    return module


def weight_norm():
    module = make()
    parametrizations.weight_norm(module[2])
    return module


def old_spectral_norm():
    module = make()
    nn.utils.spectral_norm(module[0])
    return module


def pruned():
    module = make()
    prune.random_unstructured(module[0], "weight", 0.5)
    return module


def harmless_subclasses():
    class Linear(nn.Linear):
        pass

    return make(first=Linear, middle=Training)


def counted():
    return with_hook(1, lambda module, inputs, out: None)


@pytest.mark.parametrize(
    "build",
    [
        parametrised,
        old_weight_norm,
        weight_norm,
        old_spectral_norm,
        spectral,
        pruned,
        harmless_subclasses,
        counted,
    ],
)
def test_the_function_of_evaluation_mode_is_read(build):
    """And nothing in the module changes, although it is in training mode."""
    module = build().train()
    before = copy.deepcopy(dict(module.state_dict()))
    network = TwoLayerNetwork.from_torch(module, X)
    assert all(part.training for part in module.modules())
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
    np.testing.assert_allclose(network.forward(X), outputs(module), rtol=1e-12, atol=1e-12)
    certificate = certify(module, X, Y, alpha=0.1)
    assert certificate.objective == certify(network, X, Y, alpha=0.1).objective


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e2])
@pytest.mark.parametrize(
    ("dtype", "factor"),
    [
        (torch.float64, 1 + 1e-9),
        (torch.float32, 1.01),
        (torch.float16, 1.5),
        (torch.bfloat16, 3.0),
    ],
)
def test_rounding_is_no_difference(dtype, factor, scale):
    """In shorter types too; and this factor is none, although outputs are small sums of large terms."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(30, 100), nn.ReLU(), nn.Linear(100, 2)).to(dtype)
    rows = scale * RNG.standard_normal((40, 30))
    network = TwoLayerNetwork.from_torch(module, rows)
    assert network.width == TwoLayerNetwork.from_torch(module).width == 100
    module.register_forward_hook(lambda module, inputs, out: factor * out)
    with pytest.raises(ValueError, match="another function"):
        TwoLayerNetwork.from_torch(module, rows)


def test_cancellation_is_no_difference():
    weights = RNG.standard_normal((3, 2)), RNG.standard_normal(3)
    outer = 1e6 * RNG.standard_normal((1, 3))
    network = TwoLayerNetwork(
        np.vstack([weights[0]] * 2), np.tile(weights[1], 2), np.hstack([outer, -outer]), [1e-9]
    )
    assert TwoLayerNetwork.from_torch(network.to_torch(dtype=torch.float32), X).width == 6


def test_sparse_inputs():
    assert TwoLayerNetwork.from_torch(make(), csr_array(X)).width == 5


UNREADABLE = {
    "meta": lambda: make().to("meta"),
    "complex": lambda: nn.Sequential(
        nn.Linear(2, 5, dtype=torch.complex64), nn.ReLU(), nn.Linear(5, 1, dtype=torch.complex64)
    ),
    "lazy": lambda: nn.Sequential(nn.LazyLinear(5), nn.ReLU(), nn.Linear(5, 1)),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_parameters_without_real_values_are_refused(case):
    with pytest.raises(ValueError, match=r"module has .* parameter '0\.weight'"):
        certify(UNREADABLE[case](), X, Y, alpha=0.1)


def fitted(X, Y):
    regressor = MLPRegressor(hidden_layer_sizes=[4], solver="lbfgs", max_iter=15, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return regressor.fit(X, Y)


class Doubled(MLPRegressor):
    def predict(self, X):
        return 2 * super().predict(X)


def test_regressors_that_predict_something_else_are_refused():
    regressor = fitted(X, Y)
    assert certify(regressor, X, Y, alpha=0.1).is_proof
    regressor.__class__ = Doubled
    with pytest.raises(ValueError, match="regressor is another function"):
        TwoLayerNetwork.from_sklearn(regressor)
    with pytest.raises(ValueError, match="regressor is another function"):
        certify(regressor, X, Y, alpha=0.1)


def test_regressors_of_tables_and_of_single_precision():
    table = pd.DataFrame(X, columns=["a", "b"])
    assert certify(fitted(table, Y), table, Y, alpha=0.1).is_proof
    single = fitted(X.astype(np.float32), Y.astype(np.float32))
    assert certify(single, X, Y, alpha=0.1).is_proof


class TripleNetwork(TwoLayerNetwork):
    def forward(self, X):
        return 3 * super().forward(X)


class NamedNetwork(TwoLayerNetwork):
    name = "a network"


def test_networks_of_a_subclass():
    parts = [[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [[1.0, 0.5]], [0.0]
    expected = certify(TwoLayerNetwork(*parts), X, Y, alpha=0.1).objective
    assert certify(NamedNetwork(*parts), X, Y, alpha=0.1).objective == expected
    with pytest.raises(ValueError, match="TripleNetwork predicts other outputs"):
        certify(TripleNetwork(*parts), X, Y, alpha=0.1)
