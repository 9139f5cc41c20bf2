"""`landscape surface`: the loss on planes and lines through the weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.options import CHECKPOINT, OUT, Request, Span, protocol_options, result_path

if TYPE_CHECKING:
    import xarray as xr

    from landscape.objective import Objective
    from landscape.surface import Directions

_OPTIONS = (
    click.option(
        "--span",
        type=Span(),
        default="1",
        show_default=True,
        help="Half the side, in units of the directions; auto:10 goes to where the loss has risen tenfold.",
    ),
    click.option(
        "--steps", type=click.IntRange(min=3), default=21, show_default=True, help="Points a side, odd."
    ),
    click.option("--line", is_flag=True, help="One direction instead of two."),
    click.option(
        "--norm",
        type=click.Choice(["filter", "layer", "weight", "none", "paper"]),
        default="filter",
        show_default=True,
        help="Of random directions: Li et al. (filter), or as in Park & Kim's code (paper).",
    ),
    click.option("--orthogonal", is_flag=True, help="Make the second direction orthogonal to the first."),
    click.option("--include-1d", is_flag=True, help="Move biases and BatchNorm too."),
    click.option(
        "--directions-from",
        metavar="FILE",
        type=click.Path(),
        help="Directions of a saved surface, the eigenvectors of a saved result, or loss-landscape's HDF5.",
    ),
    click.option(
        "--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Direction pairs."
    ),
    click.option(
        "--flatness",
        "flatness_repeats",
        type=click.IntRange(min=2),
        metavar="K",
        help="Also loss rise, curvature and sharpness along K random directions, with intervals.",
    ),
    click.option(
        "--tolerance",
        type=float,
        default=0.0,
        show_default=True,
        help="Share of its value that a point's error may reach; 0 takes every sample.",
    ),
    click.option(
        "--batch-norm",
        type=click.Choice(["eval", "batch", "recalibrate"]),
        default="eval",
        show_default=True,
        help="Statistics stored, of each micro-batch, or estimated anew at each point.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["full", "bfloat16", "tf32"]),
        default="full",
        show_default=True,
        help="Of the forward passes; the error of a reduced one is measured and stored.",
    ),
    click.option("--partial", is_flag=True, help="Write what a stopped run has, and compute nothing."),
)


def _with_options(function: Any) -> Any:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command("surface")
@CHECKPOINT
@_with_options
@OUT
@protocol_options(samples=1000)
def command(request: Request, checkpoint: str, out: str | None, **options: Any) -> None:
    """NLL, L2, accuracy and calibration on a plane or a line through the weights.

    The plane is spanned by two random directions, filter-normalised as in Li et al. (2018), or by those of
    another result. Points go from coarse to fine and are kept as they are finished: a run that was stopped
    goes on where it was.
    """
    from landscape import analyses
    from landscape.cli.answer import answer

    network = request.network(checkpoint)
    path = result_path(out, network, "surface")
    settings = dataclasses.replace(
        request.settings(), batch_norm=options["batch_norm"], precision=options["precision"]
    )
    objective = settings.objective(network)
    span, rise = options["span"]
    dataset = analyses.resumable(
        "surface",
        objective,
        path,
        progress=request.progress,
        partial=options["partial"],
        span=span,
        rise=rise,
        steps=options["steps"],
        axes=1 if options["line"] else 2,
        norm=options["norm"],
        orthogonal=options["orthogonal"],
        include_1d=options["include_1d"],
        repeats=options["repeats"],
        tolerance=options["tolerance"],
        directions=_directions(options["directions_from"], objective),
    )
    values, lines = _summary(dataset)
    if options["flatness_repeats"]:
        place = path.with_name(f"{path.stem.removesuffix('-surface')}-flatness.zarr")
        flat = analyses.resumable(
            "flatness",
            objective,
            place,
            progress=request.progress,
            repeats=options["flatness_repeats"],
            norm=options["norm"],
        )
        values["flatness"], more = _flatness(flat, place)
        lines += more
    answer(request, "surface", dataset, path, values, lines)


def _directions(source: str | None, objective: Objective) -> Directions | None:
    """Directions of a saved result or of another tool's file."""
    if source is None:
        return None
    from landscape import results, surface
    from landscape.exchange.loss_landscape import as_parameters, read_directions

    if Path(source).suffix in (".h5", ".hdf5"):
        shapes = {name: tuple(value.shape) for name, value in objective.parameters.items()}
        vectors = [as_parameters(each, shapes) for each in read_directions(source)]
        return surface.from_tensors(vectors, objective.parameters)
    dataset = results.load(source)
    if dataset.attrs["kind"] == "eigenvalues":
        return surface.from_eigenvectors(dataset, objective)
    return surface.from_arrays(dataset, objective.free)


def _summary(dataset: xr.Dataset) -> tuple[dict[str, Any], list[str]]:
    import numpy as np

    one = dataset.isel(repeat=0) if "repeat" in dataset.dims else dataset
    dims = [name for name in ("y", "x") if name in one.dims]
    middle = one.isel({name: one.sizes[name] // 2 for name in dims})
    finite = one.nll.where(np.isfinite(one.nll))

    def place(position: dict) -> dict[str, float]:
        cell = one.isel(position)
        return {**{name: float(cell[name]) for name in dims[::-1]}, "nll": float(cell.nll)}

    # A surface without any finite cell has neither: both are null then.
    extremes = bool(np.isfinite(one.nll).any())
    values: dict[str, Any] = {
        "center": {name: float(middle[name]) for name in ("nll", "l2", "accuracy")},
        "minimum": place(finite.argmin(dims)) if extremes else None,
        "maximum": place(finite.argmax(dims)) if extremes else None,
        "not_finite": int((~np.isfinite(dataset.nll) & dataset.done).sum()),
        "not_computed": int((~dataset.done).sum()),
        "span": float(one.x.values[-1]),
    }
    lines = [f"centre   NLL {values['center']['nll']:.6f}, accuracy {values['center']['accuracy']:.4f}"]
    for name in ("minimum", "maximum"):
        if values[name]:
            where = ", ".join(f"{values[name][axis]:+.3g}" for axis in dims[::-1])
            lines.append(f"{name}  NLL {values[name]['nll']:.6g} at ({where})")
    size = "×".join(str(one.sizes[name]) for name in dims)
    left = f", {values['not_computed']} not computed" if values["not_computed"] else ""
    lines.append(f"{size} points, {values['not_finite']} not finite{left}")
    return values, lines


def _flatness(dataset: xr.Dataset, place: Path) -> tuple[dict[str, Any], list[str]]:
    """The JSON of the flatness along many directions, and what people read."""
    from landscape.results import attribute

    interval = dataset.curvature_interval.values.tolist()
    values = {
        "repeats": dataset.sizes["repeat"],
        "curvature": {"mean": float(dataset.curvature_mean), "interval": interval},
        "rise": [
            {
                "radius": float(radius),
                "mean": float(dataset.rise_mean.sel(radius=radius)),
                "interval": dataset.rise_interval.sel(radius=radius).values.tolist(),
            }
            for radius in dataset.radius.values
        ],
        "result": str(place),
        "checks": attribute(dataset, "checks"),
    }
    lines = [
        f"over {values['repeats']} directions: curvature {values['curvature']['mean']:.4g} "
        f"[{interval[0]:.4g}, {interval[1]:.4g}]"
    ]
    for row in values["rise"]:
        low, high = row["interval"]
        lines.append(f"loss rise at radius {row['radius']:g}: {row['mean']:.4g} [{low:.4g}, {high:.4g}]")
    return values, [*lines, f"saved {place}"]
