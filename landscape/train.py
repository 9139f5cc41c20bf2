"""Training: one plain recipe for every network, seeded and resumable."""

from __future__ import annotations

import json
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from landscape import trees
from landscape.allocation import memory_kept
from landscape.checkpoint import read, save
from landscape.dropout import dropout_layers, dropout_masks
from landscape.errors import LandscapeError
from landscape.files import atomic_path
from landscape.network import Network
from landscape.objective import Objective
from landscape.precision import has_bfloat16
from landscape.recipe import PRECISIONS, Recipe
from landscape.replacing import settle
from landscape.results import differences
from landscape.results.schema import arithmetic
from landscape.samples import CropFlip, Samples
from landscape.soundness.compatibility import require_compatible
from landscape.work import Progress, silent
from landscape.zoo import ModelConfig, build

__all__ = ["Recipe", "train"]

_FEW = 8
_LONG, _PAUSE = 1.0, 20.0
"""Seconds that writing a state may take before it is done less often, and the pause then in units of them."""


@memory_kept()
def train(
    config: ModelConfig,
    samples: Samples,
    recipe: Recipe,
    out: str | Path,
    *,
    device: str = "cpu",
    keep_every: int = 0,
    progress: Progress = silent,
    report: Callable[[dict[str, Any]], None] = lambda row: None,
    note: Callable[[str], None] = warnings.warn,
) -> Path:
    """Train a network and write it as a safetensors checkpoint that rebuilds itself.

    After each epoch, or less often where writing takes long, the state goes to ``OUT.training.pt``; a run
    that was stopped continues there and ends bit-identical on the same machine; one of another PyTorch, or of
    a version of ours with other arithmetic, begins anew. The state is removed at the end.

    Args:
        config: The network.
        samples: Training images.
        recipe: How to train.
        out: The checkpoint to write; one that was made of the same network, recipe and data is left as it is.
        device: Where to train.
        keep_every: Also keep the initial weights, and a checkpoint every so many epochs, for trajectories.
        progress: Shows the steps of an epoch.
        report: Receives a row of numbers after each epoch.
        note: Receives a sentence where an unfinished run begins anew; a warning by default.

    Returns:
        The checkpoint's path.

    Raises:
        LandscapeError: If the stored state or the checkpoint in place is of another run, the samples do not
            fit the network, or the loss is no longer finite.
    """
    out = Path(out)
    if os.path.exists(out):
        _check_same_run(out, config, recipe, samples)
        sweep(out)
        return out
    module = build(config, seed=recipe.seed)
    require_compatible(Objective(Network(module, samples.normalisation, name=config.name), samples))
    module = module.to(device).to(memory_format=_layout(module))  # type: ignore[call-overload]
    optimiser = recipe.optimiser(module.parameters())
    run = {"config": config.to_dict(), "recipe": recipe.to_dict(), "data": samples.describe()}
    dtype, instead = _computed_in(recipe, torch.device(device), note)
    identity = json.dumps({**run, "made_with": {**arithmetic(), **instead}})
    state_path = _state_path(out)
    history = _resume(state_path, identity, module, optimiser, note)

    def keep(path: Path) -> None:
        record = {"recipe": recipe.to_dict(), "data": samples.describe(), "history": history, **instead}
        save(path, module, config=config, normalisation=samples.normalisation, training=record)

    if keep_every and not history:
        keep(_kept(out, 0))
    due = 0.0
    for epoch in range(len(history), recipe.epochs):
        history.append(_epoch(module, optimiser, samples, recipe, dtype, epoch, config.classes, progress))
        if keep_every and (epoch + 1) % keep_every == 0:
            keep(_kept(out, epoch + 1))
        if (started := time.monotonic()) >= due:
            with atomic_path(state_path) as draft:
                torch.save(_state(identity, module, optimiser, history), draft)
            due = _next_state(started)
        report(history[-1])
    keep(out)
    sweep(out)
    return out


def _computed_in(
    recipe: Recipe, device: torch.device, note: Callable[[str], None]
) -> tuple[torch.dtype | None, dict[str, str]]:
    """Precision of the passes, None for that of the weights; and what is recorded if it is not the recipe's.

    Where a processor has no bfloat16, PyTorch emulates it, many times as slowly.
    """
    dtype = PRECISIONS[recipe.precision]
    if dtype is None or device.type != "cpu" or has_bfloat16():
        return dtype, {}
    note("this processor has no bfloat16 arithmetic: trained in float32, which the checkpoint records")
    return None, {"arithmetic": "float32"}


def _next_state(started: float) -> float:
    """When to write the state again: after a while in proportion, if it took long from `started` on."""
    now = time.monotonic()
    return now + _PAUSE * (now - started) if now - started > _LONG else now


def sweep(out: Path) -> None:
    """Remove the state of training beside its finished checkpoint, and what kills left there."""
    state_path = _state_path(out)
    state_path.unlink(missing_ok=True)
    for path in (state_path, out):
        settle(path)


def _state_path(out: Path) -> Path:
    return out.with_name(f"{out.name}.training.pt")


def _layout(module: nn.Module) -> torch.memory_format:
    """Channels last, but for convolutions of very few channels.

    In the backward pass of some of these, such as strided ones of single pixels with 2 to 7 channels, PyTorch
    2.13 writes beyond the end of memory.
    """
    convolutions = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    few = any(layer.out_channels < _FEW for layer in convolutions)
    few |= any(each.in_channels < _FEW and each.kernel_size == (1, 1) for each in convolutions)
    return torch.contiguous_format if few else torch.channels_last


