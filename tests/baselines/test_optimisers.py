from itertools import product

import numpy as np
import pytest

from convexrelu.baselines import GradientOnlyLineSearch, NormalisedGradient, PathSGD

torch = pytest.importorskip("torch")


def two_layers(seed, n_in=2, width=3, n_out=2):
    generator = torch.Generator().manual_seed(seed)
    module = torch.nn.Sequential(
        torch.nn.Linear(n_in, width, dtype=torch.float64),
        torch.nn.ReLU(),
        torch.nn.Linear(width, n_out, dtype=torch.float64),
    )
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return module


def rescaled(module, factors):
    other = two_layers(0, module[0].in_features, module[0].out_features, module[2].out_features)
    other.load_state_dict(module.state_dict())
    with torch.no_grad():
        other[0].weight *= factors[:, None]
        other[0].bias *= factors
        other[2].weight /= factors
    return other


def trained(module, optimiser, X, y, steps=3):
    for _ in range(steps):
        optimiser.zero_grad()
        (module(X) - y).square().mean().backward()
        optimiser.step()
    return module(X).detach().numpy()


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randn(8, 2, generator=generator, dtype=torch.float64) for _ in range(2))


def test_path_sgd_does_not_see_scales(data):
    factors = torch.tensor([0.1, 3.0, 20.0], dtype=torch.float64)
    outputs = []
    for module in (two_layers(0), rescaled(two_layers(0), factors)):
        outputs.append(trained(module, PathSGD(module.parameters(), lr=0.05), *data))
    np.testing.assert_allclose(*outputs, rtol=1e-9)
    plain = []
    for module in (two_layers(0), rescaled(two_layers(0), factors)):
        plain.append(trained(module, torch.optim.SGD(module.parameters(), lr=0.001), *data))
    assert np.abs(plain[0] - plain[1]).max() > 1e-3


def test_path_sgd_divides_by_sums_over_paths(data):
    module = two_layers(0)
    X, y = data
    before = [parameter.detach().clone() for parameter in module.parameters()]
    trained(module, PathSGD(module.parameters(), lr=1.0), X, y, steps=1)
    steps = [b - p.detach() for b, p in zip(before, module.parameters(), strict=True)]
    # Paths go from an input, or the constant, by a neuron to an output.
    W, b, A, _ = (tensor.numpy() for tensor in before)
    inner = np.column_stack([W, b])
    sums = np.zeros_like(inner), np.zeros_like(A)
    for i, j, k in product(range(inner.shape[1]), range(len(W)), range(len(A))):
        sums[0][j, i] += A[k, j] ** 2
        sums[1][k, j] += inner[j, i] ** 2
    grads = [parameter.grad.numpy() for parameter in module.parameters()]
    np.testing.assert_allclose(steps[0].numpy(), grads[0] / sums[0][:, :2], rtol=1e-12)
    np.testing.assert_allclose(steps[1].numpy(), grads[1] / sums[0][:, 2], rtol=1e-12)
    np.testing.assert_allclose(steps[2].numpy(), grads[2] / sums[1], rtol=1e-12)
    np.testing.assert_allclose(steps[3].numpy(), grads[3], rtol=1e-12)


def test_path_sgd_leaves_dead_neurons(data):
    module = two_layers(0)
    with torch.no_grad():
        module[0].weight[0] = 0.0
        module[0].bias[0] = 0.0
        module[2].weight[:, 0] = 0.0
    outputs = trained(module, PathSGD(module.parameters(), lr=0.01), *data)
    assert np.isfinite(outputs).all()
    assert not module[0].weight[0].any()


def test_path_sgd_without_biases_and_errors():
    module = torch.nn.Sequential(
        torch.nn.Linear(2, 3, bias=False), torch.nn.ReLU(), torch.nn.Linear(3, 1, bias=False)
    )
    PathSGD(module.parameters())
    with pytest.raises(ValueError, match="params have shapes"):
        PathSGD(torch.nn.Linear(2, 2).parameters())
    with pytest.raises(ValueError, match="lr=0"):
        PathSGD(module.parameters(), lr=0)
    with pytest.raises(ValueError, match="damping=-1"):
        PathSGD(module.parameters(), damping=-1)


def test_gradient_only_ends_at_the_change_of_sign():
    x = torch.nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))
    curvature = torch.tensor([1.0, 10.0], dtype=torch.float64)
    optimiser = GradientOnlyLineSearch([x], rtol=1e-6)

    def closure():
        optimiser.zero_grad()
        loss = 0.5 * (curvature * x.square()).sum()
        loss.backward()
        return loss

    gradient = (curvature * x).detach()
    exact = float(gradient @ gradient / (gradient @ (curvature * gradient)))
    start = x.detach().clone()
    optimiser.step(closure)
    step = optimiser.param_groups[0]["lr"]
    assert exact * (1 - 2e-6) <= step <= exact
    np.testing.assert_allclose(x.detach(), start - step * gradient, rtol=1e-14)
    values = [closure().item() for _ in range(30) if optimiser.step(closure) is not None]
    assert (np.diff(values) <= 0).all()


@pytest.mark.parametrize("first", [1e-8, 1e4])
def test_gradient_only_finds_the_step_from_any_first_one(first):
    x = torch.nn.Parameter(torch.tensor([3.0], dtype=torch.float64))
    optimiser = GradientOnlyLineSearch([x], lr=first, rtol=1e-3)

    def closure():
        optimiser.zero_grad()
        loss = x.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert abs(x.item()) <= 3e-3


def test_gradient_only_stays_where_the_gradient_is_zero():
    x = torch.nn.Parameter(torch.zeros(1))
    optimiser = GradientOnlyLineSearch([x])

    def closure():
        optimiser.zero_grad()
        loss = x.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert x.item() == 0
    with pytest.raises(ValueError, match="rtol=0"):
        GradientOnlyLineSearch([x], rtol=0)


def test_normalised_steps_have_one_length(data):
    module = two_layers(0)
    before = torch.cat([p.detach().ravel().clone() for p in module.parameters()])
    trained(module, NormalisedGradient(module.parameters(), lr=0.3), *data, steps=1)
    after = torch.cat([p.detach().ravel() for p in module.parameters()])
    np.testing.assert_allclose(float((after - before).norm()), 0.3, rtol=1e-12)
    still = torch.nn.Parameter(torch.zeros(2))
    optimiser = NormalisedGradient([still])
    still.square().sum().backward()
    optimiser.step()
    assert not still.detach().any()
    with pytest.raises(ValueError, match="lr=-1"):
        NormalisedGradient([still], lr=-1)


def test_conventions_of_torch():
    for make in (PathSGD, GradientOnlyLineSearch, NormalisedGradient):
        module = two_layers(0)
        optimiser = make(module.parameters(), lr=0.25)
        state = optimiser.state_dict()
        other = make(two_layers(1).parameters(), lr=0.5)
        other.load_state_dict(state)
        assert other.param_groups[0]["lr"] == 0.25
        module(torch.zeros(1, 2, dtype=torch.float64)).sum().backward()
        optimiser.zero_grad()
        assert all(p.grad is None for p in module.parameters())
