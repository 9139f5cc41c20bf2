"""`landscape evaluate`: accuracy, likelihood and calibration."""

from typing import Any

import click

from landscape.cli.options import CHECKPOINT, OUT, Request, protocol_options, result_path


@click.command("evaluate")
@CHECKPOINT
@click.option("--bins", type=click.IntRange(min=1), default=10, show_default=True, help="Bins of the ECE.")
@OUT
@protocol_options(samples=0)
def command(request: Request, checkpoint: str, bins: int, out: str | None) -> None:
    """Accuracy, likelihood and calibration of a network's predictions."""
    from landscape import analyses, results
    from landscape.cli.answer import answer

    network = request.network(checkpoint)
    path = result_path(out, network, "evaluation")
    objective = request.settings().objective(network)
    dataset = analyses.evaluation(objective, bins=bins, progress=request.progress)
    results.save(dataset, path)
    values: dict[str, Any] = {
        "nll": float(dataset.mean_nll),
        "accuracy": float(dataset.accuracy),
        "ece": float(dataset.ece),
        "brier": float(dataset.brier),
        "top5": float(dataset.top5) if "top5" in dataset else None,
        "samples": dataset.sizes["sample"],
        "standard_error": {
            "nll": float(dataset.mean_nll_standard_error),
            "accuracy": float(dataset.accuracy_standard_error),
            "brier": float(dataset.brier_standard_error),
        },
    }
    error = values["standard_error"]
    lines = [
        f"accuracy {values['accuracy']:.4f} ± {error['accuracy']:.4f}",
        f"NLL      {values['nll']:.4f} ± {error['nll']:.4f} nats",
        f"ECE      {values['ece']:.4f} ({bins} bins)",
        f"Brier    {values['brier']:.4f} ± {error['brier']:.4f}",
    ]
    if values["top5"] is not None:
        lines.insert(1, f"top-5    {values['top5']:.4f}")
    lines.append(f"over {values['samples']} samples; ± is one standard error")
    answer(request, "evaluate", dataset, path, values, lines)
