"""Whether a network, its samples and the loss belong together, asked before any work is done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from landscape import trees
from landscape.errors import LandscapeError
from landscape.losses import is_classification, loss_name
from landscape.mean_loss import MeanLoss
from landscape.network import Network
from landscape.samples import Samples
from landscape.soundness.footprint import require_fitting
from landscape.soundness.ranges import require_images, require_one_normalisation
from landscape.tasks import Task
from landscape.trees import Tree

_SUM = 1e-4  # of a row of probabilities, from 1


def plain_module(module: Any) -> nn.Module:
    """The module that holds the weights, out of what parallel training and compilation wrap around it.

    Raises:
        LandscapeError: If it is no module, or one whose weights cannot be replaced: a TorchScript module, or
            one with lazy layers that have not run.
    """
    while isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel) or (
        isinstance(module, nn.Module) and "_orig_mod" in module._modules
    ):
        module = module._modules.get("_orig_mod") or module.module
    if not isinstance(module, nn.Module):
        raise LandscapeError(
            f"the network is a {type(module).__name__}, expected an nn.Module, or a Network as landscape.load"
            " returns it"
        )
    for name, layer in module.named_modules():
        where = f"layer '{name}'" if name else "the network"
        if isinstance(layer, torch.jit.ScriptModule):
            raise LandscapeError(
                f"{where} is a TorchScript module (torch.jit), whose weights cannot be replaced from "
                "outside; give the Python module that it was made of, with the same state dict"
            )
        if any(isinstance(each, UninitializedParameter) for each in layer._parameters.values()):
            raise LandscapeError(
                f"{where} is a lazy {type(layer).__name__} that has not run yet and has no weights; run the "
                "network once on a batch first"
            )
    return module


def as_samples(data: Any) -> Samples:
    """Samples, or a pair of inputs and targets, or a data set or loader of PyTorch, as `Samples`.

    Raises:
        LandscapeError: If it is neither.
    """
    if isinstance(data, Samples):
        return data
    if isinstance(data, tuple | list) and len(data) == 2:
        return Samples(*data)
    if isinstance(data, tuple | list):
        raise LandscapeError(f"the data have {len(data)} parts, expected a pair of inputs and targets")
    if isinstance(data, torch.utils.data.DataLoader | torch.utils.data.Dataset):
        return Samples.of(data)
    raise LandscapeError(
        f"the data are a {type(data).__name__}, expected samples in a fixed order; give Samples(inputs, "
        "targets), the pair, or a data set of PyTorch"
    )


def accepted(network: Any, data: Any, task: Task) -> tuple[Network, Samples]:
    """Network and samples out of what people pass; a column of class indices is one index per sample.

    Raises:
        LandscapeError: If they are of a kind that cannot be measured.
    """
    samples = as_samples(data)
    targets = samples.targets
    if task.targets and not any(leaf.numel() for leaf in trees.leaves(targets)):
        targets = task.targets(samples.inputs)
    if task.classes and isinstance(targets, Tensor) and targets.dim() == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets is not samples.targets:
        samples = replace(samples, targets=targets)
    if not isinstance(network, Network):
        network = Network(network)
    network = replace(network, module=plain_module(network.module))
    require_one_normalisation(network, samples)
    return network, samples


def require_compatible(objective: MeanLoss) -> None:
    """Evaluate two samples.

    Raises:
        LandscapeError: If a sample takes too much memory, the network fails or returns no logits, a target is
            none of its classes, or the loss is not one number per sample.
    """
    samples, name = objective.samples, objective.network.name
    if objective.task.total(samples.targets) == 0:
        raise LandscapeError(
            f"no sample of {samples.source} counts for anything under this loss, so that it has no mean; "
            "look at its weights and at the index that it ignores"
        )
    shape = ", ".join(str(tuple(leaf.shape[1:])) for leaf in trees.leaves(samples.inputs))
    require_fitting(objective)
    require_images(objective)
    part = objective.replace(soundness=None).subset(0, 2)
    try:
        outputs, targets = next(part.outputs())
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError, AssertionError) as error:
        raise LandscapeError(
            f"{name} fails on inputs of shape {shape} from {samples.source}: {_reason(error)}"
        ) from error
    if objective.task.classes:
        _require_classes(objective, outputs, targets)
    elif not trees.is_lazy(samples.targets):
        objective.task.require_targets(outputs, samples.targets, samples.source)
    try:
        objective.task.shares(outputs, targets)
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        given = ", ".join(f"{tuple(leaf.shape)} ({leaf.dtype})" for leaf in trees.leaves(targets))
        raise LandscapeError(
            f"the loss {loss_name(objective.loss)} fails on outputs of shape {tuple(outputs.shape)} and "
            f"targets of shape {given}: {_reason(error)}"
        ) from error


def look_like_probabilities(objective: MeanLoss) -> bool:
    """Whether the outputs of a few samples are probabilities already, where cross-entropy expects logits."""
    outputs, targets = next(objective.replace(soundness=None).subset(0, 8).outputs())
    if not is_classification(outputs, targets) or not bool(torch.isfinite(outputs).all()):
        return False
    sums = outputs.double().sum(1)
    return bool((outputs >= 0).all()) and bool(((sums - 1).abs() < _SUM).all())


def _require_classes(objective: MeanLoss, outputs: Tensor, few: Tree) -> None:
    samples, name = objective.samples, objective.network.name
    targets = few if trees.is_lazy(samples.targets) else samples.targets
    if outputs.dim() != 2:
        raise LandscapeError(
            f"{name} returns shape {tuple(outputs.shape)}, expected logits of shape (sample, class); for "
            "other outputs name their task, such as pixels or tokens (--task), or give a loss of your own"
        )
    if not isinstance(targets, Tensor):
        raise LandscapeError(
            f"the targets are a {type(targets).__name__}, expected one class index per sample; for others "
            "give a loss of your own"
        )
    if _are_probabilities(targets, outputs):
        return
    if targets.is_floating_point() or targets.dim() != 1:
        raise LandscapeError(
            f"the targets have shape {tuple(targets.shape)} and type {targets.dtype}, expected one class "
            "index per sample, shape (sample,), or probabilities of the classes, shape (sample, class); for "
            "other targets name their task, such as regression or multi-label (--task), or give a loss of "
            "your own"
        )
    classes, smallest, largest = outputs.shape[1], int(targets.min()), int(targets.max())
    if largest >= classes or smallest < 0:
        odd = largest if largest >= classes else smallest
        from_one = largest == classes and smallest >= 1
        remedy = (
            "the labels seem to start from 1: subtract 1"
            if from_one
            else "the network and the data set do not belong together"
        )
        raise LandscapeError(
            f"target {odd} of {samples.source} is none of the {classes} classes (0 to {classes - 1}) of "
            f"{name}; {remedy}"
        )


def _are_probabilities(targets: Tensor, outputs: Tensor) -> bool:
    """Whether targets are a distribution over the classes for each sample, as after mixup."""
    if not targets.is_floating_point() or targets.shape[1:] != outputs.shape[1:]:
        return False
    return bool((targets >= 0).all()) and bool(((targets.double().sum(1) - 1).abs() < _SUM).all())


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
