"""To torch and back, and on to the exporters and optimisers."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from convexrelu import ConvexReLURegressor, TrainingProblem, TwoLayerNetwork, certify, train
from tests import reference
from tests.honest import assert_same_network

RNG = np.random.default_rng(0)
PARTS = ("hidden_weights", "hidden_bias", "output_weights", "output_bias")
INPUTS = RNG.standard_normal((50, 4))


def random_network(width=7, outputs=1, features=4):
    return TwoLayerNetwork(
        RNG.standard_normal((width, features)),
        RNG.standard_normal(width),
        RNG.standard_normal((outputs, width)),
        RNG.standard_normal(outputs),
    )


def run(module, inputs=INPUTS, dtype=torch.float64):
    with torch.no_grad():
        return module(torch.tensor(inputs, dtype=dtype)).numpy()


NETWORKS = {
    "one output": random_network(),
    "three outputs": random_network(outputs=3),
    "one neuron": random_network(width=1),
    "one feature": random_network(features=1),
    "no neuron": TwoLayerNetwork.constant(4, 2.5),
    "no neuron, two outputs": TwoLayerNetwork.constant(4, [2.5, -1.0]),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    return NETWORKS[request.param]


# To torch


def test_structure(network):
    module = network.to_torch()
    assert [type(layer) for layer in module] == [nn.Linear, nn.ReLU, nn.Linear]
    assert type(module) is nn.Sequential and not module.training
    assert module[0].in_features == network.n_features
    assert module[2].out_features == network.n_outputs
    assert module[0].out_features == module[2].in_features == max(network.width, 1)
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_outputs_are_the_same(network):
    inputs = INPUTS[:, : network.n_features]
    outputs = run(network.to_torch(), inputs)
    assert outputs.shape == (50, network.n_outputs)
    np.testing.assert_allclose(outputs, network.forward(inputs), rtol=0, atol=1e-12)


def test_double_is_the_default_and_single_is_close(network):
    inputs = INPUTS[:, : network.n_features]
    assert {p.dtype for p in network.to_torch().parameters()} == {torch.float64}
    module = network.to_torch(dtype=torch.float32)
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    outputs = run(module, inputs, torch.float32)
    np.testing.assert_allclose(outputs, network.forward(inputs), rtol=0, atol=1e-4)


def test_the_module_is_a_copy():
    network = random_network()
    before = network.forward(INPUTS)
    module = network.to_torch()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(network.forward(INPUTS), before)


def test_the_callers_generator_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    random_network().to_torch()
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden_weights", -1e300), ("output_weights", 1e39), ("output_bias", 1e300)],
)
def test_weights_that_overflow_a_shorter_type_are_refused(name, value):
    arrays = {part: np.array(getattr(random_network(), part)) for part in PARTS}
    arrays[name][..., 0] = value
    network = TwoLayerNetwork(**arrays)
    assert TwoLayerNetwork.from_torch(network.to_torch()).width == network.width
    with pytest.raises(ValueError, match=f"{name} has entries up to .*, which overflow"):
        network.to_torch(dtype=torch.float32)


def test_neurons_that_a_shorter_type_rounds_to_zero():
    network = TwoLayerNetwork([[1e-8, 0.0], [1.0, 0.0]], [0.0, 0.0], [[1.0, 1e-8]], [1e-9])
    with pytest.warns(UserWarning, match="float16 rounds the weights of 2 of 2 neurons to zero"):
        network.to_torch(dtype=torch.float16)
    network.to_torch(dtype=torch.float32)


@pytest.mark.parametrize("dtype", [torch.int32, torch.complex64, torch.bool])
def test_types_that_are_no_real_floats_are_refused(dtype):
    with pytest.raises(ValueError, match="dtype=torch"):
        random_network().to_torch(dtype=dtype)


# And back


def test_round_trip_is_exact(network):
    back = TwoLayerNetwork.from_torch(network.to_torch())
    assert_same_network(back if network.width else back.prune(), network)


def test_modules_of_torch_round_trip_exactly():
    module = nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Linear(6, 2))
    network = TwoLayerNetwork.from_torch(module)
    again = network.to_torch(dtype=torch.float32)
    for left, right in zip(module.parameters(), again.parameters(), strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize("biases", [(True, False), (False, True), (False, False)])
def test_missing_biases_are_zero(biases):
    hidden, output = biases
    module = nn.Sequential(
        nn.Linear(4, 6, bias=hidden, dtype=torch.float64),
        nn.ReLU(),
        nn.Linear(6, 2, bias=output, dtype=torch.float64),
    )
    network = TwoLayerNetwork.from_torch(module)
    assert network.hidden_bias.any() == hidden and network.output_bias.any() == output
    np.testing.assert_allclose(network.forward(INPUTS), run(module), rtol=0, atol=1e-12)


def test_later_training_does_not_change_the_network():
    module = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1)).double()
    network = TwoLayerNetwork.from_torch(module)
    before = network.forward(INPUTS)
    with torch.no_grad():
        module[0].weight.mul_(2.0)
    np.testing.assert_array_equal(network.forward(INPUTS), before)


OTHER_MODULES = {
    "Linear": nn.Linear(4, 1),
    "ReLU": nn.Sequential(nn.ReLU()),
    "": nn.Sequential(),
    "Linear, ReLU": nn.Sequential(nn.Linear(4, 4), nn.ReLU()),
    "Linear, Tanh, Linear": nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1)),
    "Linear, ELU, Linear": nn.Sequential(nn.Linear(4, 4), nn.ELU(), nn.Linear(4, 1)),
    "Linear, ReLU6, Linear": nn.Sequential(nn.Linear(4, 4), nn.ReLU6(), nn.Linear(4, 1)),
    "Linear, Dropout, ReLU, Linear": nn.Sequential(
        nn.Linear(4, 4), nn.Dropout(), nn.ReLU(), nn.Linear(4, 1)
    ),
    "Linear, ReLU, Linear, ReLU, Linear": nn.Sequential(
        nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1)
    ),
    "Conv1d, ReLU, Linear": nn.Sequential(nn.Conv1d(4, 4, 1), nn.ReLU(), nn.Linear(4, 1)),
}


@pytest.mark.parametrize("form", OTHER_MODULES)
def test_other_modules_are_refused(form):
    with pytest.raises(ValueError, match=rf"\({form}\), expected Sequential"):
        TwoLayerNetwork.from_torch(OTHER_MODULES[form])


class Functional(nn.Module):
    """Layers in the other order, a ReLU that is no module, a loss, and outputs of shape (n,)."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 1)
        self.loss = nn.MSELoss()
        self.first = nn.Linear(4, 4)

    def forward(self, x):
        return self.last(torch.relu(self.first(x))).squeeze(-1)


