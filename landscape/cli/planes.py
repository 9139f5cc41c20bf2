"""Options of the commands that measure surfaces, and what these print of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import xarray as xr

    from landscape.cli.options import Request
    from landscape.objective import Objective

_RADII = (0.1, 0.2, 0.5)
"""Where the flatness is measured, in units of the directions."""
_RISE = 1.0
"""In nats, of `radius_at_rise`."""

STEPS = click.option(
    "--steps", type=click.IntRange(min=3), default=21, show_default=True, help="Points a side, odd."
)
TOLERANCE = click.option(
    "--tolerance",
    type=float,
    default=0.0,
    show_default=True,
    help="Standard error of a point, as a share of its NLL, from leaving samples out; the 95 % interval is "
    "four times as wide to each side. 0 takes every sample.",
)
CURVATURE = click.option(
    "--curvature",
    is_flag=True,
    help="Also the largest and smallest Hessian eigenvalue of each point (many times the work).",
)
PARTIAL = click.option("--partial", is_flag=True, help="Write what a stopped run has, and compute nothing.")


def with_options(options: tuple[Callable, ...]) -> Callable:
    """Decorator: several options, in the order of the help."""

    def decorate(function: Callable) -> Callable:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def measured(
    request: Request, objective: Objective, path: Path, *, partial: bool, **options: Any
) -> xr.Dataset:
    """A surface, saved point by point; the micro-batch is measured where none was asked for."""
    from landscape import analyses

    tune = not request.micro_batch
    return analyses.resumable(
        "surface", objective, path, progress=request.progress, partial=partial, tune=tune, **options
    )


def warn(request: Request, dataset: xr.Dataset) -> None:
    """Say which checks of a further result failed; the command's own are listed with its answer."""
    from landscape.results import attribute

    for check in attribute(dataset, "checks"):
        if not check["passed"]:
            request.say(f"LOOK {check['message']}")


def summary(dataset: xr.Dataset) -> tuple[dict[str, Any], list[str]]:
    """The JSON of a surface, and what people read."""
    import numpy as np

    from landscape.results import at_centre

    one = dataset.isel({name: 0 for name in ("repeat", "mask") if name in dataset.dims})
    dims = [name for name in ("y", "x") if name in one.dims]
    middle = at_centre(one)
    finite = one.nll.where(np.isfinite(one.nll))

    def place(position: dict) -> dict[str, float]:
        cell = one.isel(position)
        return {**{name: float(cell[name]) for name in dims[::-1]}, "nll": float(cell.nll)}

    # A surface without any finite cell has neither: both are null then.
    extremes = bool(np.isfinite(one.nll).any())
    values: dict[str, Any] = {
        "center": None
        if middle is None
        else {name: float(middle[name]) for name in ("nll", "l2", "accuracy") if name in middle},
        "minimum": place(finite.argmin(dims)) if extremes else None,
        "maximum": place(finite.argmax(dims)) if extremes else None,
        "not_finite": int((~np.isfinite(dataset.nll) & dataset.done).sum()),
        "not_computed": int((~dataset.done).sum()),
        "span": float(one.x.values[-1]),
    }
    lines = []
    if values["center"]:
        right = values["center"].get("accuracy")
        shown = "" if right is None else f", accuracy {right:.4f}"
        lines.append(f"centre   NLL {values['center']['nll']:.6f}{shown}")
    for name in ("minimum", "maximum"):
        if values[name]:
            where = ", ".join(f"{values[name][axis]:+.3g}" for axis in dims[::-1])
            lines.append(f"{name}  NLL {values[name]['nll']:.6g} at ({where})")
    size = "×".join(str(one.sizes[name]) for name in dims)
    left = f", {values['not_computed']} not computed" if values["not_computed"] else ""
    lines.append(f"{size} points, {values['not_finite']} not finite{left}")
    for more, said in (_sampling(dataset), _roughness(one), _convexity(dataset), _precision(dataset)):
        values |= more
        lines += said
    return values, lines


