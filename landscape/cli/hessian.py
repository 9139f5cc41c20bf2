"""`landscape hessian`: eigenvalues, mini-batch spectrum, trace, spectral density, curvature by layer."""

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.options import CHECKPOINT, OUT, Bytes, Request, protocol_options, result_path
from landscape.cli.planes import with_options

if TYPE_CHECKING:
    from landscape.network import Network
    from landscape.objective import Objective

_COUNT = click.IntRange(min=1)
_OPTIONS = (
    click.option("--top-k", type=_COUNT, default=5, show_default=True, help="Eigenvalues over all samples."),
    click.option(
        "--which",
        type=click.Choice(["largest", "smallest", "magnitude"]),
        default="largest",
        show_default=True,
        help="Which end of the spectrum.",
    ),
    click.option(
        "--method",
        type=click.Choice(["lanczos", "power", "pyhessian"]),
        default="lanczos",
        show_default=True,
        help="Lanczos; block power iteration, as in the papers; or the PyHessian package as a cross-check "
        "(both find largest magnitudes).",
    ),
    click.option(
        "--operator",
        "kind",
        type=click.Choice(["hessian", "ggn"]),
        default="hessian",
        show_default=True,
        help="Hessian, or generalised Gauss–Newton matrix.",
    ),
    click.option(
        "--coordinates",
        type=click.Choice(["raw", "filter", "layer"]),
        default="raw",
        show_default=True,
        help="Raw weights, or weights in units of their filter's or layer's norm.",
    ),
    click.option(
        "--loss",
        type=click.Choice(["cross_entropy", "squared_error", "nll", "mse"]),
        default="cross_entropy",
        show_default=True,
        help="Loss of each sample; nll and mse are short for them.",
    ),
    click.option(
        "--tolerance",
        type=float,
        help="Largest residual, as a share of |λ|  [default: 0.001, of mini-batches and layers 0.01].",
    ),
    click.option(
        "--max-products", type=click.IntRange(min=0), default=0, help="Hessian–vector products allowed; 0 chooses."
    ),
    click.option(
        "--confirm",
        type=click.IntRange(min=0),
        help="Products that may look for eigenvalues passed over; by default a tenth of those of the search, "
        "up to four tenths at a --tolerance of 0.01.",
    ),
    click.option("--vectors", is_flag=True, help="Save the eigenvectors too."),
    click.option(
        "--trace", "trace_probes", type=click.IntRange(min=2), metavar="PROBES", help="Also the trace."
    ),
    click.option(
        "--estimator",
        type=click.Choice(["hutchinson", "xtrace"]),
        default="hutchinson",
        show_default=True,
        help="Estimator of the trace; Hutchinson's also gives it by layer.",
    ),
    click.option(
        "--density", "density_probes", type=_COUNT, metavar="PROBES", help="Also the spectral density."
    ),
    click.option("--density-steps", type=_COUNT, default=60, show_default=True, help="Hessian–vector products per probe."),
    click.option("--layers", is_flag=True, help="Also top eigenvalue and trace of every layer."),
    click.option("--spectrum", is_flag=True, help="Also the top eigenvalues of every mini-batch."),
    click.option(
        "--protocol",
        "preset",
        type=click.Choice(["p1", "p2"]),
        help="A paper's spectrum on training images: p1 greatest of 128, NLL; p2 top 5 of 16, NLL + L2, "
        "augmented.",
    ),
    click.option(
        "--spectrum-batch", type=_COUNT, default=128, show_default=True, help="Samples a mini-batch."
    ),
    click.option("--spectrum-k", type=_COUNT, default=1, show_default=True, help="Eigenvalues a mini-batch."),
    click.option(
        "--spectrum-batches",
        type=click.IntRange(min=0),
        default=0,
        help="Mini-batches; 0 takes all the samples give.",
    ),
    click.option("--max-memory", type=Bytes(), help="Memory allowed beyond the network's own, as in 4GB."),
)


@click.command("hessian")
@CHECKPOINT
@with_options(_OPTIONS)
@OUT
@protocol_options(samples=1000)
def command(request: Request, checkpoint: str, out: str | None, preset: str | None, **options: Any) -> None:
    """Curvature of the loss: top eigenvalues, each with its residual, and more on request.

    With --spectrum, also the signed top eigenvalues of every mini-batch (the Hessian max-eigenvalue
    spectrum), with APE, the mean of the positive ones, and NEP, the share of negative ones.
    """
    from landscape.cli.curvature import measure

    network = request.network(checkpoint)
    path = result_path(out, network, "eigenvalues")
    if preset:
        request, options = _as_published(request, options, network, preset)
    measure(request, _objective(request, options, network), path, options)


def _objective(request: Request, options: dict[str, Any], network: "Network") -> "Objective":
    from landscape.losses import LOSSES

    settings = dataclasses.replace(request.settings(), loss=LOSSES[options.pop("loss")])
    return settings.objective(network)


def _as_published(
    request: Request, options: dict[str, Any], network: "Network", preset: str
) -> tuple[Request, dict[str, Any]]:
    """Options as in the paper, except those that were given."""
    from landscape.hessian import PROTOCOLS

    paper = PROTOCOLS[preset]
    decay = network.training.get("recipe", {}).get("weight_decay", 5e-4) if paper.l2 else 0.0
    protocol = {
        "split": "train",
        "dropout": "fresh",
        "weight_decay": decay,
        "augment": request.seed if paper.augment else None,
    }
    search = {"spectrum": True, "spectrum_batch": paper.batch_size, "spectrum_k": paper.k}
    chosen = click.get_current_context().get_parameter_source
    usual = click.core.ParameterSource.DEFAULT

    def unasked(values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if chosen(name) is usual}

    return dataclasses.replace(request, **unasked(protocol)), options | unasked(search)
