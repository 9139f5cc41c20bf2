"""`landscape evaluate`: accuracy, likelihood and calibration, alone, averaged, corrupted and attacked."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import click

from landscape.cli import parts, planes
from landscape.cli.options import CHECKPOINT, OUT, Numbers, Request, protocol_options, result_path

if TYPE_CHECKING:
    import xarray as xr

    from landscape.network import Network
    from landscape.objective import Objective

_OPTIONS = (
    click.option(
        "--bins", type=click.IntRange(min=1), default=10, show_default=True, help="Bins of the ECE."
    ),
    click.option(
        "--ensemble",
        "passes",
        type=click.IntRange(min=2),
        metavar="N",
        help="Also the mean of 1 … N predictions under fresh dropout masks.",
    ),
    click.option(
        "--with",
        "members",
        multiple=True,
        metavar="CKPT",
        type=click.Path(),
        help="Also a deep ensemble with this network; may be repeated.",
    ),
    click.option(
        "--orders",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Orders of the members that ensemble curves are averaged over.",
    ),
    click.option(
        "--corruptions",
        "folder",
        metavar="DIR",
        type=click.Path(),
        help="Also CIFAR-10-C or -100-C, as published.",
    ),
    click.option("--corrupt", is_flag=True, help="Also the same fifteen corruptions, made here."),
    click.option(
        "--corruption", "names", multiple=True, metavar="NAME", help="Only this one; may be repeated."
    ),
    click.option(
        "--reference",
        metavar="RESULT",
        type=click.Path(),
        help="Robustness of a baseline, such as AlexNet: gives mCE, mCNLL and mCECE relative to it.",
    ),
    click.option(
        "--consistency", "sequences", metavar="DIR", type=click.Path(), help="Also CIFAR-10-P, as published."
    ),
    click.option("--attack", is_flag=True, help="Also accuracy under FGSM and PGD."),
    click.option(
        "--epsilons",
        type=Numbers(),
        default="1,2,4,8",
        show_default=True,
        help="Largest change of a pixel by an attack, in 1/255.",
    ),
    click.option(
        "--attack-steps", type=click.IntRange(min=1), default=10, show_default=True, help="Steps of PGD."
    ),
)


@click.command("evaluate")
@CHECKPOINT
@planes.with_options(_OPTIONS)
@OUT
@protocol_options(samples=0)
def command(request: Request, checkpoint: str, out: str | None, **options: Any) -> None:
    """Accuracy, likelihood and calibration of a network's predictions, and more on request."""
    from landscape import analyses, results
    from landscape.cli.answer import answer

    if options["folder"] and options["corrupt"]:
        raise click.UsageError("--corruptions reads corrupted images, --corrupt makes them; give one of them")
    network = request.network(checkpoint)
    path = result_path(out, network, "evaluation")
    objective = request.settings().objective(network)
    further = _parts(request, network, objective, options)
    dataset = analyses.evaluation(objective, bins=options["bins"], progress=request.progress)
    results.save(dataset, path)
    values, lines = _evaluation(dataset, options["bins"])
    more, said = parts.measure(request, further, path, "evaluation")
    answer(request, "evaluate", dataset, path, values | more, [*lines, *said])


def _parts(
    request: Request, network: Network, objective: Objective, options: dict[str, Any]
) -> list[parts.Part]:
    """The further results that were asked for."""
    from landscape import results
    from landscape.analyses.predictions import GENERATED, require_folder

    found = []
    shared = {"orders": options["orders"], "bins": options["bins"]}
    if options["passes"]:
        fresh = dataclasses.replace(request.settings(), dropout="fresh")
        averaged = fresh.objective(network, objective.samples)
        found.append(parts.Part("ensemble", averaged, {"passes": options["passes"], **shared}, _ensemble))
    if options["members"]:
        if options["passes"]:
            raise click.UsageError("--ensemble averages one network, --with several; give one of them")
        others = [
            request.settings().objective(request.network(each), objective.samples)
            for each in options["members"]
        ]
        found.append(parts.Part("ensemble", objective, {"others": others, **shared}, _ensemble))
    source = options["folder"] or (GENERATED if options["corrupt"] else None)
    if source:
        if source != GENERATED:
            require_folder(source)
        reference = results.load(options["reference"]) if options["reference"] else None
        chosen = {"source": source, "corruptions": options["names"], "bins": options["bins"]}
        found.append(parts.Part("robustness", objective, chosen | {"reference": reference}, _robustness))
    if options["sequences"]:
        require_folder(options["sequences"])
        found.append(parts.Part("consistency", objective, {"folder": options["sequences"]}, _consistency))
    if options["attack"]:
        epsilons = [each / 255 for each in options["epsilons"]]
        found.append(
            parts.Part("attack", objective, {"epsilons": epsilons, "steps": options["attack_steps"]}, _attack)
        )
    return found


