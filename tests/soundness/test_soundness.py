"""Networks of all kinds: right by plain PyTorch and left as they were, or refused with the cause."""

import copy
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape import analyses, hessian
from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.results import attribute
from tests import networks
from tests.networks import CUT, HEALTHY, IMMOVABLE, UNDIFFERENTIABLE, data, images


def made(make) -> nn.Module:
    torch.manual_seed(0)
    return make().eval()


def moved(module: nn.Module, seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: value.detach() + 0.3 * torch.randn(value.shape, generator=generator)
        for name, value in module.named_parameters()
    }


def reference(name: str):
    """What makes the same function without a reentrant segment, of which autograd takes no gradients."""
    return HEALTHY["checkpointing" if name == "reentrant checkpointing" else name]


def loaded(make, weights: dict[str, Tensor]) -> nn.Module:
    """A network of the same kind that holds these weights as its own."""
    module = made(make)
    with torch.no_grad():
        for name, value in module.named_parameters():
            value.copy_(weights[name])
    return module


def plain_loss(module: nn.Module) -> Tensor:
    inputs, targets = data()
    return F.cross_entropy(module(inputs.clone()), targets)


def dense_hessian(module: nn.Module) -> Tensor:
    """Of the loss, row by row, with autograd alone."""
    parameters = list(module.parameters())
    gradient = torch.autograd.grad(plain_loss(module), parameters, create_graph=True)
    flat = torch.cat([each.reshape(-1) for each in gradient])
    rows = [
        torch.cat(
            [
                each.reshape(-1)
                for each in torch.autograd.grad(value, parameters, retain_graph=True, materialize_grads=True)
            ]
        )
        for value in flat
    ]
    return torch.stack(rows)


def everything(module: nn.Module) -> tuple:
    """What a user can see of a network."""
    return (
        {name: (id(value), value.clone()) for name, value in module.state_dict(keep_vars=True).items()},
        {name: id(value) for name, value in module.named_parameters(remove_duplicate=False)},
        [(name, layer.training) for name, layer in module.named_modules()],
        [
            {key: id(value) for key, value in vars(layer).items() if key not in ("training",)}
            for layer in module.modules()
        ],
        [(len(layer._forward_hooks), len(layer._forward_pre_hooks)) for layer in module.modules()],
    )


def copyable(module: nn.Module) -> bool:
    """PyTorch itself copies no module that holds a computed weight, as weight_norm by hooks does."""
    try:
        copy.deepcopy(module)
    except RuntimeError:
        return False
    return True


def assert_same(before: tuple, after: tuple) -> None:
    tensors, *rest = before
    others, *same = after
    assert rest == same
    assert tensors.keys() == others.keys()
    for name, (place, value) in tensors.items():
        assert others[name][0] == place
        assert torch.equal(others[name][1], value)


@pytest.mark.parametrize("name", HEALTHY)
def test_numbers_elsewhere_are_those_of_a_network_with_these_weights(name: str):
    module = made(HEALTHY[name])
    there = moved(module)
    other = loaded(reference(name), there)
    objective = Objective(module, data(), micro_batch=5)
    assert objective.value(there).nll == pytest.approx(float(plain_loss(other)), rel=1e-5)
    other = loaded(reference(name), there)
    named = dict(other.named_parameters())
    expected = torch.autograd.grad(plain_loss(other), list(named.values()), materialize_grads=True)
    for ours, theirs in zip(objective.gradient(there).values(), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in HEALTHY if name not in ("LSTM", "GRU")])
def test_the_top_eigenvalue_is_that_of_the_dense_hessian(name: str):
    found = hessian.top_eigenvalues(Objective(made(HEALTHY[name]), data()), k=1)
    expected = torch.linalg.eigvalsh(dense_hessian(made(reference(name))).double())[-1]
    assert float(found.eigenvalue[0]) == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.parametrize("name", HEALTHY)
def test_the_network_is_left_as_it_was(name: str):
    module = made(HEALTHY[name])
    module.train()
    before = everything(module)
    copies = copyable(module)
    objective = Objective(module, data())
    objective.value(moved(module))
    objective.gradient(moved(module))
    analyses.eigenvalues(objective, k=1)
    analyses.plane(objective, span=0.5, steps=3)
    assert_same(before, everything(module))
    assert copyable(module) == copies


def test_the_data_are_left_as_they_were():
    inputs, targets = data()
    before = inputs.clone()
    objective = Objective(made(networks.Inplace), (inputs, targets))
    first = objective.value().nll
    assert torch.equal(inputs, before)
    assert objective.value().nll == first
    assert any(check.name == "inputs" for check in objective.checked("value"))


