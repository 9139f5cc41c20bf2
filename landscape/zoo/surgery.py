"""Smoothing put into a network that is already trained: what would it change, had nothing else changed?"""

from __future__ import annotations

import copy
import difflib
import fnmatch
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.zoo.blocks import PreactivationBlock
from landscape.zoo.config import KERNELS, PROBS, Smoothing
from landscape.zoo.layers import BoxBlur, GlobalPoolHead, MLPHead, Smooth
from landscape.zoo.networks import VGG, CifarResNet, ResNet

if TYPE_CHECKING:  # a sibling of the zoo, which does without it
    from landscape.network import Network

_BLURS = {len(kernel): kernel for kernel in KERNELS}
_BLUR_NAMES = {1: "", 2: "blur", 3: "blur3", 5: "blur5"}
_PROB_NAMES = {"none": "", "tanh": "prob", "relu6": "relu6", "scale": "scale"}
_CHILD = "smoothing"

SURGERIES: dict[str, tuple[int, str]] = {
    "-".join(filter(None, (prob_name, blur_name))): (kernel, prob)
    for prob, prob_name in _PROB_NAMES.items()
    for kernel, blur_name in _BLUR_NAMES.items()
    if prob_name or blur_name
}
"""Kernel size and activation by the kinds that `parse_surgery` knows."""


def smoothed(
    network: Network,
    at: str | Sequence[str] | None = None,
    *,
    kernel: int = 2,
    activation: str = "none",
    example: Tensor | None = None,
) -> Network:
    """A copy of a trained network with parameter-free smoothing put in (Park & Kim 2022, eq. 5–8).

    Weights, their names and the state dict stay as they are, so that loss surfaces, directions and Hessians
    of both networks live in one space. A place that is an `nn.Sequential` gets the smoothing layer as its
    last part; on any other, it is a child named ``smoothing`` that a forward hook runs on the output. In the
    zoo's networks the default places are the slots of their own smoothing layers, ``smooth1`` and so on,
    where the layer goes by the name it has in a network trained with it, ``smooth1.0``. Others are found
    under the place's name, ``layer1.smoothing``.

    Args:
        network: The trained network; it stays as it is.
        at: Names or shell-style patterns of submodules behind whose output to smooth, as a sequence or joined
            by commas. By default the ends of stages: for the zoo's networks the paper's placement, for others
            every top-level `nn.Sequential` but heads.
        kernel: Size of the blur: 2 is the paper's box, which grows the map by a pixel; 3 and 5 are binomial
            and keep its size; 1 is no blur.
        activation: Before the blur: `none`, `tanh` (Prob, ReLU(τ·tanh(z/τ)) with τ = 10), `relu6`, or `scale`
            (z/τ with τ = 5).
        example: Images in [0, 1], shape (sample, channel, height, width), to try the new network on at once;
            without them a place that does not fit is found when the network first runs.

    Returns:
        The new network. Its name, architecture and notes say what was done.

    Raises:
        LandscapeError: If a place does not exist, holds smoothing already or is a container that cannot be
            extended, kernel or activation are unknown or nothing, or the new network fails on the example.
    """
    if isinstance(network, nn.Module):
        raise LandscapeError("smoothed() takes a Network; wrap the module as landscape.Network(module)")
    smoothing, kind = _smoothing(kernel, activation)
    module = copy.deepcopy(network.module)
    places = _stage_ends(module) if at is None else _matching(module, at)
    for place in places:
        _put(module, place, smoothing)
    where = ",".join(places)
    made = replace(
        network,
        module=module,
        name=f"{network.name}+{kind}" + ("" if at is None else f"@{where}"),
        architecture=f"{network.architecture}+{kind}@{where}",
        surgery="+".join(filter(None, [network.surgery, f"{kind}@{where}"])),
        notes=(*network.notes, f"{kind} was put in behind {', '.join(places)} after training"),
    )
    if example is not None:
        _try(made, example)
    return made


def parse_surgery(text: str) -> tuple[str, tuple[str, ...] | None]:
    """Read ``KIND[@PLACE,…]``, such as ``blur``, ``relu6-blur3`` or ``prob-blur@layer1,layer2``.

    Returns:
        One of `SURGERIES`, and the places, None for the default ones.

    Raises:
        LandscapeError: If the kind is unknown, or a place is empty.
    """
    kind, at, rest = text.partition("@")
    if kind not in SURGERIES:
        raise LandscapeError(
            f"unknown surgery {kind!r} in {text!r}; choose one of {', '.join(SURGERIES)}, with places as in "
            "blur@layer1,layer2, or without for the ends of stages"
        )
    places = tuple(place.strip() for place in rest.split(","))
    if at and not all(places):
        raise LandscapeError(f"{text!r} names an empty place; write {kind}@layer1,layer2, or {kind} alone")
    return kind, places if at else None


def operated(network: Network, text: str, *, example: Tensor | None = None) -> Network:
    """`smoothed` as ``KIND[@PLACE,…]`` says, see `parse_surgery`.

    Raises:
        LandscapeError: As either of them does.
    """
    kind, places = parse_surgery(text)
    kernel, activation = SURGERIES[kind]
    return smoothed(network, places, kernel=kernel, activation=activation, example=example)


class InsertedSmooth(Smooth):
    """A smoothing layer without parameters or buffers, for maps of any number of channels."""

    def __init__(self, place: str, smoothing: Smoothing) -> None:
        super().__init__(0, replace(smoothing, kernel=(1,)))
        self.place = place
        if smoothing.kernel == (1, 1):
            self.blur = BoxBlur()
        elif smoothing.kernel != (1,):
            self.blur = _BinomialBlur(smoothing.kernel)

    def forward(self, z: Tensor) -> Tensor:
        """(batch, channel, h, w) → the same, or one pixel larger for the box."""
        if not isinstance(z, Tensor) or z.dim() != 4:
            found = f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else f"a {type(z).__name__}"
            raise LandscapeError(
                f"{self.place!r} cannot be smoothed: it outputs {found}, not a map of shape (batch, channel, "
                "height, width); choose a place before the head"
            )
        return super().forward(z)


