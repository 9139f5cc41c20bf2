"""`landscape info`, `train` and `data`: checkpoints, the networks in them and the images they are made of."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.help import Command
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
    output,
    say,
)
from landscape.cli.values import Whole
from landscape.work import bar, silent

if TYPE_CHECKING:
    from landscape.network import Network
    from landscape.zoo.table import Row


@click.command(
    "info",
    cls=Command,
    examples=(
        "landscape info net.safetensors",
        "landscape info net.safetensors --input 3,32,32 --format latex",
    ),
)
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
@option("--format layout", "Format of the table of layers.", "text", choices=("text", "latex"))
@JSON
def info(
    checkpoint: str,
    model: str | None,
    state_key: str | None,
    size: tuple[int, ...] | None,
    layout: str,
    as_json: bool,
) -> None:
    """Show what a checkpoint holds.

    Architecture, layers, normalisation and training record, and what of them was guessed.
    """
    from landscape import checkpoint as checkpoints
    from landscape.cli.measuring import emit
    from landscape.zoo.table import latex, layer_table, text

    network = checkpoints.load(checkpoint, model, state_key=state_key)
    rows, shape, reason = layer_table(network, size or ())
    if as_json:
        emit(_content(network, shape, rows))
    elif layout == "latex":
        for line in latex(
            rows, f"{network.name}, outputs for one input of {'×'.join(map(str, shape)) or '?'}"
        ):
            say(line)
        for note in network.notes:
            say(note, err=True)
    else:
        for line in _about(network):
            say(line)
        say(f"no output sizes: {reason}; give --input" if reason else f"layers, for one input of {shape}:")
        for line in text(rows):
            say(line)


def _content(network: "Network", shape: Sequence[int], rows: Sequence["Row"]) -> dict[str, Any]:
    """All that is known of a network, as JSON can hold it."""
    from landscape.analyses import network_record

    normalisation = network.normalisation
    return {
        "command": "info",
        "checkpoint": network_record(network),
        "normalisation": normalisation and {"mean": normalisation.mean, "std": normalisation.std},
        "training": network.training,
        "beside": network.beside,
        "origins": network.origins,
        "input": list(shape) or None,
        "layers": [row.as_dict() for row in rows],
        "notes": network.notes,
    }


def _about(network: "Network") -> list[str]:
    """What people read of a network, before the table of its layers."""
    lines = [f"{network.architecture}, {network.parameter_count():,} parameters", f"SHA-256 {network.sha256}"]
    normalisation = network.normalisation
    if normalisation:
        where = network.origins.get("normalisation")
        said = f"normalisation: mean {normalisation.mean}, std {normalisation.std}"
        lines.append(f"{said}, from {where}" if where else said)
    history = network.training.get("history")
    if isinstance(history, list) and history:  # the record of another tool may hold anything
        lines.append(f"trained for {len(history)} epochs; the last one: {json.dumps(history[-1])}")
    if network.beside:
        found = ", ".join(f"{key} {value}" for key, value in network.beside.items())
        lines.append(f"beside the weights: {found}")
    return lines + list(network.notes)


@click.command(
    "train",
    cls=Command,
    own="Training",
    examples=("landscape train --model resnet18:blur --epochs 30 -o blur.safetensors",),
)
@option("--model", "Zoo name, such as resnet18:blur,dropout=0.3.", required=True, metavar="SPEC")
@DATA
@MAX_INPUT
@option("--samples", "Train on the first N images only; 0 takes all.", 0, least=0, group="Data")
@SAMPLE_SEED
@option("--epochs", "Passes over the data.", 15, least=1)
@option("--batch-size", "Images per step.", 128, least=1)
@option("--optimizer", "Optimizer.", "sgd", choices=("sgd", "adamw"))
@option(
    "--learning-rate",
    "Peak of the schedule.  [default: 0.1, of AdamW 0.000125]",
    type=float,
)
@option("--momentum", "Momentum of SGD.", 0.9)
@option("--weight-decay", "Weight decay.  [default: 0.0005, of AdamW 0.05]", type=float)
@option("--schedule", "Schedule of the learning rate.", "one-cycle", choices=("one-cycle", "step", "cosine"))
@option(
    "--warm-up",
    "Epochs of warm-up of a step or cosine schedule.  [default: 1 or 5]",
    0,
    least=0,
    metavar="N",
    show_default=False,
)
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
@output("The checkpoint to write.", required=True, metavar="FILE.safetensors")
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
    from landscape import data as datasets
    from landscape.analyses.settings import resolve_device
    from landscape.train import Recipe
    from landscape.train import train as trained
    from landscape.zoo import parse

    started = time.monotonic()
    images = datasets.load(data, "train", samples if sample_seed is None else 0)
    if samples:
        images = images.take(samples, seed=sample_seed)
    path = trained(
        parse(model),
        images,
        Recipe(**recipe),
        out,
        device=str(resolve_device(device)),
        keep_every=keep_every,
        progress=silent if quiet else bar,
        report=(lambda row: None) if quiet else _say_epoch,
        note=lambda sentence: say(sentence, err=True),
    )
    if as_json:
        _emit_trained(path, time.monotonic() - started)
    else:
        say(f"saved {path}")


def _say_epoch(row: dict) -> None:
    say("epoch {epoch}: loss {loss:.4f}, accuracy {accuracy:.4f}, {seconds} s".format(**row), err=True)


def _emit_trained(path: Path, seconds: float) -> None:
    from landscape import checkpoint
    from landscape.analyses import network_record
    from landscape.cli.measuring import emit

    network = checkpoint.load(path)
    emit(
        {
            "command": "train",
            "checkpoint": network_record(network),
            "result": str(path),
            "training": network.training,
            "seconds": round(seconds, 3),
        }
    )


@click.command("data", cls=Command, own="Source", examples=("landscape data cifar10 data",))
@click.argument("name", type=click.Choice(["cifar10", "cifar100"]))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@option("--url", "Fetch the archive from this address; its checksum is verified all the same.")
@QUIET
def data(name: str, folder: Path, url: str | None, quiet: bool) -> None:
    """Fetch an official data set into DIR, with its checksum.

    A download that broke off is resumed.
    """
    from landscape.data.fetch import fetch

    place = fetch(name, folder, url=url, progress=silent if quiet else bar)
    say(f"{place}: use it as --data {name}:{place}")
