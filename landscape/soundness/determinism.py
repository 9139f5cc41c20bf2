"""Whether an objective is a function of its parameters alone, and if it is not, what is to blame.

Two evaluations of the same samples must agree, and no sample's loss may depend on the others that it is
evaluated with. Four forward passes over a few samples tell; only where they differ is the layer looked for.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from landscape import trees
from landscape.errors import ArgumentError, LandscapeError
from landscape.losses import cross_entropy, loss_name
from landscape.mean_loss import MeanLoss

Kind = Literal["shuffling", "augmentation", "dropout", "batch statistics", "random numbers", "rounding"]

_ROUNDING = 1e-5  # relative; evaluations that differ by less differ by the order of additions
_GROUPING = {torch.float32: 1e-4, torch.float64: 1e-9}  # other group sizes may use other kernels
_SEARCHED = 4  # samples in the first search for the layer, which keeps every feature map
_DROPPING = re.compile("drop(out|path|block|connect)|stochastic_?depth", re.IGNORECASE)
_MESSAGES: dict[Kind, str] = {
    "shuffling": "{who} come in another order or selection at each reading; read them in a fixed order, and "
    "draw a random selection once, with take(count, seed=0) or --sample-seed",
    "augmentation": "{who} come with other inputs at each reading, as under augmentation drawn anew; freeze "
    "it by a seed, with samples.augmented(seed) or --augment",
    "dropout": "{who} drops values at random in eval mode too; use nn.Dropout in the network, which "
    "landscape masks by seed, in place of torch.nn.functional.dropout with training=True",
    "random numbers": "{who} gives another output for the same input each time, as torch.randn or "
    "torch.nn.functional.dropout with training=True do; draw random numbers in training mode only, and for "
    "dropout use nn.Dropout in the network, which landscape masks by seed",
    "batch statistics": "{who} gives a sample another output when other samples are evaluated with it; treat "
    "each sample alone, as a BatchNorm with running statistics (track_running_stats=True) does, or fix the "
    "micro-batch with --batch-size {samples}, the number of samples, knowing that numbers then depend on it",
    "rounding": "two evaluations of the same samples differ by {change:.0e} of the outputs, no more than "
    "rounding, as {who} adds in varying order; trust as many digits, or compute on the CPU in one thread, "
    "with --device cpu and OMP_NUM_THREADS=1",
}


@dataclass(frozen=True)
class Culprit:
    """Why an objective is not a function.

    Attributes:
        kind: What was found.
        where: The layer, by dotted name and class, or what else is to blame, such as "the samples".
        message: What was found and how to fix it, in one sentence.
    """

    kind: Kind
    where: str
    message: str


def require_deterministic(objective: MeanLoss) -> Culprit | None:
    """Refuse an objective whose numbers would change from run to run or with the micro-batch.

    Args:
        objective: The objective; differences of rounding size pass, and so does dependence on the grouping
            where one micro-batch holds all samples, so that there is one grouping.

    Returns:
        What was found and passes; None if nothing was.

    Raises:
        LandscapeError: If anything but rounding makes its outputs differ; the message names it.
    """
    return unless_excused(find_culprit(objective), objective)


def unless_excused(culprit: Culprit | None, objective: MeanLoss) -> Culprit | None:
    """What was found, if numbers stay the same all the same.

    Raises:
        LandscapeError: If they do not; the message names it.
    """
    if culprit is None or excused(culprit, objective):
        return culprit
    raise LandscapeError(culprit.message)


def excused(culprit: Culprit, objective: MeanLoss) -> bool:
    """Whether numbers stay the same all the same: rounding, or one micro-batch that holds all samples."""
    one_group = objective.micro_batch >= len(objective.samples) == getattr(objective, "evaluated", None)
    return culprit.kind == "rounding" or (culprit.kind == "batch statistics" and one_group)


def find_culprit(objective: MeanLoss, *, samples: int = 16) -> Culprit | None:
    """What makes the objective differ between evaluations, or between groupings of its samples.

    Args:
        objective: The objective; neither it nor its module is changed.
        samples: How many of its samples to look at.

    Returns:
        The first culprit found, in the order samples, loss, network; None if all evaluations agree.

    Raises:
        LandscapeError: If `samples` is not positive.
    """
    if samples < 1:
        raise ArgumentError(f"determinism is checked on {samples} samples; choose 1 or more")
    part, count = objective.replace(soundness=None).subset(0, samples), len(objective.samples)
    return _in_samples(part) or _in_loss(part, count) or _in_network(part, count)


def _in_samples(part: MeanLoss) -> Culprit | None:
    """Whether a second reading, whole or in halves, gives other targets or inputs."""
    count = len(part.samples)

    def read(size: int) -> tuple[list[list[Tensor]], ...]:
        starts = range(0, count, size)
        pairs = [part.samples.batch(i, min(i + size, count), dtype=part.dtype) for i in starts]
        return tuple([trees.leaves(pair[i]) for pair in pairs] for i in (0, 1))

    def change(whole: list[list[Tensor]], parts: list[list[Tensor]]) -> float:
        return max(_change(leaf, [part[i] for part in parts]) for i, leaf in enumerate(whole[0]))

    (inputs, targets), again, halves = read(count), read(count), read(_half(part))
    name = f"the samples ({part.samples.source})"
    again_changed = change(inputs, again[0]) > 0
    moved = again_changed and _rows(inputs[0][0]) == _rows(again[0][0][0])
    if moved or any(change(targets, other[1]) > 0 for other in (again, halves)):
        return _culprit("shuffling", "the samples", who=name)
    if again_changed or change(inputs, halves[0]) > _GROUPING[part.dtype]:
        return _culprit("augmentation", "the samples", who=name)
    return None


def _in_loss(part: MeanLoss, samples: int) -> Culprit | None:
    """Whether a loss of the user's own gives other values for the same logits."""
    if part.loss is cross_entropy or part.task.whole:
        return None
    ((outputs, targets),) = _evaluate(part, len(part.samples))

    def losses(*which: int | None) -> Tensor:
        rows = slice(*which)
        return part.task.shares(outputs[rows], trees.rows(targets, rows))[0].detach()

    whole, half, where = losses(None), _half(part), f"the loss '{loss_name(part.loss)}'"
    if _change(whole, [losses(None)]) > _ROUNDING:
        return _culprit("random numbers", where, who=where)
    if _change(whole, [losses(half), losses(half, None)]) > _GROUPING[part.dtype]:
        return _culprit("batch statistics", where, who=where, samples=samples)
    return None


