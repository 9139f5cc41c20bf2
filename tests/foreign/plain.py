"""What every number is compared with: plain PyTorch on a copy of the network, in float64."""

import copy
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from tests.foreign.networks import Foreign

Named = dict[str, Tensor]


class Plain:
    """A network in eval mode and float64, and the mean cross-entropy of all samples at once.

    Each number is that of a fresh copy, because some networks keep what they computed from their weights.
    """

    def __init__(self, foreign: Foreign, module: nn.Module) -> None:
        """Copy the module."""
        self._module = copy.deepcopy(module).eval().double()
        _differentiable_twice(self._module)
        images, self.classes = foreign.data()
        self.images = images.double()

    def fresh(self) -> nn.Module:
        return copy.deepcopy(self._module)

    def loss(self, module: nn.Module) -> Tensor:
        return F.cross_entropy(module(self.images), self.classes)

    @torch.no_grad()
    def value(self, weights: Mapping[str, Tensor] | None = None) -> float:
        """The loss, of the network's own weights or with these in it."""
        module = self.fresh()
        if weights is not None:
            assert set(weights) == {name for name, _ in module.named_parameters()}
            module.load_state_dict(weights, strict=False)
        return float(self.loss(module))

    def derivatives(self, vector: Mapping[str, Tensor]) -> tuple[Named, Named]:
        """The gradient, and the product of the Hessian with a vector; zero where nothing depends."""
        module = self.fresh()
        names, tensors = zip(*module.named_parameters(), strict=True)
        along = [vector[name].double() for name in names]
        with sdpa_kernel(SDPBackend.MATH):  # the only one of attention's kernels with second derivatives
            loss = self.loss(module)
            gradient = torch.autograd.grad(loss, tensors, create_graph=True, materialize_grads=True)
            slope = sum((g * v).sum() for g, v in zip(gradient, along, strict=True))
            product = torch.autograd.grad(slope, tensors, materialize_grads=True)
        return _named(names, gradient), _named(names, product)

    @torch.no_grad()
    def spatial_variance(self, name: str, channel: int, extra: int) -> float:
        """Unbiased variance over the places of a submodule's output, mean over channels and samples."""
        found = []

        def look(_module: nn.Module, _args: object, output: Tensor | tuple[Tensor, ...]) -> None:
            output = output if isinstance(output, Tensor) else output[0]
            places = output.movedim(channel, -1).flatten(
                1, -2
            )  # windows and patches of a sample stand together
            places = places.reshape(len(self.images), -1, places.shape[-1])[:, extra:]
            found.append(float(places.var(1).mean()))

        module = self.fresh()
        module.get_submodule(name).register_forward_hook(look)
        module(self.images)
        (variance,) = found
        return variance

    @torch.no_grad()
    def blurred(self, name: str, channel: int) -> float:
        """The loss with a 3×3 binomial blur behind a submodule that outputs maps."""

        def blur(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
            maps = output.movedim(channel, 1)
            kernel = torch.tensor([[1, 2, 1], [2, 4, 2], [1, 2, 1]], dtype=maps.dtype) / 16
            kernel = kernel.repeat(maps.shape[1], 1, 1, 1)
            return F.conv2d(maps, kernel, padding=1, groups=maps.shape[1]).movedim(1, channel)

        module = self.fresh()
        module.get_submodule(name).register_forward_hook(blur)
        return float(self.loss(module))


class _Hardsigmoid(nn.Module):
    """nn.Hardsigmoid, whose own kernel has no second derivative."""

    def forward(self, x: Tensor) -> Tensor:
        return (x + 3).clamp(0, 6) / 6


class _Hardswish(nn.Module):
    """nn.Hardswish likewise."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (x + 3).clamp(0, 6) / 6


_TWICE: dict[type[nn.Module], type[nn.Module]] = {nn.Hardsigmoid: _Hardsigmoid, nn.Hardswish: _Hardswish}


def _differentiable_twice(module: nn.Module) -> None:
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if type(child) in _TWICE:
                setattr(parent, name, _TWICE[type(child)]())


def _named(names: tuple[str, ...], tensors: tuple[Tensor, ...]) -> Named:
    return {name: tensor.detach() for name, tensor in zip(names, tensors, strict=True)}
