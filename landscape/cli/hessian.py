"""`landscape hessian`: top eigenvalues, and their spectrum over mini-batches."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.options import CHECKPOINT, OUT, Request, protocol_options, result_path

if TYPE_CHECKING:
    import xarray as xr


@click.command("hessian")
@CHECKPOINT
@click.option(
    "--top-k", type=click.IntRange(min=1), default=5, show_default=True, help="Eigenvalues over all samples."
)
@click.option(
    "--method",
    type=click.Choice(["lanczos", "power"]),
    default="lanczos",
    show_default=True,
    help="Lanczos, or power iteration as in the papers (largest magnitudes).",
)
@click.option(
    "--tolerance",
    type=float,
    default=1e-3,
    show_default=True,
    help="Largest residual of the top-k, as a share of |λ|₁.",
)
@click.option(
    "--max-products",
    type=click.IntRange(min=0),
    default=0,
    help="Hessian-vector products allowed; 0 chooses.",
)
@click.option("--spectrum", is_flag=True, help="Also the top eigenvalues of every mini-batch.")
@click.option(
    "--spectrum-batch",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    help="Samples a mini-batch.",
)
@click.option(
    "--spectrum-k", type=click.IntRange(min=1), default=1, show_default=True, help="Eigenvalues a mini-batch."
)
@click.option(
    "--spectrum-batches",
    type=click.IntRange(min=0),
    default=0,
    help="Mini-batches; 0 takes all the samples give.",
)
@OUT
@protocol_options(samples=1000)
def command(
    request: Request,
    checkpoint: str,
    top_k: int,
    method: Any,
    tolerance: float,
    max_products: int,
    spectrum: bool,
    spectrum_batch: int,
    spectrum_k: int,
    spectrum_batches: int,
    out: str | None,
) -> None:
    """Top eigenvalues of the Hessian, each with its residual.

    With --spectrum, also the signed top eigenvalues of every mini-batch (the Hessian max-eigenvalue
    spectrum), with APE, the mean of the positive ones, and NEP, the share of negative ones.
    """
    from landscape import analyses, results
    from landscape.cli.answer import answer

    network = request.network(checkpoint)
    path = result_path(out, network, "eigenvalues")
    objective = request.settings().objective(network)
    batch = None
    if spectrum:
        batch = analyses.spectrum(
            objective,
            batch_size=spectrum_batch,
            batches=spectrum_batches,
            k=spectrum_k,
            method=method,
            progress=request.progress,
        )
    dataset = analyses.eigenvalues(
        objective,
        k=top_k,
        method=method,
        tolerance=tolerance,
        max_products=max_products,
        progress=request.progress,
    )
    results.save(dataset, path)
    values: dict[str, Any] = {
        "loss": float(dataset.loss),
        "eigenvalues": dataset.eigenvalue.values.tolist(),
        "residuals": dataset.residual.values.tolist(),
        "converged": dataset.converged.values.tolist(),
        "hvps": int(dataset.products),
    }
    lines = _lines(values, len(objective.samples))
    if batch is not None:
        place = path.with_name(f"{path.stem.removesuffix('-eigenvalues')}-spectrum.zarr")
        results.save(batch, place)
        values["spectrum"] = _spectrum(batch, place)
        lines.append(
            f"spectrum over {batch.sizes['batch']} mini-batches of {spectrum_batch}: "
            f"APE {float(batch.ape):.4g} ± {float(batch.ape_standard_error):.2g}, "
            f"NEP {float(batch.nep):.3f}; saved {place}"
        )
    answer(request, "hessian", dataset, path, values, lines)


def _lines(values: dict[str, Any], samples: int) -> list[str]:
    """What people read of the eigenvalues."""
    lines = [f"loss {values['loss']:.6f} over {samples} samples, {values['hvps']} products"]
    for rank, value in enumerate(values["eigenvalues"], 1):
        mark = "" if values["converged"][rank - 1] else "  not converged"
        lines.append(f"λ{rank:<2} {value:.6g}  residual {values['residuals'][rank - 1]:.1e}{mark}")
    return lines


def _spectrum(batch: "xr.Dataset", place: Path) -> dict[str, Any]:
    """The JSON of a mini-batch spectrum."""
    from landscape.results import attribute

    options = attribute(batch, "protocol")["options"]
    return {
        "batch_size": options["batch_size"],
        "k": options["k"],
        "values": batch.eigenvalue.values.tolist(),
        "ape": float(batch.ape),
        "ape_standard_error": float(batch.ape_standard_error),
        "nep": float(batch.nep),
        "result": str(place),
        "checks": attribute(batch, "checks"),
    }