def _in_network(part: MeanLoss, samples: int) -> Culprit | None:
    """Whether a second evaluation gives other outputs, or one in halves does."""
    count = len(part.samples)
    ((whole, _),) = _evaluate(part, count)
    change = _change(whole, [logits for logits, _ in _evaluate(part, count)])
    if change > _ROUNDING:
        layer, dropped = _search(part, 1, _ROUNDING)
        where, who = _named(part, layer)
        dropped = dropped or _DROPPING.search(where.rpartition("(")[2]) is not None
        return _culprit("dropout" if dropped else "random numbers", where, who=who)
    tolerance = max(_GROUPING[part.dtype], 10 * change)
    if _change(whole, [logits for logits, _ in _evaluate(part, _half(part))]) > tolerance:
        where, who = _named(part, _search(part, 2, tolerance)[0])
        return _culprit("batch statistics", where, who=who, samples=samples)
    device = f"the device ({part.device})"
    return _culprit("rounding", device, who=device, change=change) if change else None


def _culprit(kind: Kind, where: str, **words: Any) -> Culprit:
    return Culprit(kind, where, _MESSAGES[kind].format(**words))


def _named(part: MeanLoss, name: str) -> tuple[str, str]:
    """Where a layer is, and who acts there: of a container its own forward, not the layers in it."""
    layer = part.network.module.get_submodule(name)
    kind = type(layer).__name__
    where = f"layer '{name}' ({kind})" if name else f"the network itself ({kind})"
    if any(layer.children()):
        return where, f"the forward of {where}, and none of its layers,"
    bare = getattr(layer, "running_mean", layer) is None
    return where, f"{where}, without running statistics," if bare else where


def _half(part: MeanLoss) -> int:
    return (len(part.samples) + 1) // 2


def _evaluate(part: MeanLoss, size: int) -> list[tuple[Tensor, Tensor]]:
    """Logits, which tell more than losses that have vanished, and targets of each group of this size."""
    part = part.replace(micro_batch=size)
    if part.loss is not cross_entropy:
        return list(part.outputs())
    # What is added to all classes alike, such as a maximum over the batch, no loss sees.
    return [(logits - logits.amax(1, keepdim=True), targets) for logits, targets in part.outputs()]


def _change(whole: Tensor, parts: Sequence[Tensor]) -> float:
    """Largest relative difference between a tensor and the same computed in groups; infinite if none fits."""
    if any(part.dim() != whole.dim() for part in parts):
        return math.inf
    # The dimension along which groups are put together; a tensor without samples has none.
    unequal = {dim for part in parts for dim, size in enumerate(part.shape) if size != whole.shape[dim]}
    joined = [torch.cat(list(parts), *unequal)] if len(unequal) == 1 else parts
    if any(each.shape != whole.shape for each in joined):
        return math.inf
    return max(_difference(whole, each) for each in joined)


