"""`landscape features`: what happens inside a network, by depth."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.help import Command
from landscape.cli.measuring import Part, Summary, measure, option, table, with_options
from landscape.cli.options import CHECKPOINT, OUT, Request, protocol_options, result_path
from landscape.cli.values import Whole

if TYPE_CHECKING:
    import xarray as xr

    from landscape.network import Network
    from landscape.objective import Objective

_OPTIONS = (
    option(
        "--layers",
        "Layers to measure, as in 'layer1.*,conv1'; chosen automatically when left out.",
        metavar="PATTERN",
    ),
    option("--inputs", "Measure what the layers read instead of what they give.", False),
    option(
        "--draws",
        "Passes under fresh dropout masks; two or more also give the variance over masks.",
        1,
        least=1,
    ),
    option(
        "--aliasing",
        "Also measure the power above the new Nyquist frequency where feature maps shrink.",
        False,
    ),
    option("--covariance", "Also measure the correlation of neighbouring points of feature maps.", False),
    option(
        "--pictures", "Also save the feature maps of these images, to look at.", type=Whole(), metavar="I,J,…"
    ),
    option("--channels", "Channels of the pictures.", "0", type=Whole()),
    option(
        "--noise",
        "Also measure accuracy against the frequency of noise in the images.",
        choices=("gaussian", "sign"),
    ),
    option(
        "--noise-strength", "Standard deviation of the noise before it is masked, for images in 0 … 1.", 0.175
    ),
    option("--noise-width", "Width of the rings of noise, in π.", 0.1),
    option(
        "--equal-power",
        "Noise of the same power in every ring; the papers' holds more the higher the frequency.",
        False,
    ),
    option("--similarity", "Also measure CKA between the layers.", False),
    option(
        "--with other", "Also measure CKA with the layers of this network.", metavar="CKPT", type=click.Path()
    ),
    option("--lesion", "Also measure accuracy with one block removed at a time.", False),
    option(
        "--lesion-of pieces",
        "Blocks, or halves of blocks, to remove, as in 'blocks.*.attn,blocks.*.mlp'; all blocks by default.",
        metavar="PATTERN",
    ),
)


@click.command(
    "features",
    cls=Command,
    examples=(
        "landscape features net.safetensors",
        "landscape features net.safetensors --samples 100 --lesion --aliasing",
    ),
)
@CHECKPOINT
@with_options(_OPTIONS)
@OUT
@protocol_options(samples=1000)
def command(request: Request, checkpoint: str, out: str | None, **options: Any) -> None:
    """Measure feature maps by depth: variance, Fourier content."""
    network = request.network(checkpoint)
    path = result_path(out, network, "features")
    if options["draws"] > 1 and request.dropout == "off":
        request = dataclasses.replace(request, dropout="fresh")
    objective = request.settings().objective(network)
    layers = [part.strip() for part in (options["layers"] or "").split(",") if part.strip()]
    further = _parts(request, network, objective, layers, options)
    asked = {"layers": layers, "draws": options["draws"], "inputs": options["inputs"]}
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
    if options["lesion"] or options["pieces"]:
        pieces = [part.strip() for part in (options["pieces"] or "").split(",") if part.strip()]
        found.append(Part("lesion", objective, _lesion, {"blocks": pieces}))
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
