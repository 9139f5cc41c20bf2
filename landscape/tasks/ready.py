"""Tasks that are ready made. Every loss is the mean over whatever one sample holds, as PyTorch's own mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.errors import ArgumentError, LandscapeError
from landscape.losses import Columns, cross_entropy, of_classes
from landscape.tasks.scores import ACCURACY, EXACT, IOU, PERPLEXITY, RMSE
from landscape.tasks.task import Task
from landscape.trees import Tree

IGNORED = -100
"""Index of targets that do not count, PyTorch's own."""

Which = str | int | None
"""Which of several outputs the loss is of, see `Task.logits`."""


def classification(
    label_smoothing: float = 0.0, class_weights: Sequence[float] = (), logits: Which = None
) -> Task:
    """One class of each sample: logits (sample, class), targets (sample,), or probabilities (sample, class).

    Args:
        label_smoothing: Share of the target that is spread over all classes.
        class_weights: What a sample counts for, by the class of its target.
        logits: Which of several outputs the loss is of.
    """
    if not 0 <= label_smoothing < 1:
        raise ArgumentError(f"the label smoothing must lie in [0, 1), got {label_smoothing}")
    loss: Callable[..., Any] = cross_entropy
    if class_weights or label_smoothing:
        weight = torch.tensor(class_weights, dtype=torch.float64) if class_weights else None
        loss = nn.CrossEntropyLoss(weight, reduction="none", label_smoothing=label_smoothing)
    options = {"label_smoothing": label_smoothing, "class_weights": tuple(class_weights)}
    given = {name: value for name, value in options.items() if value}
    return Task("classification", loss, of_classes, classes=True, logits=logits, options=given)


