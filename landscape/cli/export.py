"""`landscape export`: a surface for other programs, and theirs as results of ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.help import Command
from landscape.cli.measuring import option
from landscape.cli.options import JSON, QUIET, say

if TYPE_CHECKING:
    import xarray as xr


@click.command(
    "export",
    cls=Command,
    own="Format",
    examples=(
        "landscape export landscape-out/net-surface.zarr --to net.vtk --log",
        "landscape export comparison --to comparison.zip --slim",
    ),
)
@click.argument("sources", metavar="RESULT...", nargs=-1, required=True, type=click.Path())
@option(
    "--to target",
    "The file to write; its suffix is the format: .csv, .npz, .h5 (loss-landscape), .vtk, .obj, .ply, .stl, "
    ".zarr to import, or .zip for all results of a folder in one file.",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
)
@option(
    "--quantity", "Height of a mesh: nll, accuracy, l2, total, or another variable of the surface.", "nll"
)
@option("--log", "Take the logarithm as the height of a mesh.", False)
@option("--clip", "Cut values of a mesh above Z.", type=float, metavar="Z")
@option("--repeat", "Take this one of several pairs of directions.", least=0, metavar="I")
@option("--slim", "In a .zip, leave out what no figure reads: directions, every probability.", False)
@JSON
@QUIET
@click.pass_context
def command(
    context: click.Context,
    sources: tuple[str, ...],
    target: Path,
    quantity: str,
    log: bool,
    clip: float | None,
    repeat: int | None,
    slim: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a surface as a table, mesh or HDF5, or import one.

    RESULT is a surface of ours (.zarr), a surface file of loss-landscape (.h5), a table published by Park &
    Kim (.csv), or a .csv or .npz file written by this command. Into a .zip go all kinds of results: of
    folders that `landscape compare` wrote, or single ones; `landscape plot`, `verdicts` and `paper` read it.
    """
    from landscape import exchange

    suffix = target.suffix.lower()
    if suffix == ".zip":
        _refuse_mesh_options(context, suffix)
        _bundle(sources, target, slim, as_json=as_json)
        return
    if len(sources) > 1:
        raise click.UsageError(
            f"{suffix} holds one surface, got {len(sources)} results; only a .zip takes several"
        )
    (source,) = sources
    if slim:
        raise click.UsageError("--slim is for .zip files")
    if suffix not in exchange.TABLES + exchange.MESHES:
        known = ", ".join((*exchange.TABLES, *exchange.MESHES, ".zip"))
        raise click.BadParameter(f"{target} does not end in one of {known}", param_hint="--to")
    if suffix in exchange.TABLES:
        _refuse_mesh_options(context, suffix)
    dataset = exchange.read(source)
    if repeat is not None:
        dataset = _one_pair(dataset, repeat)
    values = _described(dataset, suffix)
    if suffix in exchange.MESHES:
        values |= _write_mesh(dataset, target, quantity, log, clip)
    else:
        exchange.write(dataset, target)
    _answer(dataset, target, values, as_json=as_json, quiet=quiet)


def _bundle(sources: Sequence[str], target: Path, slim: bool, *, as_json: bool) -> None:
    """All results of some places as one file."""
    from landscape.cli.measuring import emit
    from landscape.cli.reading import read
    from landscape.results import save_bundle

    results = read(sources)
    save_bundle(results, target, slim=slim)
    count = sum(map(len, results.values()))
    if as_json:
        emit({"command": "export", "result": str(target), "networks": list(results), "results": count})
        return
    size = target.stat().st_size / 1e6
    say(f"saved {target}: {count} results of {len(results)} networks, {size:.2f} MB")


def _refuse_mesh_options(context: click.Context, suffix: str) -> None:
    """Options that would change nothing are a misunderstanding."""
    default = click.core.ParameterSource.DEFAULT
    for name in ("quantity", "log", "clip"):
        if context.get_parameter_source(name) != default:
            raise click.UsageError(f"--{name} shapes a mesh; {suffix} files hold the numbers as they are")


def _one_pair(dataset: xr.Dataset, index: int) -> xr.Dataset:
    from landscape.errors import ResultError

    count = dataset.sizes.get("repeat", 0)
    if index >= count:
        raise ResultError(f"--repeat {index} is not there: the surface has {count or 'no'} repeats")
    return dataset.isel(repeat=index, drop=True)


def _described(dataset: xr.Dataset, suffix: str) -> dict[str, Any]:
    import numpy as np

    done = dataset["done"].values if "done" in dataset else np.ones(dataset["nll"].shape, bool)
    return {
        "format": suffix[1:],
        "points": dataset["nll"].size,
        "not_finite": int((done & ~np.isfinite(dataset["nll"].values)).sum()),
        "not_computed": int((~done).sum()),
    }


def _write_mesh(
    dataset: xr.Dataset, target: Path, quantity: str, log: bool, clip: float | None
) -> dict[str, Any]:
    from landscape.exchange import meshes

    mesh = meshes.triangulated(dataset, quantity, log=log, clip=clip)
    meshes.write(mesh, target)
    shape = {"vertices": len(mesh.points), "triangles": len(mesh.triangles)}
    height = {"quantity": quantity, "log": log, "lowest": mesh.lowest, "scale": mesh.scale}
    return {"mesh": {**shape, **height, "holes": mesh.holes, "clip": clip, "clipped": mesh.clipped}}


def _answer(dataset: xr.Dataset, target: Path, values: dict[str, Any], *, as_json: bool, quiet: bool) -> None:
    """One JSON object, or a few lines; the trust report goes to stderr."""
    from landscape.cli.measuring import checked, emit
    from landscape.results import attribute

    checks = attribute(dataset, "checks")
    if as_json:
        common = {
            "command": "export",
            "checkpoint": attribute(dataset, "network"),
            "protocol": attribute(dataset, "protocol"),
            "result": str(target),
        }
        emit({**common, **values, "checks": checks})
        return
    for check in checks if not quiet else ():
        say(checked(check), err=True)
    say("{points} points, {not_finite} not finite, {not_computed} not computed".format(**values))
    if "mesh" in values:
        say(_in_words(values["mesh"]))
    say(f"saved {target}")


def _in_words(mesh: dict[str, Any]) -> str:
    """What was drawn, what was left out, and how to get the value back from a height."""
    value = f"log10({mesh['quantity']})" if mesh["log"] else mesh["quantity"]
    parts = "{vertices} vertices, {triangles} triangles, {holes} points left open, {clipped} clipped"
    return f"{parts}; height = ({value} - {{lowest:.6g}}) * {{scale:.6g}}".format(**mesh)
