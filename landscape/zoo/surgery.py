"""Smoothing inserted into a trained network: what does it change if nothing else changes?"""

from __future__ import annotations

import copy
import difflib
import fnmatch
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from landscape.errors import ArgumentError, LandscapeError
from landscape.layout import MapLayout, Seen, watch
from landscape.zoo.blocks import PreactivationBlock
from landscape.zoo.insertion import InsertedSmooth, check_open, is_smoothed, no_map, put
from landscape.zoo.places import is_ours, known_layers
from landscape.zoo.smoothing import KERNELS, PROBS, Smoothing
from landscape.zoo.stages import behind_head, stage_ends

if TYPE_CHECKING:  # a sibling of the zoo, which does without it
    from landscape.network import Network

_BLURS = {len(kernel): kernel for kernel in KERNELS}
_BLUR_NAMES = {1: "", 2: "blur", 3: "blur3", 5: "blur5"}
_PROB_NAMES = {"none": "", "tanh": "prob", "relu6": "relu6", "scale": "scale"}

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
    under the place's name, ``layer1.smoothing``. Smoothing is over rows and columns, wherever these stand in
    the place's output: maps with the channel last and tokens keep their layout, other tokens stay as
    they are. No place may hold the head, the last layer with weights, or lie behind it.

    Args:
        network: The trained network; it stays as it is.
        at: Names or shell-style patterns of submodules behind whose output to smooth, as a sequence or joined
            by commas. By default the ends of stages: for the zoo's networks the paper's placement, for others
            see `landscape.zoo.stages`.
        kernel: Size of the blur: 2 is the paper's box, which grows the map by a pixel; 3 and 5 are binomial
            and keep its size; 1 is no blur.
        activation: Before the blur: `none`, `tanh` (Prob, ReLU(τ·tanh(z/τ)) with τ = 10), `relu6`, or `scale`
            (z/τ with τ = 5).
        example: Images in [0, 1], shape (sample, channel, height, width), to see where maps are and to try
            the new network on; without them, networks that are not the zoo's are watched on grey images of
            usual sizes.

    Returns:
        The new network. Its name, architecture and notes say what was done.

    Raises:
        LandscapeError: If a place does not exist, holds smoothing already, is a container that cannot be
            extended, gives no map that can be followed, or holds or follows the head; kernel or activation
            are unknown or nothing; or the new network fails on the example.
    """
    if isinstance(network, nn.Module):
        raise LandscapeError("smoothed() takes a Network; wrap the module as landscape.Network(module)")
    smoothing, kind = _smoothing(kernel, activation)
    module = copy.deepcopy(network.module)
    named = None if at is None else _matching(module, at)
    for place in named or ():
        check_open(module, place)
    seen = None if is_ours(module) else _watched(network, module, example)
    places = _stage_ends(module, seen) if named is None else named
    for place in places:
        put(module, place, smoothing, None if seen is None else _layout(module, seen, place, kernel))
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
        raise ArgumentError(
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


def _smoothing(kernel: int, activation: str) -> tuple[Smoothing, str]:
    """The smoothing layer and the name of its kind."""
    if kernel not in _BLURS:
        raise ArgumentError(f"the kernel is {kernel!r}; choose one of {', '.join(map(str, _BLURS))}")
    if activation not in PROBS:
        raise ArgumentError(f"the activation is {activation!r}; choose one of {', '.join(PROBS)}")
    for kind, choice in SURGERIES.items():
        if choice == (kernel, activation):
            return Smoothing(kernel=_BLURS[kernel], prob=activation), kind
    raise ArgumentError("kernel 1 without an activation changes nothing; choose a larger kernel")


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


def _stage_ends(module: nn.Module, seen: dict[str, Seen] | None) -> list[str]:
    """The default places, those without smoothing."""
    kinds, _ = known_layers(module)
    if seen is None:
        ends = [name for name, child in module.named_children() if name.startswith("smooth")]
        preactivation = any(isinstance(part, PreactivationBlock) for part in module.modules())
        # Behind the last pre-activation stage, BatchNorm and an activation follow anyway.
        ends = ends[:-1] if preactivation else ends
    elif seen:
        ends = stage_ends(module, seen, [name for name, kind in kinds.items() if kind == "block"])
    else:
        ends = []
    ends = [name for name in ends if not is_smoothed(module.get_submodule(name))]
    if not ends:
        raise LandscapeError(
            f"{type(module).__name__} has no stage that ends without smoothing; name the places, such as "
            f"{', '.join(name for name, _ in list(module.named_modules())[1:5])}"
        )
    return ends


def _watched(network: Network, module: nn.Module, example: Tensor | None) -> dict[str, Seen]:
    """What each submodule does with two images, or with grey ones of the first usual size that fits."""
    module = copy.deepcopy(module).eval()
    images = [] if example is None else [example[:2] if len(example) > 1 else example.repeat(2, 1, 1, 1)]
    if example is None:
        first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
        channels = first.in_channels if first else 3
        sizes = dict.fromkeys((*network.input_size[-1:], *_SIZES))
        images = [torch.full((2, channels, size, size), 0.5) for size in sizes]
    for each in images:
        try:
            return watch(module, partial(_run, network, module, each))
        except FAILURES as error:
            if example is not None:
                raise _does_not_run(network, error) from error
    return {}


_SIZES = (64, 32, 224, 256, 299, 28)
FAILURES = (RuntimeError, ValueError, TypeError, LookupError, AssertionError, NotImplementedError)
"""What networks raise on inputs of a size that they cannot take."""


def _run(network: Network, module: nn.Module, images: Tensor) -> None:
    like = next((p for p in module.parameters() if p.is_floating_point()), images)
    with torch.no_grad():
        module(network.prepare(images).to(like.device, like.dtype))


def _layout(module: nn.Module, seen: dict[str, Seen], place: str, kernel: int) -> MapLayout | None:
    """Where the map stands in a place's output; None where the layout is the usual one."""
    if place not in seen:
        raise LandscapeError(
            f"{type(module).__name__} does not run on grey images of {', '.join(map(str, _SIZES))} pixels, "
            f"so that nobody can tell where the maps of {place!r} are; pass an example of its images"
        )
    one = seen[place]
    if one.runs != 1:
        raise _not_once(place, one.runs)
    if one.gives is None:
        raise no_map(place, f"shape {one.shape}" if one.shape else "no tensor", one.reason)
    if behind_head(module, seen, place):
        raise LandscapeError(
            f"{place!r} gives the network's own scores: it holds or follows the last layer with weights; "
            "choose a place in front of the head"
        )
    if kernel == 2 and not one.gives.movable:
        raise LandscapeError(
            f"{place!r} holds its map as tokens or in windows, which a box of 2 would make a pixel larger; "
            "choose a kernel of 3 or 5, as in blur3"
        )
    return None if one.gives.canonical else one.gives


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
    try:
        _run(network, module, example)
    except FAILURES as error:
        raise _does_not_run(network, error) from error
    for place, number in runs.items():
        if number != 1:
            raise _not_once(place, number)


def _not_once(place: str, runs: int) -> LandscapeError:
    return LandscapeError(f"{place!r} runs {runs} times a pass; choose a place that runs once")


def _does_not_run(network: Network, error: Exception) -> LandscapeError:
    if isinstance(error, LandscapeError):
        return error
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return LandscapeError(
        f"{network.name} does not run: {reason}; a kernel of 3 or 5 keeps the size of maps, a place at "
        "the end of a stage disturbs no shortcut"
    )