_MEANS = {
    "nll": "mean_nll",
    "accuracy": "accuracy",
    "ece": "ece",
    "brier": "brier",
    "top5": "top5",
    "signed_ece": "signed_ece",
    "acc_90": "acc_90",
    "unc_90": "unc_90",
    "freq_90": "freq_90",
    "iou": "iou",
}


def _evaluation(dataset: xr.Dataset, bins: int) -> parts.Summary:
    """The scores, and their standard errors where they have one."""
    values: dict[str, Any] = {
        name: float(dataset[stored]) if stored in dataset else None for name, stored in _MEANS.items()
    }
    error = {
        name: float(dataset[f"{stored}_standard_error"])
        for name, stored in _MEANS.items()
        if f"{stored}_standard_error" in dataset
    }
    if "ece_debiased" in dataset:
        values["ece_debiased"] = float(dataset.ece_debiased)
        values["ece_interval"] = [float(dataset.ece_debiased_low), float(dataset.ece_debiased_high)]
    values |= {"samples": dataset.sizes["sample"], "standard_error": error}
    rows = (
        ("accuracy", "accuracy", ""),
        ("top-5", "top5", ""),
        ("NLL", "nll", " nats"),
        ("ECE", "ece", f" ({bins} bins)"),
        ("signed ECE", "signed_ece", " (confidence − accuracy)"),
        ("Brier", "brier", ""),
        ("Acc-90", "acc_90", " (accuracy where confidence > 0.9)"),
        ("Unc-90", "unc_90", " (share of the wrong with confidence ≤ 0.9)"),
        ("Freq-90", "freq_90", " (share with confidence > 0.9)"),
        ("IoU", "iou", ""),
    )
    lines = [
        f"{label:<11}{values[name]:.4f}" + (f" ± {error[name]:.4f}" if name in error else "") + unit
        for label, name, unit in rows
        if values[name] is not None
    ]
    if "ece_debiased" in values:
        low, high = values["ece_interval"]
        at = next(place for place, line in enumerate(lines) if line.startswith("ECE"))
        lines.insert(
            at + 1, f"{'debiased':<11}{values['ece_debiased']:.4f}, 95 % interval {low:.4f} to {high:.4f}"
        )
    return values, [*lines, f"over {values['samples']} samples; ± is one standard error"]


def _ensemble(dataset: xr.Dataset) -> parts.Summary:
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
    lines = parts.table(columns)
    if math.isfinite(slope):
        lines.append(f"the variance of the NLL falls as size^({slope:.2f} ± {error:.2f}); theory: −1")
    return values, lines


def _robustness(dataset: xr.Dataset) -> parts.Summary:
    """Means over severities by corruption, and over all."""
    means = {
        name: float(dataset[name])
        for name in ("mean_error", "mean_nll", "mean_ece", "mce", "mcnll", "mcece")
        if name in dataset
    }
    by_name = dataset[["error", "nll", "ece"]].mean("severity")
    columns = {"corruption": [str(name) for name in dataset["corruption"].values]}
    columns |= {name: by_name[name].values.tolist() for name in ("error", "nll", "ece")}
    lines = [*parts.table(columns), ", ".join(f"{name} {value:.4g}" for name, value in means.items())]
    return means, lines


def _consistency(dataset: xr.Dataset) -> parts.Summary:
    value, error = float(dataset.mean_consistency), float(dataset.mean_consistency_standard_error)
    text = f"consistency {100 * value:.2f} ± {100 * error:.2f} %"
    return {"consistency": value, "standard_error": error}, [text]


def _attack(dataset: xr.Dataset) -> parts.Summary:
    epsilons = dataset["epsilon"].values.tolist()
    rows = {str(name): dataset.accuracy.sel(attack=name).values.tolist() for name in dataset["attack"].values}
    columns = {"ε · 255": [f"{255 * each:g}" for each in epsilons]} | rows
    return {"epsilon": epsilons, "accuracy": rows}, parts.table(columns)