class _BinomialBlur(nn.Module):
    """`Blur` with its kernel made at each call, so that the state dict does not hold it."""

    def __init__(self, kernel: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, z: Tensor) -> Tensor:
        k = torch.tensor(self.kernel, dtype=z.dtype, device=z.device) / sum(self.kernel)
        square = torch.outer(k, k).expand(z.shape[1], 1, -1, -1)
        return F.conv2d(z, square, padding=len(self.kernel) // 2, groups=z.shape[1])

    def extra_repr(self) -> str:
        return f"{self.kernel}"


def _smooth_output(module: nn.Module, _args: Any, output: Any) -> Any:
    """Forward hook; it looks the layer up, so that copies and unpickled modules run their own."""
    return module.get_submodule(_CHILD)(output)


def _smoothing(kernel: int, activation: str) -> tuple[Smoothing, str]:
    """The smoothing layer and the name of its kind."""
    if kernel not in _BLURS:
        raise LandscapeError(f"the kernel is {kernel!r}; choose one of {', '.join(map(str, _BLURS))}")
    if activation not in PROBS:
        raise LandscapeError(f"the activation is {activation!r}; choose one of {', '.join(PROBS)}")
    for kind, choice in SURGERIES.items():
        if choice == (kernel, activation):
            return Smoothing(kernel=_BLURS[kernel], prob=activation), kind
    raise LandscapeError("kernel 1 without an activation changes nothing; choose a larger kernel")


def _matching(module: nn.Module, at: str | Sequence[str]) -> list[str]:
    """Submodules that match any of the patterns, in the network's order."""
    names = [name for name, _ in module.named_modules() if name]
    chosen: set[str] = set()
    for pattern in (part.strip() for part in (at.split(",") if isinstance(at, str) else at)):
        found = fnmatch.filter(names, pattern)
        if not found:
            close = difflib.get_close_matches(pattern, names, n=4, cutoff=0.4) or names[:6]
            raise LandscapeError(f"no place is named {pattern!r}; this network has {', '.join(close)}, …")
        chosen.update(found)
    if not chosen:
        raise LandscapeError(f"no place to smooth is named; this network has {', '.join(names[:6])}, …")
    return [name for name in names if name in chosen]


def _stage_ends(module: nn.Module) -> list[str]:
    """The default places, those without smoothing."""
    stages = [name for name, child in module.named_children() if _runs_its_children(child)]
    if isinstance(module, CifarResNet | ResNet | VGG):
        stages = [name for name in stages if name.startswith("smooth")]
        preactivation = any(isinstance(part, PreactivationBlock) for part in module.modules())
        # Behind the last pre-activation stage, BatchNorm and an activation follow anyway.
        stages = stages[:-1] if preactivation else stages
    heads = (nn.Linear, nn.Flatten, GlobalPoolHead, MLPHead)
    ends = [
        name
        for name in stages
        if not any(isinstance(part, (*heads, Smooth)) for part in module.get_submodule(name).children())
    ]
    if not ends:
        raise LandscapeError(
            f"{type(module).__name__} has no stage that ends without smoothing; name the places, such as "
            f"{', '.join(name for name, _ in list(module.named_modules())[1:5])}"
        )
    return ends


def _runs_its_children(part: nn.Module) -> bool:
    return isinstance(part, nn.Sequential) and type(part).forward is nn.Sequential.forward


def _put(module: nn.Module, place: str, smoothing: Smoothing) -> None:
    part = module.get_submodule(place)
    if hasattr(part, _CHILD) or any(isinstance(child, Smooth) for child in part.children()):
        raise LandscapeError(f"{place!r} ends with smoothing already; choose another place")
    layer = InsertedSmooth(place, smoothing)
    layer.train(part.training)
    if _runs_its_children(part):
        part.add_module(_CHILD if any(True for _ in part.children()) else "0", layer)
    elif isinstance(part, nn.Sequential | nn.ModuleList | nn.ModuleDict):
        raise LandscapeError(
            f"{place!r} is a {type(part).__name__}, which runs or lists its children in its own way; choose "
            "the last layer inside it"
        )
    else:
        part.add_module(_CHILD, layer)
        part.register_forward_hook(_smooth_output)


def _try(network: Network, example: Tensor) -> None:
    """Run a copy once.

    Raises:
        LandscapeError: If it fails, or a place does not run exactly once.
    """
    module = copy.deepcopy(network.module).eval()
    layers = [part for part in module.modules() if isinstance(part, InsertedSmooth)]
    runs = {layer.place: 0 for layer in layers}

    def count(layer: nn.Module, _args: Any, _output: Any) -> None:
        runs[layer.place] += 1  # type: ignore[index]

    for layer in layers:
        layer.register_forward_hook(count)
    like = next((p for p in module.parameters() if p.is_floating_point()), example)
    try:
        with torch.no_grad():
            module(network.prepare(example).to(like.device, like.dtype))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise LandscapeError(
            f"{network.name} does not run: {reason}; a kernel of 3 or 5 keeps the size of maps, a place at "
            "the end of a stage disturbs no shortcut"
        ) from error
    for place, number in runs.items():
        if number != 1:
            raise LandscapeError(f"{place!r} runs {number} times a pass; choose a place that runs once")
