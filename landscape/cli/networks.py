"""`landscape info`, `train` and `data`: checkpoints, the networks in them and the images they are made of."""

import json
import time
from pathlib import Path

import click

from landscape.cli.options import CHECKPOINT, DATA, DEVICE, JSON, MODEL, QUIET, SAMPLE_SEED, SEED
from landscape.work import bar, silent


@click.command("info")
@CHECKPOINT
@MODEL
@JSON
def info(checkpoint: str, model: str | None, as_json: bool) -> None:
    """What a checkpoint file holds: architecture, parameters, normalisation, training record."""
    from landscape import checkpoint as checkpoints
    from landscape.analyses import network_record
    from landscape.cli.measuring import emit

    network = checkpoints.load(checkpoint, model)
    normalisation = network.normalisation
    record = network.training
    if as_json:
        stored = {"mean": normalisation.mean, "std": normalisation.std} if normalisation else None
        emit(
            {
                "command": "info",
                "checkpoint": network_record(network),
                "normalisation": stored,
                "training": record,
                "notes": network.notes,
            }
        )
        return
    click.echo(f"{network.architecture}, {network.parameter_count():,} parameters")
    click.echo(f"SHA-256 {network.sha256}")
    if normalisation:
        click.echo(f"normalisation: mean {normalisation.mean}, std {normalisation.std}")
    history = record.get("history")
    if isinstance(history, list) and history:  # the record of another tool may hold anything
        click.echo(f"trained for {len(history)} epochs; the last one: {json.dumps(history[-1])}")
    for note in network.notes:
        click.echo(note)


@click.command("train")
@click.option(
    "--model", required=True, metavar="SPEC", help="Zoo name, such as cifar-resnet20:blur,dropout=0.2."
)
@DATA
@click.option(
    "--samples", type=click.IntRange(min=0), default=0, help="Train on the first N images only; 0 takes all."
)
@SAMPLE_SEED
@click.option("--epochs", type=click.IntRange(min=1), default=15, help="Passes over the data.")
@click.option("--batch-size", type=click.IntRange(min=1), default=128, help="Images a step.")
@click.option("--learning-rate", type=float, default=0.1, help="Peak of the schedule.")
@click.option("--momentum", type=float, default=0.9, help="Momentum of SGD.")
@click.option("--weight-decay", type=float, default=5e-4, help="Weight decay of SGD.")
@click.option(
    "--schedule",
    type=click.Choice(["one-cycle", "step"]),
    default="one-cycle",
    help="Schedule of the learning rate.",
)
@click.option("--augment/--no-augment", default=True, help="Random crop and flip.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    help="Arithmetic of the passes; the weights stay float32.",
)
@SEED
@DEVICE
@click.option(
    "--keep-every",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Also keep a checkpoint every N epochs.",
)
@click.option("--out", required=True, metavar="FILE.safetensors", help="The checkpoint to write.")
@JSON
@QUIET
def train(
    model: str,
    data: str,
    samples: int,
    sample_seed: int | None,
    out: str,
    device: str,
    keep_every: int,
    as_json: bool,
    quiet: bool,
    **recipe,
) -> None:
    """Train a network of the zoo, seeded and resumable.

    Call it again with the same options to continue a run that was stopped.
    """
    from landscape import checkpoint
    from landscape import data as datasets
    from landscape.analyses import network_record
    from landscape.analyses.settings import resolve_device
    from landscape.cli.measuring import emit
    from landscape.train import Recipe
    from landscape.train import train as trained
    from landscape.zoo import parse

    started = time.monotonic()
    images = datasets.load(data, split="train")
    if samples:
        images = images.take(samples, seed=sample_seed)

    def report(row: dict) -> None:
        if not quiet:
            click.echo(
                "epoch {epoch}: loss {loss:.4f}, accuracy {accuracy:.4f}, {seconds} s".format(**row), err=True
            )

    path = trained(
        parse(model),
        images,
        Recipe(**recipe),
        out,
        device=str(resolve_device(device)),
        keep_every=keep_every,
        progress=silent if quiet else bar,
        report=report,
    )
    if as_json:
        network = checkpoint.load(path)
        emit(
            {
                "command": "train",
                "checkpoint": network_record(network),
                "result": str(path),
                "training": network.training,
                "seconds": round(time.monotonic() - started, 3),
            }
        )
    else:
        click.echo(f"saved {path}")


@click.command("data")
@click.argument("name", type=click.Choice(["cifar10", "cifar100"]))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--url", help="Fetch the same archive from another place; its checksum is still verified.")
@QUIET
def data(name: str, folder: Path, url: str | None, quiet: bool) -> None:
    """Fetch an official data set into DIR, with its checksum; a download that broke off is resumed."""
    from landscape.data.fetch import fetch

    place = fetch(name, folder, url=url, progress=silent if quiet else bar)
    click.echo(f"{place}: use it as --data {name}:{place}")
