"""`landscape features`: what happens inside a network, by depth."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.measuring import Part, Summary, measure, table, with_options
from landscape.cli.options import CHECKPOINT, OUT, Request, Whole, protocol_options, result_path

if TYPE_CHECKING:
    import xarray as xr

    from landscape.network import Network
    from landscape.objective import Objective

_OPTIONS = (
    click.option(
        "--layers",
        metavar="PATTERN",
        help="Layers to look at, as in 'layer1.*,conv1'; found by themselves when left out.",
    ),
    click.option(
        "--draws",
        type=click.IntRange(min=1),
        default=1,
        help="Passes under fresh dropout masks: more than one also gives the model's variance.",
    ),
    click.option(
        "--aliasing", is_flag=True, help="Also the power above the new Nyquist frequency where maps shrink."
    ),
    click.option("--covariance", is_flag=True, help="Also how alike neighbouring points of maps are."),
    click.option(
        "--pictures", type=Whole(), metavar="I,J,…", help="Also the maps of these images, to look at."
    ),
    click.option("--channels", type=Whole(), default="0", help="Channels of the pictures."),
    click.option(
        "--noise",
        type=click.Choice(["gaussian", "sign"]),
        help="Also accuracy against the frequency of noise in the images.",
    ),
    click.option(
        "--noise-strength",
        type=float,
        default=0.175,
        help="Standard deviation of the noise before it is masked, for images in 0 … 1.",
    ),
    click.option("--noise-width", type=float, default=0.1, help="Width of the rings of noise, in π."),
    click.option(
        "--equal-power",
        is_flag=True,
        help="Noise of the same power in every ring; the papers' holds more the higher the frequency.",
    ),
    click.option("--similarity", is_flag=True, help="Also CKA between the layers."),
    click.option(
        "--with", "other", metavar="CKPT", type=click.Path(), help="CKA with the layers of this network."
    ),
    click.option("--lesion", is_flag=True, help="Also accuracy with one block removed at a time."),
)


@click.command("features")
@CHECKPOINT
@with_options(_OPTIONS)
@OUT
@protocol_options(samples=1000)
def command(request: Request, checkpoint: str, out: str | None, **options: Any) -> None:
    """Variance and Fourier content of feature maps by depth, and more on request."""
    network = request.network(checkpoint)
    path = result_path(out, network, "features")
    if options["draws"] > 1 and request.dropout == "off":
        request = dataclasses.replace(request, dropout="fresh")
    objective = request.settings().objective(network)
    layers = [part.strip() for part in (options["layers"] or "").split(",") if part.strip()]
    further = _parts(request, network, objective, layers, options)
    asked = {"layers": layers, "draws": options["draws"]}
    measure(request, "features", path, Part("features", objective, _features, asked), further)


def _parts(
    request: Request, network: Network, objective: Objective, layers: list[str], options: dict[str, Any]
) -> list[Part]:
    """The further results that were asked for."""
    found = []
    if options["aliasing"]:
        found.append(Part("aliasing", objective, _aliasing))
    if options["covariance"]:
        found.append(Part("covariance", objective, _covariance, {"layers": layers}))
    if options["pictures"]:
        fresh = dataclasses.replace(request.settings(), dropout="fresh").objective(network, objective.samples)
        chosen = {"images": options["pictures"], "channels": options["channels"], "layers": layers}
        found.append(Part("maps", fresh, _maps, chosen))
    if options["noise"]:
        noise = {name: options[f"noise_{name}"] for name in ("strength", "width")}
        noise |= {name: options[name] for name in ("noise", "equal_power")}
        found.append(Part("noise", objective, _noise, noise))
    if options["similarity"] or options["other"]:
        other = options["other"] and request.settings().objective(
            request.network(options["other"]), objective.samples
        )
        found.append(Part("similarity", objective, _similarity, {"other": other, "layers": layers}))
    if options["lesion"]:
        found.append(Part("lesion", objective, _lesion))
    return found


def _features(dataset: xr.Dataset) -> Summary:
    """One row a layer."""
    rows = []
    for index in range(dataset.sizes["layer"]):
        layer = dataset.isel(layer=index)
        defined = int(layer.frequency_pi.notnull().sum())
        row = {
            "name": str(layer.layer.item()),
            "kind": str(layer.kind.item()),
            "depth": float(layer.depth),
            "height": int(layer.height),
            "width": int(layer.width),
            "spatial_variance": float(layer.spatial_variance),
            "delta_log_amplitude": layer.delta_log_amplitude.values[:defined].tolist(),
            "high_frequency": float(layer.high_frequency),
        }
        rows.append(row | {name: float(layer[name]) for name in ("sample_variance", "model_variance")})
    columns = {
        "layer": [row["name"] for row in rows],
        "kind": [row["kind"] for row in rows],
        "map": [f"{row['height']}×{row['width']}" for row in rows],
        "variance": [row["spatial_variance"] for row in rows],
        "over samples": [row["sample_variance"] for row in rows],
        "high freq.": [row["high_frequency"] for row in rows],
    }
    if dataset.attrs.get("draws", 1) > 1:
        columns["model"] = [row["model_variance"] for row in rows]
    return {"layers": rows}, table(columns, width=13)


def _aliasing(dataset: xr.Dataset) -> Summary:
    columns = {
        "subsampled at": [str(name) for name in dataset["layer"].values],
        "before": dataset.before.values.tolist(),
        "after": dataset.after.values.tolist(),
    }
    lines = ["share of power above the new Nyquist frequency, before and after smoothing"]
    return columns, [*lines, *table(columns)]


def _covariance(dataset: xr.Dataset) -> Summary:
    """The correlation with the nearest neighbours, over both directions."""
    near = dataset.correlation.sel(dy=0, dx=1)
    rows = {str(source): near.sel(source=source).values.tolist() for source in dataset["source"].values}
    layers = [str(name) for name in dataset["layer"].values]
    return {"layers": layers, **rows}, table({"correlation with the next point": layers} | rows)


def _maps(dataset: xr.Dataset) -> Summary:
    count = dataset.sizes.get("image", 1)
    return {"images": count}, [f"maps of {count} images in {dataset.sizes['layer']} layers"]


def _noise(dataset: xr.Dataset) -> Summary:
    columns = {
        "frequency": [f"{value:.2g}π" for value in dataset.frequency_pi.values],
        "accuracy": dataset.accuracy.values.tolist(),
        "drop": dataset.accuracy_drop.values.tolist(),
        "± error": dataset.accuracy_drop_standard_error.values.tolist(),
    }
    values = {
        "frequency_pi": dataset.frequency_pi.values.tolist(),
        "accuracy": columns["accuracy"],
        "accuracy_drop": columns["drop"],
        "standard_error": columns["± error"],
        "clean_accuracy": float(dataset.clean_accuracy),
    }
    return values, [*table(columns), f"clean accuracy {values['clean_accuracy']:.4f}"]


def _similarity(dataset: xr.Dataset) -> Summary:
    names = {axis: [str(name) for name in dataset[axis].values] for axis in ("layer_a", "layer_b")}
    text = f"CKA of {len(names['layer_a'])} × {len(names['layer_b'])} layers"
    return {**names, "cka": dataset.cka.values.tolist()}, [text]


def _lesion(dataset: xr.Dataset) -> Summary:
    columns = {
        "without": [str(name) for name in dataset["block"].values],
        "accuracy": dataset.accuracy.values.tolist(),
        "drop": dataset.accuracy_drop.values.tolist(),
        "± error": dataset.accuracy_drop_standard_error.values.tolist(),
    }
    values = {"blocks": columns["without"], "accuracy": columns["accuracy"], "accuracy_drop": columns["drop"]}
    return values, table(columns)