def _check_same_run(out: Path, config: ModelConfig, recipe: Recipe, samples: Samples) -> None:
    """Raise unless a checkpoint is the finished one of this network, recipe and data set."""
    record = read(out).record
    training = record.get("training") or {}
    history = training.get("history")
    found = {
        "config": record.get("config"),
        "recipe": training.get("recipe"),
        "data": training.get("data"),
        "epochs": len(history) if isinstance(history, list) else 0,
    }
    wanted = {
        "config": config.to_dict(),
        "recipe": recipe.to_dict(),
        "data": samples.describe(),
        "epochs": recipe.epochs,
    }
    unlike = differences(found, wanted)
    if unlike:
        raise LandscapeError(
            f"{out} is there already, from another run (it differs in {', '.join(unlike[:4])}); choose "
            "another --out, or delete it"
        )


def _kept(out: Path, epoch: int) -> Path:
    return out.with_name(f"{out.stem}-epoch{epoch:03d}{out.suffix}")


def _epoch(
    module: nn.Module,
    optimiser: Optimizer,
    samples: Samples,
    recipe: Recipe,
    dtype: torch.dtype | None,
    epoch: int,
    classes: int,
    progress: Progress,
) -> dict[str, Any]:
    started, count = time.monotonic(), len(samples)
    steps = math.ceil(count / recipe.batch_size)
    total_loss, total_correct = 0.0, 0
    module.train()
    for layer in dropout_layers(module, training=True).values():
        layer.eval()  # masks come from our own streams
    batches = _batches(samples, recipe, epoch, classes)
    for step in progress(range(steps), f"epoch {epoch + 1}/{recipe.epochs}", steps):
        position = epoch * steps + step
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate(position, steps)
        loss, right = _step(module, optimiser, recipe, dtype, position, next(batches))
        rows = min(recipe.batch_size, count - step * recipe.batch_size)
        total_loss += loss * rows
        total_correct += right
    module.eval()
    if not (math.isfinite(total_loss) and all(torch.isfinite(v).all() for v in module.state_dict().values())):
        raise LandscapeError(
            f"loss or weights are not finite after epoch {epoch + 1}; lower the learning rate "
            f"({recipe.learning_rate})"
        )
    return {
        "epoch": epoch + 1,
        "loss": total_loss / count,
        "accuracy": total_correct / count,
        "seconds": round(time.monotonic() - started, 1),
    }


def _batches(samples: Samples, recipe: Recipe, epoch: int, classes: int) -> Iterator[tuple[Tensor, ...]]:
    """Inputs, what the loss compares their logits with, and targets, in the epoch's own order."""
    count, size = len(samples), recipe.batch_size
    order = np.random.default_rng((recipe.seed, epoch, 1)).permutation(count)
    plan = CropFlip.draw(count, seed=(recipe.seed, epoch)) if recipe.augment else None
    for step, start in enumerate(range(0, count, size)):
        rows = order[start : start + size]
        drawn = trees.rows((samples.inputs, samples.targets), torch.from_numpy(rows))
        images, targets = trees.read(drawn)
        rng = np.random.default_rng((recipe.seed, epoch, 2, step))
        if plan is not None:
            images = plan.select(rows).apply(images)
        images = recipe.changed(images, rng)
        inputs = images.float() / 255 if images.dtype == torch.uint8 else images.float()
        if samples.normalisation:
            inputs = samples.normalisation(inputs)
        yield *recipe.mixed(inputs, targets, classes, rng), targets


def _step(
    module: nn.Module,
    optimiser: Optimizer,
    recipe: Recipe,
    dtype: torch.dtype | None,
    position: int,
    batch: tuple[Tensor, ...],
) -> tuple[float, int]:
    """One step of the optimiser; its loss, and how many predictions were right."""
    device = next(module.parameters()).device
    inputs, wanted, targets = (part.to(device) for part in batch)
    with (
        torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None),
        dropout_masks(module, seed=recipe.seed, draw=1 + position, training=True),
    ):
        logits = module(inputs.to(memory_format=_layout(module)))
    loss = F.cross_entropy(logits.float(), wanted, label_smoothing=recipe.label_smoothing)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item(), int((logits.argmax(1) == targets).sum())


def _state(identity: str, module: nn.Module, optimiser: Optimizer, history: list) -> dict[str, Any]:
    return {
        "identity": identity,
        "module": module.state_dict(),
        "optimiser": optimiser.state_dict(),
        "history": history,
    }


def _resume(
    path: Path, identity: str, module: nn.Module, optimiser: Optimizer, note: Callable[[str], None]
) -> list[dict[str, Any]]:
    """The rows of the epochs that are done, with network and optimiser as they were after them."""
    if not os.path.exists(path):
        return []
    device = next(module.parameters()).device
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        found, wanted = json.loads(state["identity"]), json.loads(identity)
        before, now = dict(found.pop("made_with", {})), wanted.pop("made_with")
    except Exception as error:  # damaged pickles raise anything
        raise LandscapeError(f"{path} is damaged; delete it to begin again") from error
    if found != wanted:
        raise LandscapeError(
            f"{path} holds an unfinished run with another network, recipe or data set; "
            "give the same options to continue it, another --out, or delete it"
        )
    if before != now:
        unlike = ", ".join(differences(before, now))
        note(f"{path} holds an unfinished run of another version ({unlike} differs); training begins anew")
        return []
    module.load_state_dict(state["module"])
    optimiser.load_state_dict(state["optimiser"])
    return list(state["history"])
