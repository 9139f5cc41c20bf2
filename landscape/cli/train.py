"""`landscape train`: one plain recipe for every network."""

import time

import click

from landscape.cli.options import DATA, DEVICE, JSON, QUIET, SAMPLE_SEED, SEED
from landscape.work import bar, silent


@click.command("train")
@click.option(
    "--model", required=True, metavar="SPEC", help="Zoo name, such as cifar-resnet20:blur,dropout=0.2."
)
@DATA
@click.option(
    "--samples", type=click.IntRange(min=0), default=0, help="Train on the first N images only; 0 takes all."
)
@SAMPLE_SEED
@click.option(
    "--epochs", type=click.IntRange(min=1), default=15, show_default=True, help="Passes over the data."
)
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=128, show_default=True, help="Images a step."
)
@click.option("--learning-rate", type=float, default=0.1, show_default=True, help="Peak of the schedule.")
@click.option("--momentum", type=float, default=0.9, show_default=True, help="Momentum of SGD.")
@click.option("--weight-decay", type=float, default=5e-4, show_default=True, help="Weight decay of SGD.")
@click.option(
    "--schedule",
    type=click.Choice(["one-cycle", "step"]),
    default="one-cycle",
    show_default=True,
    help="Schedule of the learning rate.",
)
@click.option("--augment/--no-augment", default=True, show_default=True, help="Random crop and flip.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
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
def command(
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
    from landscape.cli.answer import emit
    from landscape.train import Recipe, train
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

    path = train(
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
