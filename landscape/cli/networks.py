"""`landscape info`, `train` and `data`: checkpoints, the networks in them and the images they are made of."""

import json
import time
from pathlib import Path

import click

from landscape.cli.measuring import option
from landscape.cli.options import (
    CHECKPOINT,
    DATA,
    DEVICE,
    JSON,
    MAX_INPUT,
    MODEL,
    QUIET,
    SAMPLE_SEED,
    SEED,
    STATE_KEY,
    Whole,
    say,
)
from landscape.work import bar, silent


@click.command("info")
@CHECKPOINT
@MODEL
@MAX_INPUT
@STATE_KEY
@option(
    "--input size",
    "Shape of an input for which the layers' outputs are given, as in 3,64,64.",
    type=Whole(),
    metavar="C,H,W",
)
@option("--format layout", "How the table of layers is written.", "text", choices=("text", "latex"))
@JSON
def info(
    checkpoint: str,
    model: str | None,
    state_key: str | None,
    size: tuple[int, ...] | None,
    layout: str,
    as_json: bool,
) -> None:
    """What a checkpoint holds: architecture, layers, normalisation, training record, and what was guessed."""
    from landscape import checkpoint as checkpoints
    from landscape.analyses import network_record
    from landscape.cli.measuring import emit
    from landscape.zoo.table import latex, layer_table, text

    network = checkpoints.load(checkpoint, model, state_key=state_key)
    rows, shape, reason = layer_table(network, size or ())
    normalisation = network.normalisation
    if as_json:
        stored = {"mean": normalisation.mean, "std": normalisation.std} if normalisation else None
        emit(
            {
                "command": "info",
                "checkpoint": network_record(network),
                "normalisation": stored,
                "training": network.training,
                "beside": network.beside,
                "origins": network.origins,
                "input": list(shape) or None,
                "layers": [row.as_dict() for row in rows],
                "notes": network.notes,
            }
        )
        return
    record = network.training
    if layout == "latex":
        for line in latex(
            rows, f"{network.name}, outputs for one input of {'×'.join(map(str, shape)) or '?'}"
        ):
            say(line)
        for note in network.notes:
            say(note, err=True)
        return
    say(f"{network.architecture}, {network.parameter_count():,} parameters")
    say(f"SHA-256 {network.sha256}")
    if normalisation:
        where = network.origins.get("normalisation")
        said = f"normalisation: mean {normalisation.mean}, std {normalisation.std}"
        say(f"{said}, from {where}" if where else said)
    history = record.get("history")
    if isinstance(history, list) and history:  # the record of another tool may hold anything
        say(f"trained for {len(history)} epochs; the last one: {json.dumps(history[-1])}")
    if network.beside:
        say(f"beside the weights: {', '.join(f'{key} {value}' for key, value in network.beside.items())}")
    for note in network.notes:
        say(note)
    say(f"no output sizes: {reason}; give --input" if reason else f"layers, for one input of {shape}:")
    for line in text(rows):
        say(line)


@click.command("train")
@option("--model", "Zoo name, such as cifar-resnet20:blur,dropout=0.2.", required=True, metavar="SPEC")
@DATA
@MAX_INPUT
@option("--samples", "Train on the first N images only; 0 takes all.", 0, least=0)
@SAMPLE_SEED
@option("--epochs", "Passes over the data.", 15, least=1)
@option("--batch-size", "Images a step.", 128, least=1)
@option("--optimizer", "Optimizer.", "sgd", choices=("sgd", "adamw"))
@option(
    "--learning-rate",
    "Peak of the schedule.  [default: 0.1, of AdamW 0.000125]",
    type=float,
)
@option("--momentum", "Momentum of SGD.", 0.9)
@option("--weight-decay", "Weight decay.  [default: 0.0005, of AdamW 0.05]", type=float)
@option("--schedule", "Schedule of the learning rate.", "one-cycle", choices=("one-cycle", "step", "cosine"))
@option("--augment/--no-augment", "Random crop and flip.", True)
@option("--randaugment", "Magnitude of RandAugment, 1 to 30; 0 leaves it out.", 0, least=0)
@option("--mixup", "α of mixup; 0 leaves it out.", 0.0, least=0.0)
@option("--cutmix", "α of CutMix; 0 leaves it out; with --mixup each batch takes one.", 0.0, least=0.0)
@option("--label-smoothing", "Share of the target that is spread over all classes.", 0.0, least=0.0)
@option(
    "--precision",
    "Arithmetic of the passes; the weights stay float32.",
    "float32",
    choices=("float32", "bfloat16"),
)
@SEED
@DEVICE
@option("--keep-every", "Also keep a checkpoint every N epochs.", 0, least=0, metavar="N")
@option("--out", "The checkpoint to write.", required=True, metavar="FILE.safetensors")
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
    images = datasets.load(data, "train", samples if sample_seed is None else 0)
    if samples:
        images = images.take(samples, seed=sample_seed)

    def report(row: dict) -> None:
        if not quiet:
            say(
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
        note=lambda sentence: say(sentence, err=True),
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
        say(f"saved {path}")


@click.command("data")
@click.argument("name", type=click.Choice(["cifar10", "cifar100"]))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@option("--url", "Fetch the same archive from another place; its checksum is still verified.")
@QUIET
def data(name: str, folder: Path, url: str | None, quiet: bool) -> None:
    """Fetch an official data set into DIR, with its checksum; a download that broke off is resumed."""
    from landscape.data.fetch import fetch

    place = fetch(name, folder, url=url, progress=silent if quiet else bar)
    say(f"{place}: use it as --data {name}:{place}")
