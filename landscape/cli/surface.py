"""`landscape surface`: the loss on planes and lines through the weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landscape.cli import planes
from landscape.cli.help import Command
from landscape.cli.measuring import Part, Summary, measure, option, with_options
from landscape.cli.options import (
    BATCH_NORM,
    CHECKPOINT,
    COMPILED,
    OUT,
    PRECISION,
    Request,
    protocol_options,
    result_path,
)
from landscape.cli.values import Span

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from landscape.analyses import Settings
    from landscape.network import Network
    from landscape.objective import Objective
    from landscape.surface import Directions

Marks = dict[str, list[float]]
"""Coordinates of each checkpoint that the grid is laid around, by name."""

_RADII = (0.1, 0.2, 0.5)
"""Where the flatness is measured, in units of the directions."""
_RISE = 1.0
"""In nats, of `radius_at_rise`."""
_PASSED_ON = (
    *("partial", "steps", "norm", "orthogonal", "include_1d", "repeats", "masks", "tolerance", "curvature"),
)
"""Options that the recipe takes as they are."""
_OPTIONS = (
    option(
        "--span",
        "Half the side, in units of the directions; auto:10 goes to where the loss has risen tenfold. With "
        "--through, the margin around the checkpoints.  [default: 1, or 0.5 with --through]",
        type=Span(),
    ),
    planes.STEPS,
    option("--line", "Measure along one direction instead of two.", False),
    option(
        "--norm",
        "Normalisation of random directions; filter is that of Li et al., paper that of Park & Kim's code.",
        "filter",
        choices=("filter", "layer", "weight", "none", "paper"),
    ),
    option("--orthogonal", "Make the second direction orthogonal to the first.", False),
    option("--include-1d", "Also move biases and parameters of BatchNorm.", False),
    option(
        "--directions-from",
        "Take the directions of a saved surface, the eigenvectors of a saved result, or the directions of "
        "loss-landscape's HDF5.",
        metavar="FILE",
        type=click.Path(),
    ),
    option(
        "--through",
        "Measure along the line to this checkpoint, or with two on the plane through all three.",
        metavar="CKPT",
        multiple=True,
        type=click.Path(),
    ),
    option(
        "--repeats",
        "Pairs of random directions; two or more also report the flatness, with intervals.",
        1,
        least=1,
    ),
    option(
        "--masks", "Dropout masks; each has a surface of its own, all on the same directions.", 1, least=1
    ),
    option(
        "--flatness flatness_repeats",
        "Also measure loss rise, curvature and sharpness along K random directions, with intervals.",
        least=2,
        metavar="K",
    ),
    planes.CURVATURE,
    planes.TOLERANCE,
    BATCH_NORM,
    COMPILED,
    PRECISION,
    planes.PARTIAL,
)


@click.command(
    "surface",
    cls=Command,
    examples=(
        "landscape surface net.safetensors --samples 256 --steps 11",
        "landscape surface a.safetensors --through b.safetensors --steps 11",
    ),
)
@CHECKPOINT
@with_options(_OPTIONS)
@OUT
@protocol_options(samples=1000)
def command(request: Request, checkpoint: str, out: str | None, **options: Any) -> None:
    """Measure the loss on a plane or a line through the weights.

    With it go L2, accuracy and calibration. The plane is spanned by two random directions, filter-normalised
    as in Li et al. (2018), by those of another result, or by other checkpoints. Points go from coarse to fine
    and are kept as they are finished: a run that was stopped goes on where it was.
    """
    _check(options)
    network = request.network(checkpoint)
    path = result_path(out, network, "surface")
    settings = request.settings()
    objective = settings.objective(network)
    directions, marks, others = _directions(request, objective, options)
    span, rise = options["span"] or ((0.5, 0.0) if marks else (1.0, 0.0))
    asked = {name: options[name] for name in _PASSED_ON} | {"directions": directions, "marks": marks}
    asked |= {
        "span": span,
        "rise": rise,
        "axes": 1 if options["line"] else 2,
        "tune": not request.micro_batch,
    }
    further, whole = [], not options["partial"]
    repeats = options["flatness_repeats"] or _of_repeats(request, options)
    if repeats and whole:
        further.append(_along_many(request, objective, repeats, options["norm"]))

    def summary(dataset: xr.Dataset) -> Summary:
        values, lines = planes.summary(dataset)
        if not (directions and marks and whole):
            return values, lines
        found, said = _at_marks(settings, objective, directions, marks, others)
        return values | {"marks": found}, [*lines, *said]

    measure(request, "surface", path, Part("surface", objective, summary, asked), further)


def _check(options: dict[str, Any]) -> None:
    """Refuse options that contradict each other."""
    given = [name for name in ("directions_from", "through", "line") if options[name]]
    if len(given) > 1:
        first, second = (f"--{name.replace('_', '-')}" for name in given[:2])
        raise click.UsageError(f"{first} and {second} both say which directions; give one of them")
    if len(options["through"]) > 2:
        raise click.UsageError("a plane goes through three checkpoints; give --through once or twice")
    drawn = {"norm": options["norm"] != "filter" and not options["flatness_repeats"]}
    drawn |= {name: options[name] for name in ("orthogonal", "include_1d")}
    for name, wanted in drawn.items():
        if wanted and (options["directions_from"] or options["through"]):
            raise click.UsageError(
                f"--{name.replace('_', '-')} is about random directions; leave it out where they are given"
            )
    if options["include_1d"] and options["flatness_repeats"]:
        raise click.UsageError(
            "the directions of --flatness leave biases and BatchNorm where they are; leave out --include-1d"
        )
    if options["through"] and options["span"] and options["span"][1]:
        raise click.UsageError("--through says how large the grid is; give --span a number, the margin")


def _of_repeats(request: Request, options: dict[str, Any]) -> int:
    """Along how many directions the flatness is measured without being asked for; 0 for none."""
    if options["repeats"] == 1:
        return 0
    if options["include_1d"]:
        request.say("no flatness with --include-1d: its directions leave biases and BatchNorm where they are")
        return 0
    return int(options["repeats"])


def _along_many(request: Request, objective: Objective, repeats: int, norm: str) -> Part:
    """The flatness along random directions.

    One along more directions that lies there already, all else being the same, is kept and shown instead: it
    holds these directions, too.
    """
    options: dict[str, Any] = {"radii": _RADII, "repeats": repeats, "norm": norm, "rise": _RISE}

    def finer(place: Path) -> xr.Dataset | None:
        found = _finer(objective, place, options)
        if found is not None:
            count = found.sizes["repeat"]
            request.say(
                f"{place} is along {count} directions, more than {repeats}, and otherwise alike: kept"
            )
        return found

    return Part("flatness", objective, planes.flatness, options, kept=finer)


def _finer(objective: Objective, place: Path, options: dict[str, Any]) -> xr.Dataset | None:
    """The flatness at this place, if it is this network's, under this protocol, and along more directions."""
    from landscape import results
    from landscape.analyses.compare import kept_result
    from landscape.analyses.settings import network_record
    from landscape.analyses.stamping import protocol
    from landscape.results import attribute

    found = kept_result(place)
    if found is None or found.attrs["kind"] != "flatness" or found.sizes["repeat"] <= options["repeats"]:
        return None
    wanted = protocol(objective, {**options, "radii": list(options["radii"]), "seed": objective.seed})
    apart = results.differences(wanted, attribute(found, "protocol"))
    record = network_record(objective.network)
    same = all(attribute(found, "network")[name] == record[name] for name in ("sha256", "surgery"))
    alike = all(name == "options.repeats" or results.incidental(name) for name in apart)
    return found if same and alike and record["sha256"] else None


