"""`landscape evaluate`: accuracy, likelihood and calibration, alone, averaged, corrupted and attacked."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.help import Command
from landscape.cli.measuring import Part, Summary, measure, option, table, with_options
from landscape.cli.options import CHECKPOINT, OUT, Request, protocol_options, result_path
from landscape.cli.values import Numbers

if TYPE_CHECKING:
    import xarray as xr

    from landscape.network import Network
    from landscape.objective import Objective

_OPTIONS = (
    option("--bins", "Number of bins of the ECE.", 10, least=1),
    option(
        "--ensemble passes",
        "Also the mean of 1 … N predictions under fresh dropout masks.",
        least=2,
        metavar="N",
    ),
    option(
        "--with members",
        "Also a deep ensemble with this network; may be repeated.",
        multiple=True,
        metavar="CKPT",
        type=click.Path(),
    ),
    option("--orders", "Orders of the members that ensemble curves are averaged over.", 1, least=1),
    option(
        "--corruptions folder", "Also CIFAR-10-C or -100-C, as published.", metavar="DIR", type=click.Path()
    ),
    option("--corrupt", "Also the same fifteen corruptions, made here.", False),
    option(
        "--corruption names", "Take this corruption alone; may be repeated.", multiple=True, metavar="NAME"
    ),
    option(
        "--reference",
        "Robustness of a baseline, such as AlexNet: gives mCE, mCNLL and mCECE relative to it.",
        metavar="RESULT",
        type=click.Path(),
    ),
    option("--consistency sequences", "Also CIFAR-10-P, as published.", metavar="DIR", type=click.Path()),
    option("--attack", "Also measure accuracy under FGSM and PGD.", False),
    option("--epsilons", "Largest change of a pixel by an attack, in 1/255.", "1,2,4,8", type=Numbers()),
    option("--attack-steps", "Steps of PGD.", 10, least=1),
)


@click.command(
    "evaluate",
    cls=Command,
    examples=(
        "landscape evaluate net.safetensors",
        "landscape evaluate net.safetensors --ensemble 10 --samples 500",
    ),
)
@CHECKPOINT
@with_options(_OPTIONS)
@OUT
@protocol_options(samples=0)
def command(request: Request, checkpoint: str, out: str | None, **options: Any) -> None:
    """Measure accuracy, likelihood and calibration."""
    if options["folder"] and options["corrupt"]:
        raise click.UsageError("--corruptions reads corrupted images, --corrupt makes them; give one of them")
    network = request.network(checkpoint)
    path = result_path(out, network, "evaluation")
    objective = request.settings().objective(network)
    first = Part("evaluation", objective, _evaluation, {"bins": options["bins"]})
    measure(request, "evaluate", path, first, _parts(request, network, objective, options))


def _parts(request: Request, network: Network, objective: Objective, options: dict[str, Any]) -> list[Part]:
    """The further results that were asked for."""
    from landscape import results
    from landscape.analyses.predictions import GENERATED, require_folder

    found = []
    shared = {"orders": options["orders"], "bins": options["bins"]}
    if options["passes"] and options["members"]:
        raise click.UsageError("--ensemble averages one network, --with several; give one of them")
    if options["passes"]:
        fresh = dataclasses.replace(request.settings(), dropout="fresh").objective(network, objective.samples)
        found.append(Part("ensemble", fresh, _ensemble, {"passes": options["passes"], **shared}))
    if options["members"]:
        others = [
            request.settings().objective(request.network(path), objective.samples)
            for path in options["members"]
        ]
        found.append(Part("ensemble", objective, _ensemble, {"others": others, **shared}))
    source = options["folder"] or (GENERATED if options["corrupt"] else None)
    if source:
        if source != GENERATED:
            require_folder(source)
        reference = results.load(options["reference"]) if options["reference"] else None
        chosen = {"source": source, "corruptions": options["names"], "bins": options["bins"]}
        found.append(Part("robustness", objective, _robustness, chosen | {"reference": reference}))
    if options["sequences"]:
        require_folder(options["sequences"])
        found.append(Part("consistency", objective, _consistency, {"folder": options["sequences"]}))
    if options["attack"]:
        epsilons = [epsilon / 255 for epsilon in options["epsilons"]]
        steps = options["attack_steps"]
        found.append(Part("attack", objective, _attack, {"epsilons": epsilons, "steps": steps}))
    return found


_SCORES = (
    ("nll", "mean_nll", "NLL", " nats"),
    ("accuracy", "accuracy", "accuracy", ""),
    ("ece", "ece", "ECE", " ({bins} bins)"),
    ("brier", "brier", "Brier", ""),
    ("top5", "top5", "top-5", ""),
    ("signed_ece", "signed_ece", "signed ECE", " (confidence − accuracy)"),
    ("acc_90", "acc_90", "Acc-90", " (accuracy where confidence > 0.9)"),
    ("unc_90", "unc_90", "Unc-90", " (share of the wrong with confidence ≤ 0.9)"),
    ("freq_90", "freq_90", "Freq-90", " (share with confidence > 0.9)"),
    ("iou", "iou", "IoU", ""),
)
"""Of each score: its JSON key, variable, label, and what stands behind the number."""
_OF_TASKS = (
    ("exact_match", "exact_match", "all right", " (share of samples with every label right)"),
    ("rmse", "rmse", "RMSE", ""),
    ("perplexity", "perplexity", "perplexity", ""),
)
"""The same of scores that only other tasks than classification have."""
_SHOWN = ("accuracy", "top5", "nll", "ece", "signed_ece", "brier", "acc_90", "unc_90", "freq_90", "iou")
"""The order of the lines."""


def _evaluation(dataset: xr.Dataset) -> Summary:
    """The scores, and their standard errors where they have one."""
    from landscape.results import attribute

    values: dict[str, Any] = {}
    error, lines = {}, {}
    likelihood = dataset.mean_nll.attrs.get("units") == "nat"
    bins = attribute(dataset, "protocol")["options"]["bins"]
    for name, stored, label, unit in (*_SCORES, *(each for each in _OF_TASKS if each[0] in dataset)):
        if name == "nll" and not likelihood:
            label, unit = "loss", ""
        values[name] = float(dataset[stored]) if stored in dataset else None
        if f"{stored}_standard_error" in dataset:
            error[name] = float(dataset[f"{stored}_standard_error"])
        if values[name] is not None:
            spread = f" ± {error[name]:.4f}" if name in error else ""
            lines[name] = f"{label:<11}{values[name]:.4f}{spread}{unit.format(bins=bins)}"
    shown = [lines[name] for name in (*_SHOWN, *(each[0] for each in _OF_TASKS)) if name in lines]
    if "ece_debiased" in dataset:
        values["ece_debiased"] = float(dataset.ece_debiased)
        low, high = float(dataset.ece_debiased_low), float(dataset.ece_debiased_high)
        values["ece_interval"] = [low, high]
        line = f"{'debiased':<11}{values['ece_debiased']:.4f}, 95 % interval {low:.4f} to {high:.4f}"
        shown.insert(shown.index(lines["ece"]) + 1, line)
    values |= {"samples": dataset.sizes["sample"], "standard_error": error}
    return values, [*shown, f"over {values['samples']} samples; ± is one standard error"]


def _ensemble(dataset: xr.Dataset) -> Summary:
    """The curve, and a few sizes of it."""
    names = ("nll", "accuracy", "ece", "brier")
    sizes = [int(size) for size in dataset["size"].values]
    curve = {name: dataset[name].values.tolist() for name in names}
    shown = sorted({sizes[0], sizes[-1], *(n for n in (2, 5, 10, 20, 50) if n in sizes)})
    chosen = dataset.sel(size=shown)
    columns = {"ensemble of": [str(n) for n in shown]} | {n: chosen[n].values.tolist() for n in names}
    slope, error = (float(dataset.attrs[f"nll_variance_exponent{end}"]) for end in ("", "_standard_error"))
    values = {"size": sizes, **curve, "kind": dataset.attrs["kind_of_ensemble"]}
    values["nll_variance_exponent"] = {"value": slope, "standard_error": error}
    lines = table(columns)
    if math.isfinite(slope):
        lines.append(f"the variance of the NLL falls as size^({slope:.2f} ± {error:.2f}); theory: −1")
    return values, lines


def _robustness(dataset: xr.Dataset) -> Summary:
    """Means over severities by corruption, and over all."""
    means = {
        name: float(dataset[name])
        for name in ("mean_error", "mean_nll", "mean_ece", "mce", "mcnll", "mcece")
        if name in dataset
    }
    by_name = dataset[["error", "nll", "ece"]].mean("severity")
    columns = {"corruption": [str(name) for name in dataset["corruption"].values]}
    columns |= {name: by_name[name].values.tolist() for name in ("error", "nll", "ece")}
    lines = [*table(columns), ", ".join(f"{name} {value:.4g}" for name, value in means.items())]
    return means, lines


def _consistency(dataset: xr.Dataset) -> Summary:
    value, error = float(dataset.mean_consistency), float(dataset.mean_consistency_standard_error)
    text = f"consistency {100 * value:.2f} ± {100 * error:.2f} %"
    return {"consistency": value, "standard_error": error}, [text]


def _attack(dataset: xr.Dataset) -> Summary:
    epsilons = dataset["epsilon"].values.tolist()
    rows = {str(name): dataset.accuracy.sel(attack=name).values.tolist() for name in dataset["attack"].values}
    columns = {"ε · 255": [f"{255 * each:g}" for each in epsilons]} | rows
    return {"epsilon": epsilons, "accuracy": rows}, table(columns)
