"""`landscape info`: what a checkpoint file holds."""

import json

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