class Nested(nn.Module):
    def __init__(self, slope):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.LeakyReLU(slope))
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.body(x))


@pytest.mark.parametrize(
    "module", [Functional(), Nested(0.0), Nested(0.25)], ids=["functional", "nested", "leaky"]
)
def test_layers_are_found_in_other_modules(module):
    network = TwoLayerNetwork.from_torch(module.double())
    X = torch.randn(20, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        np.testing.assert_allclose(network.predict(X.numpy()), module(X), rtol=0, atol=1e-12)


class Tanh(Functional):
    def forward(self, x):
        return self.last(torch.tanh(self.first(x)))


def test_functions_of_another_kind_are_seen():
    with pytest.raises(ValueError, match="another function than the network"):
        TwoLayerNetwork.from_torch(Tanh())


def test_layers_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="do not fit together"):
        TwoLayerNetwork.from_torch(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(5, 1)))


def test_weights_that_are_not_finite_are_refused():
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    nn.init.constant_(module[0].weight, float("nan"))
    with pytest.raises(ValueError, match="hidden_weights contains NaN"):
        TwoLayerNetwork.from_torch(module)


def test_half_precision_is_read():
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1)).to(torch.bfloat16)
    network = TwoLayerNetwork.from_torch(module)
    np.testing.assert_array_equal(network.hidden_weights, module[0].weight.detach().double())


# Exporters


@pytest.mark.parametrize("name", ["one output", "no neuron"])
def test_torch_export(name):
    network = NETWORKS[name]
    batch = torch.export.Dim("batch")
    example = torch.tensor(INPUTS[:3])
    program = torch.export.export(network.to_torch(), (example,), dynamic_shapes=({0: batch},))
    np.testing.assert_allclose(run(program.module()), network.forward(INPUTS), rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["three outputs", "no neuron"])
