"""`landscape features`: variance and Fourier content of feature maps by depth."""

import click

from landscape.cli.options import CHECKPOINT, OUT, Request, protocol_options, result_path


@click.command("features")
@CHECKPOINT
@click.option(
    "--layers",
    metavar="PATTERN",
    help="Layers to look at, as in 'layer1.*,conv1'; found by themselves when left out.",
)
@OUT
@protocol_options(samples=1000)
def command(request: Request, checkpoint: str, layers: str | None, out: str | None) -> None:
    """Spatial variance and Fourier content of feature maps, by depth."""
    from landscape import analyses, results
    from landscape.cli.answer import answer

    network = request.network(checkpoint)
    path = result_path(out, network, "features")
    objective = request.settings().objective(network)
    wanted = [part.strip() for part in layers.split(",") if part.strip()] if layers else []
    dataset = analyses.feature_maps(objective, layers=wanted, progress=request.progress)
    results.save(dataset, path)
    rows = []
    for index in range(dataset.sizes["layer"]):
        layer = dataset.isel(layer=index)
        defined = int(layer.frequency_pi.notnull().sum())
        rows.append(
            {
                "name": str(layer.layer.item()),
                "kind": str(layer.kind.item()),
                "depth": float(layer.depth),
                "height": int(layer.height),
                "width": int(layer.width),
                "spatial_variance": float(layer.spatial_variance),
                "delta_log_amplitude": layer.delta_log_amplitude.values[:defined].tolist(),
                "high_frequency": float(layer.high_frequency),
            }
        )
    lines = [f"{'layer':<24}{'kind':<11}{'map':<9}{'variance':>10}{'high frequency':>16}"]
    for row in rows:
        size = f"{row['height']}×{row['width']}"
        lines.append(
            f"{row['name']:<24}{row['kind']:<11}{size:<9}{row['spatial_variance']:>10.5f}{row['high_frequency']:>16.4f}"
        )
    answer(request, "features", dataset, path, {"layers": rows}, lines)
