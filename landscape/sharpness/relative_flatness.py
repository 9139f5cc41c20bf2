"""Relative flatness of the last layer, in closed form."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from landscape.errors import NothingToMeasure
from landscape.objective import Objective
from landscape.sharpness.perturbations import Found, over
from landscape.work import Item, Runner, in_memory


def relative_flatness(
    objective: Objective, *, run: Runner | None = None, label: str = "relative flatness"
) -> Found:
    """κ = Σ_{s,s'} ⟨w_s, w_s'⟩·tr H_{s,s'} of the last layer's weight (Petzka et al. 2021, definition 3).

    w_s is the row of class s, and H_{s,s'} the block of the Hessian for rows s and s'. With softmax
    cross-entropy and the features φ of a sample the blocks are (p_s δ_{s,s'} − p_s p_s')·φφᵀ, so that κ is
    the mean over samples of ‖φ‖²·(Σ_s p_s ‖w_s‖² − ‖Σ_s p_s w_s‖²): one forward pass, and no derivative.

    Args:
        objective: The loss, which has to be the cross-entropy of a softmax.
        run: Runs the pass; in memory by default.
        label: What the runner calls it.

    Returns:
        In the units of the loss, with Student's interval over samples.

    Raises:
        NothingToMeasure: If the loss is another, or the network does not end in a linear layer.
    """
    task = objective.task.describe()
    if task != {"name": "classification"} or not _usual(objective):
        raise NothingToMeasure(
            "relative flatness in closed form is that of softmax cross-entropy, and this loss is another"
        )

    def compute(index: int) -> Item:
        return {"values": _values(objective)}

    (item,) = (run or in_memory())(1, compute, label)
    return over(item["values"], passes=len(objective.samples))


def _usual(objective: Objective) -> bool:
    """Whether the loss of a few samples is their softmax cross-entropy."""
    logits, targets = next(objective.subset(0, 4).outputs())
    if logits.dim() != 2 or not isinstance(targets, Tensor) or targets.dtype is not torch.int64:
        return False
    expected = nn.functional.cross_entropy(logits, targets, reduction="none")
    found = next(iter(objective.subset(0, 4).scores())).losses
    return bool(torch.allclose(found, expected.double().cpu(), rtol=1e-3, atol=1e-5))


def last_layer(objective: Objective) -> tuple[str, nn.Linear]:
    """Name and module of the linear layer whose outputs are the logits.

    Raises:
        NothingToMeasure: If there is none.
    """
    part = objective.subset(0, 4)
    part.checked("value")
    seen: dict[str, Tensor] = {}
    handles = [
        layer.register_forward_hook(lambda _m, _i, out, name=name: seen.__setitem__(name, out))
        for name, layer in objective.network.module.named_modules()
        if isinstance(layer, nn.Linear)
    ]
    try:
        logits, _ = next(part.outputs())
    finally:
        for handle in handles:
            handle.remove()
    for name, output in reversed(seen.items()):
        layer = objective.network.module.get_submodule(name)
        alike = isinstance(output, Tensor) and output.shape == logits.shape and torch.equal(output, logits)
        if alike and isinstance(layer, nn.Linear):
            return name, layer
    raise NothingToMeasure(
        f"{objective.network.name} does not end in a linear layer (nn.Linear) whose outputs are the logits"
    )


def _values(objective: Objective) -> np.ndarray:
    """Of each sample, shape (sample,)."""
    _, layer = last_layer(objective)
    found: list[Tensor] = []
    seen: list[tuple[Tensor, Tensor]] = []
    # Asked for inside the pass, the weight is the one in use, be it tied, pruned or parametrized.
    handle = layer.register_forward_pre_hook(lambda m, given: seen.append((given[0], m.weight.detach())))
    try:
        for logits, _ in objective.outputs():
            inputs, weight = (part.double() for part in seen.pop())
            shares, lengths = logits.double().softmax(1), weight.square().sum(1)
            spread = shares @ lengths - (shares @ weight).square().sum(1)
            found.append(inputs.square().sum(1) * spread)
            seen.clear()
    finally:
        handle.remove()
    return torch.cat(found).cpu().numpy()