def _alike(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs and targets as rows, shape (sample, number); one number a sample needs no second dimension.

    Raises:
        LandscapeError: If their shapes differ by more than that.
    """
    rows = [each.reshape(len(each), -1) for each in (outputs, targets.to(outputs.dtype))]
    one_each = rows[0].shape == rows[1].shape == (len(outputs), 1)
    if outputs.shape != targets.shape and not one_each:
        raise LandscapeError(
            f"the outputs have shape {tuple(outputs.shape)}, the targets {tuple(targets.shape)}, and this "
            "task compares them number by number; give targets of the outputs' shape"
        )
    return rows[0], rows[1]


def _labels(outputs: Tensor, targets: Tensor) -> Tensor:
    logits, wanted = _alike(outputs, targets)
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(1)


def _label_columns(outputs: Tensor, targets: Tensor) -> Columns:
    logits, wanted = _alike(outputs, targets)
    if not bool(((wanted == 0) | (wanted == 1)).all()):
        return {}  # probabilities as targets: there is no right and wrong
    right = (logits > 0) == (wanted > 0.5)
    count = torch.full((len(right),), right.shape[1])
    ones = torch.ones(len(right))
    return {"right": right.sum(1), "counted": count, "exact": right.all(1), "samples": ones}


def binary(logits: Which = None) -> Task:
    """Yes or no: one logit a sample, shape (sample,) or (sample, 1); targets 0, 1 or a probability."""
    scores = {"accuracy": ACCURACY}
    return Task("binary", _labels, _label_columns, scores, logits=logits, between=(0, 1))


def multi_label(logits: Which = None) -> Task:
    """Any number of labels: logits (sample, label), targets 0, 1 or probabilities of the same shape."""
    scores = {"accuracy": ACCURACY, "exact_match": EXACT}
    return Task("multi-label", _labels, _label_columns, scores, logits=logits, between=(0, 1))


def _squares(outputs: Tensor, targets: Tensor) -> Tensor:
    values, wanted = _alike(outputs, targets)
    return (values - wanted).square().mean(1)


def _square_columns(outputs: Tensor, targets: Tensor) -> Columns:
    values, wanted = _alike(outputs, targets)
    apart = (values.double() - wanted.double()).square()
    return {"squares": apart.sum(1), "counted": torch.full((len(apart),), apart.shape[1])}


def regression(logits: Which = None) -> Task:
    """Numbers: outputs and targets of one shape, squared error."""
    return Task("regression", _squares, _square_columns, {"rmse": RMSE}, likelihood=False, logits=logits)


def _halves(outputs: Tensor) -> tuple[Tensor, Tensor]:
    if outputs.dim() < 2 or outputs.shape[1] % 2:
        raise LandscapeError(
            f"the outputs have shape {tuple(outputs.shape)}, expected a mean and the logarithm of a variance "
            "for each number, side by side along the second dimension"
        )
    mean, log_variance = outputs.chunk(2, 1)
    return mean, log_variance


def _gaussian(outputs: Tensor, targets: Tensor) -> Tensor:
    mean, log_variance = _halves(outputs)
    values, wanted = _alike(mean, targets)
    spread = log_variance.flatten(1)
    return 0.5 * (spread + (values - wanted).square() * torch.exp(-spread)).mean(1)


def gaussian(logits: Which = None) -> Task:
    """A normal distribution of each number: outputs (sample, 2·number, …), means and then log variances.

    Its negative log-likelihood without the constant ½ ln 2π, as `nn.GaussianNLLLoss` has it.
    """

    def columns(outputs: Tensor, targets: Tensor) -> Columns:
        return _square_columns(_halves(outputs)[0], targets)

    return Task("gaussian", _gaussian, columns, {"rmse": RMSE}, logits=logits)


def _places(outputs: Tensor, targets: Tensor, ignored: int) -> tuple[Tensor, Tensor]:
    """Cross-entropy of every place, 0 where it is ignored, shape (sample, place), and which count.

    Args:
        outputs: Logits, shape (sample, class, …).
        targets: Classes, shape (sample, …).
        ignored: Index that does not count.

    Raises:
        LandscapeError: If the shapes do not fit, or a target is none of the classes.
    """
    if outputs.dim() < 3 or outputs.shape[:1] + outputs.shape[2:] != targets.shape:
        raise LandscapeError(
            f"the outputs have shape {tuple(outputs.shape)}, the targets {tuple(targets.shape)}, expected "
            "logits of every class and one class for each place"
        )
    counted = (targets != ignored).flatten(1)
    outside = counted & ((targets < 0) | (targets >= outputs.shape[1])).flatten(1)
    if bool(outside.any()):
        odd = int(targets.flatten(1)[outside][0])
        raise LandscapeError(
            f"target {odd} is none of the {outputs.shape[1]} classes; if it marks places that do not count, "
            f"give ignore_index={odd}"
        )
    losses = F.cross_entropy(outputs, targets, ignore_index=ignored, reduction="none")
    return losses.flatten(1), counted


def _of_places(outputs: Tensor, targets: Tensor, ignored: int) -> Tensor:
    losses, counted = _places(outputs, targets, ignored)
    return losses.sum(1) / counted.sum(1).clamp(min=1)


def _counted(targets: Tensor, ignored: int) -> Tensor:
    return (targets != ignored).flatten(1).sum(1).double()


def _place_columns(outputs: Tensor, targets: Tensor, ignored: int) -> Columns:
    losses, counted = _places(outputs, targets, ignored)
    right = (outputs.argmax(1) == targets).flatten(1) & counted
    surprise = losses.double().sum(1)
    return {"right": right.sum(1), "counted": counted.sum(1), "surprise": surprise}


def _overlaps(outputs: Tensor, targets: Tensor, ignored: int) -> Columns:
    """Beside the usual columns, pixels of each class in both and in either, shape (sample, class)."""
    _, counted = _places(outputs, targets, ignored)
    classes = outputs.shape[1]
    found, wanted = (each.flatten(1) for each in (outputs.argmax(1), targets.clamp(0, classes - 1)))

    def tally(labels: Tensor, where: Tensor) -> Tensor:
        empty = torch.zeros(len(labels), classes, device=labels.device, dtype=torch.int64)
        return empty.scatter_add_(1, labels, where.long())

    common = tally(found, counted & (found == wanted))
    union = tally(found, counted) + tally(wanted, counted) - common
    return _place_columns(outputs, targets, ignored) | {"common": common, "union": union}


def pixels(ignore_index: int = IGNORED, logits: Which = None) -> Task:
    """A class for every pixel: logits (sample, class, height, width), targets (sample, height, width).

    Args:
        ignore_index: Target of pixels that do not count; the mean is over all others of all samples.
        logits: Which of several outputs the loss is of.
    """
    ignored: dict[str, Any] = {"ignored": ignore_index}
    return Task(
        "pixels",
        partial(_of_places, **ignored),
        partial(_overlaps, **ignored),
        {"accuracy": ACCURACY, "iou": IOU},
        partial(_counted, **ignored),
        logits=logits,
        options={"ignore_index": ignore_index},
    )


def _turned(function: Callable[..., Any], shift: int = 0) -> Callable[..., Any]:
    """The same of logits (sample, token, class), each for the target so many places on."""

    def turned(outputs: Tensor, targets: Tensor) -> Any:
        logits = outputs.movedim(-1, 1)
        return function(logits[..., : logits.shape[-1] - shift], targets[:, shift:])

    return turned


def tokens(ignore_index: int = IGNORED, logits: Which = None) -> Task:
    """A class for every token: logits (sample, token, class), targets (sample, token)."""
    ignored: dict[str, Any] = {"ignored": ignore_index}
    return Task(
        "tokens",
        _turned(partial(_of_places, **ignored)),
        _turned(partial(_place_columns, **ignored)),
        {"accuracy": ACCURACY},
        partial(_counted, **ignored),
        logits=logits,
        options={"ignore_index": ignore_index},
    )


def language(ignore_index: int = IGNORED, logits: Which = None) -> Task:
    """The next token: logits (sample, token, vocabulary); targets are the tokens themselves.

    Without targets, those are the inputs, or what they call ``input_ids``; where an ``attention_mask`` is 0
    they do not count.
    """
    ignored: dict[str, Any] = {"ignored": ignore_index}

    def own(inputs: Tree) -> Tensor:
        if not isinstance(inputs, Mapping):
            return inputs
        ids = inputs["input_ids"]
        mask = inputs.get("attention_mask")
        return ids if mask is None else ids.masked_fill(mask == 0, ignore_index)

    return Task(
        "language",
        _turned(partial(_of_places, **ignored), 1),
        _turned(partial(_place_columns, **ignored), 1),
        {"accuracy": ACCURACY, "perplexity": PERPLEXITY},
        lambda targets: _counted(targets[:, 1:], **ignored),
        logits=logits,
        targets=own,
        options={"ignore_index": ignore_index},
    )