def test_the_network_is_left_as_it_was_after_an_error():
    class Failing(networks.Shared):
        fails = False

        def forward(self, x: Tensor) -> Tensor:
            self.scratch = self.first.weight * 2
            if Failing.fails:
                raise RuntimeError("as asked")
            return super().forward(x)

    module = made(Failing)
    objective = Objective(module, data())
    before = everything(module)
    objective.value()
    Failing.fails = True
    with pytest.raises(RuntimeError, match="as asked"):
        objective.value(moved(module))
    assert_same(before, everything(module))


# What is refused


@pytest.mark.parametrize("name", IMMOVABLE)
def test_weights_that_do_not_reach_the_network_are_refused(name: str):
    make, named = IMMOVABLE[name]
    module = made(make)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    for call in (
        lambda objective: objective.value(),
        lambda objective: hessian.top_eigenvalues(objective, k=1),
        lambda objective: analyses.plane(objective, span=0.5, steps=3),
    ):
        with pytest.raises(LandscapeError, match=named):
            call(Objective(module, data()))
    if name != "weights written to":  # by its own passes
        assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", UNDIFFERENTIABLE)
def test_a_gradient_that_is_not_the_derivative_is_refused(name: str, dtype: torch.dtype):
    objective = Objective(made(UNDIFFERENTIABLE[name]), data(), dtype=dtype)
    assert objective.value().nll > 0
    with pytest.raises(LandscapeError, match="gradient is not the derivative of the loss"):
        objective.gradient()
    with pytest.raises(LandscapeError, match="gradient is not the derivative of the loss"):
        analyses.eigenvalues(objective, k=1)


@pytest.mark.parametrize("name", CUT)
def test_a_product_that_is_not_the_derivative_is_refused(name: str):
    objective = Objective(made(CUT[name]), data())
    objective.gradient()
    with pytest.raises(LandscapeError, match="Hessian is not the derivative of the gradient"):
        objective.hvp(objective.free)


def test_the_report_names_the_checks():
    found = analyses.eigenvalues(Objective(made(HEALTHY["plain"]), data()), k=1)
    names = [check["name"] for check in attribute(found, "checks")]
    assert {"movement", "derivative", "product", "deterministic"} <= set(names)


def test_checks_are_made_once():
    calls = []

    class Counted(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            calls.append(len(x))
            return super().forward(x)

    objective = Objective(Counted(networks.FEATURES, networks.CLASSES), data())
    objective.gradient()
    calls.clear()
    objective.gradient()
    objective.subset(0, 6).gradient()
    assert calls == [networks.COUNT, 6]


def test_a_float32_network_inside_a_float64_objective_is_healthy():
    class Coarse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(networks.FEATURES, 5), nn.Linear(5, networks.CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(torch.tanh(self.a(x).float()).to(x.dtype))

    Objective(made(Coarse), data(), dtype=torch.float64).gradient()


# Layout and folding


def test_view_after_a_convolution():
    module = made(networks.Flat)
    inputs, targets = images()
    objective = Objective(module, (inputs, targets))
    assert objective.value().nll == pytest.approx(float(F.cross_entropy(module(inputs), targets)), rel=1e-5)
    assert objective.protocol()["layout"] == "contiguous"
    assert float(hessian.top_eigenvalues(objective, k=1).eigenvalue[0]) > 0


def test_a_batchnorm_that_some_samples_skip_is_not_folded():
    torch.manual_seed(0)
    module = networks.Gate().eval()
    module.norm.running_mean.normal_()
    module.norm.running_var.uniform_(0.5, 2)
    inputs, targets = images()
    module.skips = lambda x: bool(x[0, 0, 0, 0] > inputs[:4, 0, 0, 0].max())
    inputs[8:, 0, 0, 0] = 2
    objective = Objective(module, (inputs, targets), micro_batch=4)
    parts = [F.cross_entropy(module(inputs[i : i + 4]), targets[i : i + 4]) for i in (0, 4, 8)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert objective.value().nll == pytest.approx(float(sum(parts)) / 3, rel=1e-5)
    assert objective.forward.road.pairs == []


def test_derivatives_inside_no_grad_and_inference_mode():
    module = made(HEALTHY["plain"])
    expected = float(hessian.top_eigenvalues(Objective(module, data()), k=1).eigenvalue[0])
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            inputs, targets = data()
            found = hessian.top_eigenvalues(Objective(module, (inputs, targets)), k=1)
        assert float(found.eigenvalue[0]) == pytest.approx(expected, rel=1e-5)
