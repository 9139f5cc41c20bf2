"""`landscape trajectory`: the path of a training run through weight space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from landscape.cli import planes
from landscape.cli.help import Command
from landscape.cli.measuring import Part, Summary, answer, beside, measured, option, with_options
from landscape.cli.options import BATCH_NORM, COMPILED, OUT, PRECISION, Request, protocol_options, result_path

if TYPE_CHECKING:
    import xarray as xr

    from landscape.objective import Objective


@click.command(
    "trajectory",
    cls=Command,
    examples=("landscape trajectory run/epoch-*.safetensors --surface --steps 11",),
)
@click.argument("checkpoints", metavar="CKPT...", nargs=-1, required=True, type=click.Path())
@option("--centred", "Take components about the mean of the checkpoints instead of the last one.", False)
@option("--surface", "Also measure the loss on that plane, around all checkpoints.", False)
@option(
    "--margin",
    "Margin of the surface around the checkpoints, as a share of their extent.",
    0.2,
    type=click.FloatRange(min=0),
)
@with_options((planes.STEPS, planes.TOLERANCE, BATCH_NORM, PRECISION, COMPILED, planes.PARTIAL))
@OUT
@protocol_options(samples=1000)
def command(request: Request, checkpoints: tuple[str, ...], out: str | None, **options: Any) -> None:
    """Project the checkpoints of a training run onto a plane.

    The checkpoints are given in their order.
    `landscape train --keep-every N` keeps such checkpoints. The plane is that of the two principal components
    around the last one (Li et al. 2018); the polar coordinates are those of Park & Kim (ICLR 2022).
    """
    settings = request.settings()
    samples = settings.load_samples()
    objectives = [settings.objective(request.network(path), samples) for path in checkpoints]
    last = objectives[-1]
    path = result_path(out, last.network, "trajectory")
    first = Part("trajectory", objectives, _summary, {"centred": options["centred"]})
    dataset = measured(request, first, path)
    beneath = [_surface(request, last, dataset, options)] if options["surface"] else []
    others = beside(request, path, "trajectory", beneath)
    answer(request, "trajectory", path, dataset, _summary(dataset), others)


def _surface(request: Request, last: Objective, dataset: xr.Dataset, options: dict[str, Any]) -> Part:
    """The loss on the plane of a trajectory, around all checkpoints."""
    from landscape import surface

    places = zip(dataset.x.values.tolist(), dataset.y.values.tolist(), strict=True)
    chosen = {name: options[name] for name in ("partial", "steps", "tolerance")}
    chosen |= {"span": options["margin"], "tune": not request.micro_batch}
    chosen |= {"marks": {f"{index}": list(place) for index, place in enumerate(places)}}
    chosen |= {"directions": surface.from_arrays(dataset, last.free)}
    return Part("surface", last, lambda found: (planes.summary(found)[0], []), chosen, "trajectory-surface")


def _summary(dataset: xr.Dataset) -> Summary:
    """The JSON of a trajectory, and what people read."""
    shares = dataset.explained_variance.values.tolist()
    rows = [
        {
            name: float(at[name])
            for name in ("x", "y", "off_plane", "distance", "radius", "angle", "nll", "accuracy")
            if name in at
        }
        | {"name": str(at["name"].item())}
        for at in (dataset.isel(checkpoint=index) for index in range(dataset.sizes["checkpoint"]))
    ]
    lines = [f"the two components hold {100 * shares[0]:.3g} % and {100 * shares[1]:.3g} % of the motion"]
    lines.append(f"{'checkpoint':<24}{'x':>10}{'y':>10}{'off plane':>11}{'distance':>10}{'NLL':>10}")
    for row in rows:
        numbers = "".join(f"{row[name]:>10.4g}" for name in ("x", "y"))
        numbers += f"{row['off_plane']:>11.4g}{row['distance']:>10.4g}{row['nll']:>10.4g}"
        lines.append(f"{row['name']:<24}{numbers}")
    return {"explained_variance": shares, "checkpoints": rows}, lines