def _difference(a: Tensor, b: Tensor) -> float:
    """Largest difference relative to the value, or to the usual (median) value where that is larger."""
    a, b = (torch.view_as_real(each.resolve_conj()) if each.is_complex() else each for each in (a, b))
    a, b = a.cpu().double(), b.cpu().double()
    differ = (a != b) & ~(a.isnan() & b.isnan())
    if not differ.any():
        return 0.0
    sizes = a[a.isfinite() & (a != 0)].abs()
    usual = float(sizes.median()) if len(sizes) else 0.0  # a mean would drown in classes masked by -1e9
    relative = (a - b).abs()[differ] / a[differ].abs().clamp(min=usual)
    return float(relative.nan_to_num(nan=math.inf, posinf=math.inf).max())


def _rows(inputs: Tensor) -> list[bytes]:
    return sorted(row.tobytes() for row in inputs.detach().cpu().contiguous().numpy())


class _Call(NamedTuple):
    """One call of a layer: the tensors that went in and came out."""

    layer: str
    inputs: list[Tensor]
    outputs: list[Tensor]


_Calls = dict[tuple[str, int], _Call]
"""Calls in the order in which they ended, by layer and how often it had been called before."""


def _search(part: MeanLoss, groups: int, tolerance: float) -> tuple[str, bool]:
    """The first layer to end with another output for equal inputs, and whether values were dropped there.

    The network itself (its empty name) if no layer is found.
    """
    for count in sorted({min(_SEARCHED, len(part.samples)), len(part.samples)}):
        few = part.subset(0, count)
        (whole,), others = _trace(few, count), _trace(few, -(-count // groups))
        inside: list[tuple[list[Tensor], list[Tensor]]] = []  # inputs that came apart inside the culprit
        for key, call in whole.items():
            if any(key not in calls for calls in others):
                continue  # skipped at random, for which the layer around it is to blame
            same = [calls[key] for calls in others]
            if _differ(call.inputs, [each.inputs for each in same], tolerance):
                inside.append((call.inputs, same[0].inputs))
            elif _differ(call.outputs, [each.outputs for each in same], tolerance):
                return call.layer, _dropped(*(inside or [(call.outputs, same[0].outputs)])[0])
    return "", False


def _differ(whole: list[Tensor], parts: list[list[Tensor]], tolerance: float) -> bool:
    if any(len(part) != len(whole) for part in parts):
        return True
    return any(_change(tensor, same) > tolerance for tensor, *same in zip(whole, *parts, strict=True))


def _dropped(first: list[Tensor], second: list[Tensor]) -> bool:
    """Whether one of the two is zero wherever values differ, as under two dropout masks."""
    pairs = [(a, b) for a, b in zip(first, second, strict=False) if a.shape == b.shape]
    zero = [bool(((a == 0) | (b == 0))[a != b].all()) for a, b in pairs if not torch.equal(a, b)]
    return bool(zero) and all(zero)


def _trace(part: MeanLoss, size: int) -> list[_Calls]:
    """The calls of every layer, for each group of this size."""
    calls: list[_Call] = []
    groups: list[_Calls] = []
    handles = []
    part = part.replace(micro_batch=size)
    try:
        for name, layer in part.network.module.named_modules():
            handles += _watch(name, layer, calls)
        for _ in part.outputs():
            groups.append({})
            seen: Counter[str] = Counter()
            for call in calls:
                groups[-1][call.layer, seen[call.layer]] = call
                seen[call.layer] += 1
            calls.clear()
    finally:
        for handle in handles:
            handle.remove()
    return groups


def _watch(name: str, layer: nn.Module, calls: list[_Call]) -> list[RemovableHandle]:
    """Hooks that note the calls of one layer; copies, because layers behind may work in place."""
    entered: list[list[Tensor]] = []

    def before(_layer: nn.Module, args: Any, kwargs: Any) -> None:
        entered.append(_copies((args, kwargs)))

    def after(_layer: nn.Module, _args: Any, _kwargs: Any, output: Any) -> None:
        calls.append(_Call(name, entered.pop(), _copies(output)))

    return [
        layer.register_forward_pre_hook(before, prepend=True, with_kwargs=True),
        layer.register_forward_hook(after, with_kwargs=True),
    ]


def _copies(values: Any) -> list[Tensor]:
    """The plain tensors in tuples, lists and dictionaries, copied to the CPU, where there is more room."""
    tensors = trees.leaves(trees.plain(values))
    plain = (t for t in tensors if t.layout == torch.strided and not (t.is_nested or t.is_quantized))
    return [tensor.detach().to("cpu", copy=True) for tensor in plain]
