"""Predictions of a network over the objective's samples, and how good they are."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from torch import Tensor

from landscape.calibration import Reliability, reliability
from landscape.losses import Gathered, gathered
from landscape.objective import Objective
from landscape.predictive import metrics
from landscape.results.estimate import Estimate
from landscape.work import Progress, silent

_NAMES = {
    "target": ("class of the sample", "1"),
    "nll": ("negative log-likelihood", "nat"),
    "correct": ("whether the most probable class is the target", "1"),
    "confidence": ("probability of the most probable class", "1"),
    "log_probability": ("log-probability", "nat"),
    "mean_nll": ("mean negative log-likelihood", "nat"),
    "accuracy": ("share of right predictions", "1"),
    "top5": ("share of targets among the five most probable classes", "1"),
    "brier": ("Brier score, summed over classes", "1"),
    "ece": ("expected calibration error", "1"),
    "ece_debiased": ("expected calibration error without the part that noise alone gives it", "1"),
    "ece_debiased_low": ("lower end of the 95 % interval", "1"),
    "ece_debiased_high": ("upper end of the 95 % interval", "1"),
    "signed_ece": ("mean confidence minus accuracy; positive if overconfident", "1"),
    "acc_90": ("accuracy at confidence over 0.9", "1"),
    "unc_90": ("share of wrong predictions with confidence up to 0.9", "1"),
    "freq_90": ("share of predictions with confidence over 0.9", "1"),
    "iou": ("intersection over union, mean over classes", "1"),
    "bin_lower": ("lower edge of the confidence bin", "1"),
    "bin_upper": ("upper edge of the confidence bin", "1"),
    "bin_confidence": ("mean confidence in the bin", "1"),
    "bin_accuracy": ("accuracy in the bin", "1"),
    "bin_count": ("predictions in the bin", "1"),
}


def evaluate(
    objective: Objective, *, bins: int = 10, draw: int = 0, progress: Progress = silent
) -> xr.Dataset:
    """Likelihood, accuracy and calibration of the network's predictions.

    Everything comes from the logits, in float64, also where the objective's loss is not the cross-entropy.
    Values that are not finite stay as they are; a prediction that is NaN counts as wrong.

    For a task other than classification, `nll` is its loss, and the task's own scores with their standard
    errors stand beside `mean_nll`. Where targets are probabilities of classes, there is no accuracy and no
    calibration, and the loss stands alone.

    Args:
        objective: Network and samples.
        bins: Number of bins of the calibration errors and the reliability diagram.
        draw: Number of the dropout masks, with `fresh` dropout.
        progress: Shows how far the work is.

    Returns:
        Dimensions `sample` (coordinate: position in the source), `class` and `bin`. By sample: `target`,
        `nll` (nats), `correct`, `confidence` and, float32, `log_probability(sample, class)`. Over all
        samples, each with its `…_standard_error`: `mean_nll`, `accuracy`, `brier`, from six classes on
        `top5`, `ece`, `signed_ece` (confidence minus accuracy), `acc_90`, `unc_90`, `freq_90`
        (`metrics.confidence_shares`) and `iou` (`metrics.iou`); `ece_debiased` with the ends of its 95 %
        interval, `…_low` and `…_high` (`landscape.debiasing`). By bin: `bin_lower`, `bin_upper`,
        `bin_confidence`, `bin_accuracy` with its standard error, NaN in empty bins, and `bin_count`.

    Raises:
        LandscapeError: If the network does not output logits of shape (sample, class), a target is none of
            its classes, or `bins` is less than 1.

    Examples:
        >>> import landscape as ls
        >>> objective = ls.Objective(ls.family.load("gap"), ls.data.demo("test").take(50))
        >>> scores = ls.predictive.evaluate(objective)
        >>> print(f"{float(scores.accuracy):.2f} ± {float(scores.accuracy_standard_error):.2f}")
        0.98 ± 0.02
    """
    if objective.task.name != "classification" or _has_probabilities(objective):
        return _of_task(objective, draw, progress)
    batches = math.ceil(len(objective.samples) / objective.micro_batch)
    found = Gathered(len(objective.samples))
    for logits, targets in progress(objective.outputs(draw=draw), "evaluate", batches):
        found.add(_scores(logits, targets))
    scores = found.columns()
    binned = reliability(scores["confidence"], scores["correct"], bins=bins)
    summary: dict[str, float] = {}
    for name, mean in _means(scores, binned).items():
        summary |= {name: mean.value, f"{name}_standard_error": mean.error}
    for end, value in zip(("", "_low", "_high"), binned.debiased_error(), strict=True):
        summary[f"ece_debiased{end}"] = float(value)
    dataset = _dataset(objective, scores, summary, _by_bin(binned))
    return dataset.assign_attrs(ece_bins=bins, confident=metrics.CONFIDENT)


def _has_probabilities(objective: Objective) -> bool:
    """Whether targets are probabilities of classes, of which none is the right one."""
    _, targets = objective.samples.stored(0, 1)
    return isinstance(targets, Tensor) and targets.dim() == 2 and targets.is_floating_point()


def _of_task(objective: Objective, draw: int, progress: Progress) -> xr.Dataset:
    """The loss of each sample, and the scores over all."""
    batches = math.ceil(len(objective.samples) / objective.micro_batch)
    scores = progress(objective.scores(draw=draw), "evaluate", batches)
    losses, columns = gathered(scores, len(objective.samples))
    task, mean = objective.task, metrics.mean(losses)
    loss, units = ("negative log-likelihood", "nat") if task.likelihood else ("loss", "1")
    means = {"mean_nll": (mean.value, mean.error, f"mean {loss}", units)}
    values, errors = task.summary(columns), task.errors(columns)
    for name, score in task.scores.items():
        if name in values:
            means[name] = (values[name], errors[name], score.long_name, score.units)
    dataset = xr.Dataset(
        {"nll": ("sample", losses.numpy(), {"long_name": loss, "units": units})},
        coords={"sample": objective.samples.indices},
    )
    for name, (value, error, long_name, unit) in means.items():
        dataset[name] = ((), value, {"long_name": long_name, "units": unit})
        spread = {"long_name": "standard error over samples", "units": unit}
        dataset[f"{name}_standard_error"] = ((), error, spread)
    return dataset


def _scores(logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """What is kept of one micro-batch, where it was computed."""
    log_probability = metrics.log_probabilities(logits)
    scores = {
        "target": targets,
        "nll": metrics.nll(log_probability, targets),
        "predicted": metrics.predicted(log_probability),
        "correct": metrics.correct(log_probability, targets),
        "confidence": log_probability.amax(1).exp(),
        "brier": metrics.brier(log_probability, targets),
        "log_probability": log_probability.float(),
    }
    if log_probability.shape[1] >= metrics.TOP5_CLASSES:
        scores["top5"] = metrics.correct(log_probability, targets, top=5)
    return scores


def _means(scores: dict[str, Tensor], binned: Reliability) -> dict[str, Estimate]:
    """Every score over all samples; takes what is not stored by sample out of `scores`."""
    means = {
        "mean_nll": metrics.mean(scores["nll"]),
        "accuracy": metrics.mean(scores["correct"]),
        "brier": metrics.mean(scores.pop("brier")),
        "ece": Estimate(float(binned.error()), float(binned.error_standard_error())),
        "signed_ece": Estimate(float(binned.signed_error()), float(binned.signed_error_standard_error())),
        **metrics.confidence_shares(scores["confidence"], scores["correct"]),
        "iou": metrics.iou(scores.pop("predicted"), scores["target"]),
    }
    if "top5" in scores:
        means["top5"] = metrics.mean(scores.pop("top5"))
    return means


def _by_bin(binned: Reliability) -> dict[str, np.ndarray]:
    """The reliability diagram, one value a bin."""
    count = binned.count
    edges = np.linspace(0, 1, len(count) + 1)
    accuracy = binned.hits / count
    return {
        "bin_lower": edges[:-1],
        "bin_upper": edges[1:],
        "bin_confidence": (binned.confidence / count).numpy(),
        "bin_accuracy": accuracy.numpy(),
        "bin_accuracy_standard_error": (accuracy * (1 - accuracy) / (count - 1))
        .sqrt()
        .where(count > 1, math.nan)
        .numpy(),
        "bin_count": count.long().numpy(),
    }


def _dataset(
    objective: Objective,
    scores: dict[str, Tensor],
    summary: dict[str, float],
    by_bin: dict[str, np.ndarray],
) -> xr.Dataset:
    samples = objective.samples
    coords = {"sample": samples.indices}
    if len(samples.class_names) == scores["log_probability"].shape[1]:
        coords["class"] = np.array(samples.class_names, dtype=object)
    dims = ("sample", "class")
    return xr.Dataset(
        {name: (dims[: values.dim()], values.numpy(), _attributes(name)) for name, values in scores.items()}
        | {name: ((), value, _attributes(name)) for name, value in summary.items()}
        | {name: ("bin", values, _attributes(name)) for name, values in by_bin.items()},
        coords=coords,
    )


def _attributes(name: str) -> dict[str, str]:
    quantity = name.removesuffix("_standard_error")
    long_name, units = _NAMES[quantity]
    return {"long_name": long_name if quantity == name else "standard error over samples", "units": units}