def test_onnx_of_any_batch_size(tmp_path, name):
    network, path = NETWORKS[name], tmp_path / "network.onnx"
    torch.onnx.export(
        network.to_torch(dtype=torch.float32),
        (torch.zeros(3, 4),),
        path,
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        verbose=False,
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (argument,) = session.get_inputs()
    for rows in (1, 3, 50):
        (outputs,) = session.run(None, {argument.name: INPUTS[:rows].astype(np.float32)})
        expected = network.forward(INPUTS[:rows])
        np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-4)


# Fine-tuning


def regularised_loss(module, X, y, alpha):
    residual = module(torch.tensor(X))[:, 0] - torch.tensor(y)
    penalised = (module[0].weight, module[0].bias, module[2].weight)
    decay = sum(part.square().sum() for part in penalised)
    return 0.5 * residual.square().mean() + 0.5 * alpha * decay


@pytest.fixture(scope="module")
def fitted():
    X, y = reference.teacher(30, 2, 2, 0.1, 0)
    return ConvexReLURegressor(0.01, tol=1e-8, random_state=0).fit(X, y), X, y


def test_the_loss_in_torch_is_the_objective(fitted):
    model, X, y = fitted
    loss = regularised_loss(model.to_torch(), X, y, model.alpha).item()
    assert loss == pytest.approx(model.certificate_.objective, rel=1e-12)


@pytest.mark.parametrize(("rate", "steps", "rise"), [(1e-6, 1, 1e-9), (1e-3, 200, 1e-6)])
def test_gradient_descent_finds_nothing_better(fitted, rate, steps, rise):
    """Neurons whose kinks lie on samples make the loss rise a little: there, gradients are no descent."""
    model, X, y = fitted
    module, certificate = model.to_torch().train(), model.certificate_
    assert certificate.is_proof and certificate.relative_gap <= 1e-8
    optimiser = torch.optim.SGD(module.parameters(), lr=rate)
    for _ in range(steps):
        optimiser.zero_grad()
        regularised_loss(module, X, y, model.alpha).backward()
        optimiser.step()
        loss = regularised_loss(module, X, y, model.alpha).item()
        assert certificate.lower_bound <= loss <= certificate.objective * (1 + rise)


def test_gradient_descent_goes_on_from_an_unfinished_network():
    """Away from the optimum the exported weights have a gradient, and a small step lowers the loss."""
    X, y = reference.teacher(30, 2, 2, 0.1, 0)
    result = train(TrainingProblem(X, y, 0.01), start=None, max_iter=1, random_state=0)
    module = result.network.to_torch().train()
    before = regularised_loss(module, X, y, 0.01)
    before.backward()
    torch.optim.SGD(module.parameters(), lr=1e-3).step()
    after = regularised_loss(module, X, y, 0.01).item()
    assert result.certificate.lower_bound <= after <= before.item() * (1 + 1e-12)
    certificate = certify(module, X, y, alpha=0.01)
    assert certificate.objective == pytest.approx(after, rel=1e-12)


@pytest.mark.parametrize("slope", [0.01, 0.3, -1.0])
def test_slopes_go_there_and_back(slope):
    module = nn.Sequential(nn.Linear(4, 3), nn.LeakyReLU(slope), nn.Linear(3, 2)).double()
    network = TwoLayerNetwork.from_torch(module)
    assert network.negative_slope == slope
    X = torch.randn(20, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        np.testing.assert_allclose(network.forward(X.numpy()), module(X), rtol=0, atol=1e-12)
        np.testing.assert_allclose(network.to_torch()(X), module(X), rtol=0, atol=1e-12)


def test_a_skip_connection_becomes_neurons():
    arrays = [[1.0, 0.0]], [0.5], [[2.0]], [0.1]
    network = TwoLayerNetwork(*arrays, negative_slope=0.2, skip_weights=[[1.5, -3.0]])
    X = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = network.to_torch()(X)
    np.testing.assert_allclose(outputs, network.forward(X.numpy()), rtol=0, atol=1e-12)
    absolute = TwoLayerNetwork(*arrays, negative_slope=-1.0, skip_weights=[[1.5, -3.0]])
    with pytest.raises(ValueError, match="skip_weights"):
        absolute.to_torch()
