"""What each block is worth: accuracy and NLL without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import xarray as xr
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.features.predictions import Predicted, joined, mean, predicted, scored, summary
from landscape.features.survey import watched
from landscape.features.tables import words
from landscape.layout import Seen
from landscape.objective import Objective
from landscape.work import Progress, silent
from landscape.zoo.blocks import ConvBlock, PreactivationBlock, ResidualBlock
from landscape.zoo.places import Layer, find_layers

_HALVES = ("attention", "mlp")

_ATTRIBUTES = {
    "depth": {"long_name": "normalised depth", "units": "1"},
    "stage": {"long_name": "stage", "units": "1"},
    "accuracy": {"long_name": "share of right predictions without the block", "units": "1"},
    "nll": {"long_name": "negative log-likelihood without the block", "units": "nat"},
    "accuracy_drop": {
        "long_name": "accuracy of the intact network minus that without it",
        "units": "1",
    },
    "nll_rise": {"long_name": "NLL without it minus that of the intact network", "units": "nat"},
    "clean_accuracy": {"long_name": "share of right predictions of the intact network", "units": "1"},
    "clean_nll": {"long_name": "negative log-likelihood of the intact network", "units": "nat"},
}


def lesion(
    objective: Objective, *, blocks: str | Sequence[str] | None = None, progress: Progress = silent
) -> xr.Dataset:
    """Accuracy and NLL with one block removed at a time (Veit et al. 2016; Park & Kim 2022b).

    Of the zoo's residual blocks the shortcut stays, with its subsampling, and so does the activation that
    follows the sum. The attention or MLP half of a transformer block, which has a shortcut around it, gives
    zero. Any other block gives back its input, which needs an output of the same shape; whether it has is
    seen by a look at two samples. The intact network runs as the others do, without BatchNorm
    folded into convolutions, so that differences are the block's alone. Dropout that is `fresh` uses draw 0.

    Args:
        objective: Network and samples.
        blocks: Names or patterns of submodules to remove; by default the blocks that `find_layers` finds,
            and VGG's convolution blocks, that are more than a single layer and can be removed.
        progress: Shows how far it is.

    Returns:
        Dimension `block` (coordinate: the submodule's name): `stage`, normalised `depth` from 0 to 1 among
        the network's layers, `accuracy`, `nll` (nats), `accuracy_drop` and `nll_rise`, each with its standard
        error over samples, those of the last two over paired differences; `clean_accuracy`, `clean_nll`.

    Raises:
        LandscapeError: If a block does not exist or cannot be removed, or there is none.
    """
    module = objective.network.module
    layers = _removable(objective, blocks)
    jobs = progress([None, *layers], "lesion", len(layers) + 1)
    intact, *found = [_scores(objective, layer) for layer in jobs]
    rows, names = [_row(without, intact) for without in found], [layer.name for layer in layers]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    columns |= {"stage": [layer.stage for layer in layers], "depth": _depths(module, names)}
    return scored("block", columns, intact, _ATTRIBUTES).assign_coords(block=words(names))


@contextmanager
def removed(module: nn.Module, layer: Layer | None) -> Iterator[None]:
    """While open, the layer gives what is left of it without its weights: see `lesion`.

    The hooks are removed on leaving, also after an error. None removes nothing, but runs the network as the
    others run.
    """
    part = module.get_submodule(layer.name if layer else "")
    inputs: list[Tensor] = []  # a stack, for a block within itself

    def remember(_part: nn.Module, args: tuple[Any, ...]) -> None:
        inputs.append(args[0].clone())  # the block may overwrite its input

    def bypass(block: nn.Module, _args: Any, _output: Any) -> Tensor:
        return _shortcut(block, inputs.pop())

    with ExitStack() as stack:
        if layer is None:
            stack.enter_context(part.register_forward_hook(lambda *_: None))
        elif layer.kind in _HALVES:
            stack.enter_context(part.register_forward_hook(_nothing, prepend=True))
        else:
            stack.enter_context(part.register_forward_pre_hook(remember))
            # First in line, so that smoothing put behind the block and hooks that look at it go on.
            stack.enter_context(part.register_forward_hook(bypass, prepend=True))
        yield


def _nothing(_part: nn.Module, _args: Any, output: Any) -> Any:
    """Zero in place of a layer's output, or of the first of several."""
    if isinstance(output, tuple):
        return torch.zeros_like(output[0]), *output[1:]
    return torch.zeros_like(output)


def _shortcut(block: nn.Module, z: Tensor) -> Tensor:
    if isinstance(block, PreactivationBlock):
        return block.shortcut(block.relu1(block.bn1(z)) if len(block.shortcut) else z)  # type: ignore[operator]
    if isinstance(block, ResidualBlock):
        return block.get_submodule(f"relu{block.count}")(block.shortcut(z))
    return z


def _removable(objective: Objective, blocks: str | Sequence[str] | None) -> list[Layer]:
    """The layers to remove, in the network's order."""
    module = objective.network.module
    layers = _offered(objective) if blocks is None else find_layers(module, blocks, _seen(objective))
    shapes = _shapes(objective, [layer.name for layer in layers if not _has_shortcut(module, layer)])
    unfit = {name: pair for name, pair in shapes.items() if pair[0] is None or pair[0] != pair[1]}
    if unfit and blocks is not None:
        name, (before, after) = next(iter(unfit.items()))
        raise LandscapeError(
            f"{name!r} cannot be removed: it makes {after or 'no tensor'} of {before or 'no tensor'}; choose "
            "blocks whose output has the shape of their input"
        )
    layers = [layer for layer in layers if layer.name not in unfit]
    if not layers:
        raise LandscapeError(
            f"{type(module).__name__} offers no block whose output has the shape of its input; name the "
            "layers to remove"
        )
    return layers


def _has_shortcut(module: nn.Module, layer: Layer) -> bool:
    return layer.kind in _HALVES or isinstance(module.get_submodule(layer.name), ResidualBlock)


def _offered(objective: Objective) -> list[Layer]:
    """Blocks that the network offers by itself, but for single layers."""
    module = objective.network.module
    found = {layer.name for layer in _default(module) if layer.kind == "block"}
    names = [
        name
        for name, part in module.named_modules()
        if (name in found and next(part.children(), None) is not None) or isinstance(part, ConvBlock)
    ]
    return find_layers(module, names, _seen(objective)) if names else []


def _seen(objective: Objective) -> dict[str, Seen] | None:
    """What a pass does, for the stages; passes of an ensemble cannot be told apart."""
    return None if objective.dropout.passes is not None else watched(objective)


def _default(module: nn.Module) -> list[Layer]:
    try:
        return find_layers(module)
    except LandscapeError:  # it has none, but may be asked for some by name
        return []


def _shapes(objective: Objective, names: list[str]) -> dict[str, tuple[Any, Any]]:
    """Shapes of input and output at two samples; None for what is no tensor."""
    shapes: dict[str, tuple[Any, Any]] = dict.fromkeys(names, (None, None))

    def look(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(_part: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            shapes[name] = (_shape(args[0]) if args else None), _shape(output)

        return hook

    with ExitStack() as stack:
        for name in names:
            part = objective.network.module.get_submodule(name)
            stack.enter_context(part.register_forward_hook(look(name)))
        for _ in objective.subset(0, 2).outputs() if names else ():
            pass
    return shapes


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else None


def _scores(objective: Objective, layer: Layer | None) -> Predicted:
    with removed(objective.network.module, layer):
        return joined([predicted(logits, targets) for logits, targets in objective.outputs()])


def _depths(module: nn.Module, names: list[str]) -> list[float]:
    """Where the blocks lie among all layers that the network offers, from 0 to 1."""
    known = {layer.name for layer in _default(module)} | set(names)
    order = [name for name, _ in module.named_modules() if name in known]
    return [order.index(name) / max(1, len(order) - 1) for name in names]


def _row(without: Predicted, intact: Predicted) -> dict[str, float]:
    drop = mean("accuracy_drop", intact.correct - without.correct)
    return summary(without) | drop | mean("nll_rise", without.nll - intact.nll)