def _sampling(dataset: xr.Dataset) -> tuple[dict[str, Any], list[str]]:
    """What leaving samples out costs, as shares of the NLL; nothing where none was left out."""
    from landscape.results import left_out

    found = left_out(dataset)
    if found is None:
        return {}, []
    text = f"samples left out: standard error {100 * found.error:.2g} % of the NLL at most, "
    text += f"95 % interval ± {100 * found.interval:.2g} %"
    return {"sampling": {"standard_error": found.error, "interval": found.interval}}, [text]


def _roughness(one: xr.Dataset) -> tuple[dict[str, Any], list[str]]:
    """Local minima and what no quadratic explains; nothing of a surface that is not finished."""
    import numpy as np

    if "minima" not in one:
        return {}, []
    counts = {name: int(one[name]) for name in ("minima", "significant_minima") if name in one}
    numbers = {name: float(one[name]) for name in ("total_persistence", "quadratic_residual")}
    text = f"roughness: {counts['minima']} local minima inside"
    if "significant_minima" in counts:
        text += f", {counts['significant_minima']} beyond sampling error"
    if np.isfinite(numbers["quadratic_residual"]):
        text += f"; {100 * numbers['quadratic_residual']:.2g} % of the variation is not quadratic"
    return {"roughness": counts | numbers}, [text]


def _convexity(dataset: xr.Dataset) -> tuple[dict[str, Any], list[str]]:
    """The extreme Hessian eigenvalues over the whole surface."""
    import numpy as np

    if "hessian_largest" not in dataset or not np.isfinite(dataset.hessian_largest).any():
        return {}, []
    found = {
        "largest": float(np.nanmax(dataset.hessian_largest)),
        "smallest": float(np.nanmin(dataset.hessian_smallest)),
        "convexity": float(np.nanmax(np.abs(dataset.hessian_smallest / dataset.hessian_largest))),
    }
    text = "Hessian eigenvalues from {smallest:.4g} to {largest:.4g}; |λmin/λmax| is {convexity:.3g} at most"
    return {"curvature": found}, [text.format(**found)]


def _precision(dataset: xr.Dataset) -> tuple[dict[str, Any], list[str]]:
    if "precision_error" not in dataset:
        return {}, []
    return {"precision_error": float(dataset.precision_error)}, []


def along_many(
    request: Request, objective: Objective, path: Path, repeats: int, norm: str
) -> tuple[dict[str, Any], list[str]]:
    """The flatness along random directions, saved beside a surface as NAME-flatness.zarr, and what to say.

    One along more directions that lies there already, all else being the same, is kept and told instead: it
    holds these directions, too.
    """
    from landscape import analyses

    place = path.with_name(f"{path.stem.removesuffix('-surface')}-flatness.zarr")
    options: dict[str, Any] = {"radii": _RADII, "repeats": repeats, "norm": norm, "rise": _RISE}
    dataset = _finer(objective, place, options)
    if dataset is not None:
        count = dataset.sizes["repeat"]
        request.say(f"{place} is along {count} directions, more than {repeats}, and otherwise alike: kept")
    else:
        dataset = analyses.resumable("flatness", objective, place, progress=request.progress, **options)
    warn(request, dataset)
    return flatness(dataset, place)


def _finer(objective: Objective, place: Path, options: dict[str, Any]) -> xr.Dataset | None:
    """The flatness at this place, if it is this network's, under this protocol, and along more directions."""
    from landscape import results
    from landscape.analyses.settings import network_record
    from landscape.analyses.stamping import protocol
    from landscape.errors import ResultError
    from landscape.results import attribute

    try:
        found = results.load(place)
    except ResultError:  # none, or one that cannot be read
        return None
    if found.attrs["kind"] != "flatness" or found.sizes["repeat"] <= options["repeats"]:
        return None
    wanted = protocol(objective, {**options, "radii": list(options["radii"]), "seed": objective.seed})
    apart = results.differences(wanted, attribute(found, "protocol"))
    record = network_record(objective.network)
    same = all(attribute(found, "network")[name] == record[name] for name in ("sha256", "surgery"))
    alike = all(name == "options.repeats" or results.incidental(name) for name in apart)
    return found if same and alike and record["sha256"] else None


def flatness(dataset: xr.Dataset, place: Path) -> tuple[dict[str, Any], list[str]]:
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
