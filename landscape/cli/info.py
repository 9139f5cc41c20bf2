"""`landscape info`: what a checkpoint file holds."""

import click

from landscape.cli.options import CHECKPOINT, JSON, MODEL


@click.command("info")
@CHECKPOINT
@MODEL
@JSON
def command(checkpoint: str, model: str | None, as_json: bool) -> None:
    """What a checkpoint file holds: architecture, parameters, normalisation, training record."""
    from landscape import checkpoint as checkpoints
    from landscape.analyses import network_record
    from landscape.cli.answer import emit

    network = checkpoints.load(checkpoint, model)
    normalisation = network.normalisation
    record = network.training
    if as_json:
        stored = {"mean": normalisation.mean, "std": normalisation.std} if normalisation else None
        emit({"command": "info", "checkpoint": network_record(network), "normalisation": stored,
              "training": record, "notes": network.notes})  # fmt: skip
        return
    click.echo(f"{network.architecture}, {network.parameter_count():,} parameters")
    click.echo(f"SHA-256 {network.sha256}")
    if normalisation:
        click.echo(f"normalisation: mean {normalisation.mean}, std {normalisation.std}")
    if record.get("history"):
        last = record["history"][-1]
        click.echo(f"trained for {last['epoch']} epochs; last: loss {last['loss']:.4f}, accuracy {last['accuracy']:.4f}")
    for note in network.notes:
        click.echo(note)