def _at_marks(
    settings: Settings, objective: Objective, directions: Directions, marks: Marks, others: list[Network]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The loss at each checkpoint: as the surface has it, with this network's BatchNorm, and with its own."""
    from landscape.parameters import shifted

    origin = {**objective.parameters, **(directions.origin or {})}
    found, lines = [], []
    for (name, place), network in zip(marks.items(), (objective.network, *others), strict=True):
        weights = shifted(origin, *zip(place, directions.vectors, strict=True))
        here = objective.value(weights).nll
        own = settings.objective(network, objective.samples).value().nll
        at = dict(zip("xy", place, strict=False))
        found.append({"name": name, **at, "nll": here, "own_nll": own})
        where = ", ".join(f"{coordinate:+.3g}" for coordinate in place)
        lines.append(f"{name}  NLL {here:.6g} at ({where}), {own:.6g} with its own buffers")
    return found, lines


def _directions(
    request: Request, objective: Objective, options: dict[str, Any]
) -> tuple[Directions | None, Marks | None, list[Network]]:
    """Directions that are given, the points to lay the grid around, and the other checkpoints there."""
    if options["through"]:
        from landscape.connectivity.walk import require_one_architecture

        others, settings = [request.network(path) for path in options["through"]], request.settings()
        require_one_architecture(
            [objective, *(settings.objective(each, objective.samples) for each in others)]
        )
        return *_through(objective, others), others
    source = options["directions_from"]
    return (_read(source, objective) if source else None), None, []


def _through(objective: Objective, others: list[Network]) -> tuple[Directions, Marks]:
    """The line through two checkpoints, or the plane through three."""
    from landscape import surface

    weights = [
        {name: value.to(objective.device, objective.dtype) for name, value in other.module.named_parameters()}
        for other in others
    ]
    places: np.ndarray | list[list[float]] = [[0.0], [1.0]]
    if len(others) == 1:
        directions = surface.line(objective.parameters, *weights)
    else:
        directions, places = surface.triangle(objective.parameters, *weights)
    names = [network.name for network in (objective.network, *others)]
    if len(set(names)) < len(names):
        names = [f"{name} ({letter})" for name, letter in zip(names, "abc", strict=False)]
    return directions, {name: [float(c) for c in place] for name, place in zip(names, places, strict=True)}


def _read(source: str, objective: Objective) -> Directions:
    """Directions of a saved result or of another tool's file, to go from this network's own weights."""
    from landscape import results, surface
    from landscape.exchange.loss_landscape import as_parameters, read_directions

    if Path(source).suffix in (".h5", ".hdf5"):
        shapes = {name: tuple(value.shape) for name, value in objective.parameters.items()}
        vectors = [as_parameters(each, shapes) for each in read_directions(source)]
        return surface.from_tensors(vectors, objective.parameters)
    dataset = results.load(source)
    if dataset.attrs["kind"] == "eigenvalues":
        return surface.from_eigenvectors(dataset, objective)
    return replace(surface.from_arrays(dataset, objective.free), origin=None)
