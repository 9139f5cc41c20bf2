"""`landscape hessian`: eigenvalues, mini-batch spectrum, trace, spectral density, curvature by layer."""

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.measuring import Part, measure, with_options
from landscape.cli.options import CHECKPOINT, OUT, Bytes, Request, protocol_options, result_path

if TYPE_CHECKING:
    from landscape.hessian import Operator
    from landscape.network import Network
    from landscape.objective import Objective

_COUNT = click.IntRange(min=1)
_OPTIONS = (
    click.option("--top-k", type=_COUNT, default=5, help="Eigenvalues over all samples."),
    click.option(
        "--which",
        type=click.Choice(["largest", "smallest", "magnitude"]),
        default="largest",
        help="Which end of the spectrum.",
    ),
    click.option(
        "--method",
        type=click.Choice(["lanczos", "power", "pyhessian"]),
        default="lanczos",
        help="Lanczos; block power iteration, as in the papers; or the PyHessian package as a cross-check "
        "(both find largest magnitudes).",
    ),
    click.option(
        "--operator",
        "kind",
        type=click.Choice(["hessian", "ggn"]),
        default="hessian",
        help="Hessian, or generalised Gauss–Newton matrix.",
    ),
    click.option(
        "--coordinates",
        type=click.Choice(["raw", "filter", "layer"]),
        default="raw",
        help="Raw weights, or weights in units of their filter's or layer's norm.",
    ),
    click.option(
        "--loss",
        type=click.Choice(["cross_entropy", "squared_error", "nll", "mse"]),
        default="cross_entropy",
        help="Loss of each sample; nll and mse are short for them.",
    ),
    click.option(
        "--tolerance",
        type=float,
        help="Largest residual, as a share of |λ|  [default: 0.001, of mini-batches and layers 0.01].",
    ),
    click.option(
        "--max-products", type=click.IntRange(min=0), default=0, help="Products allowed; 0 chooses."
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
        help="Estimator of the trace; Hutchinson's also gives it by layer.",
    ),
    click.option(
        "--density", "density_probes", type=_COUNT, metavar="PROBES", help="Also the spectral density."
    ),
    click.option("--density-steps", type=_COUNT, default=60, help="Products a probe."),
    click.option("--layers", is_flag=True, help="Also top eigenvalue and trace of every layer."),
    click.option("--spectrum", is_flag=True, help="Also the top eigenvalues of every mini-batch."),
    click.option(
        "--protocol",
        "preset",
        type=click.Choice(["p1", "p2"]),
        help="A paper's spectrum on training images: p1 greatest of 128, NLL; p2 top 5 of 16, NLL + L2, "
        "augmented.",
    ),
    click.option("--spectrum-batch", type=_COUNT, default=128, help="Samples a mini-batch."),
    click.option("--spectrum-k", type=_COUNT, default=1, help="Eigenvalues a mini-batch."),
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
    network = request.network(checkpoint)
    path = result_path(out, network, "eigenvalues")
    if preset:
        request, options = _as_published(request, options, network, preset)
    first, *further = _parts(request, request.settings().objective(network), options)
    measure(request, "hessian", path, first, further)


def _parts(request: Request, objective: "Objective", options: dict[str, Any]) -> list[Part]:
    """The eigenvalues over all samples, and what else was asked for."""
    from functools import partial

    from landscape import hessian
    from landscape.cli import curvature

    batches = {"batch_size": options["spectrum_batch"], "batches": options["spectrum_batches"]}
    if options["spectrum"]:
        hessian.mini_batches(len(objective.samples), **batches)  # refused now, not after the eigenvalues
    shared = {name: options[name] for name in ("kind", "coordinates")}
    operator = hessian.Operator(objective, **shared)
    keep, basis = _foretold(request, operator, options["top_k"], options["max_memory"])
    search = shared | {name: options[name] for name in ("max_products", "confirm")}
    if options["tolerance"] is not None:
        search["tolerance"] = options["tolerance"]
    which = {name: options[name] for name in ("method", "which")}
    top = search | which | {"k": options["top_k"], "vectors": options["vectors"]}
    top |= {"basis": basis, "keep": keep, "tune": not request.micro_batch}
    first = Part("eigenvalues", objective, partial(curvature.eigenvalues, which=options["which"]), top)
    which["which"] = "magnitude" if options["which"] == "largest" else options["which"]
    trace, density, probes = options["trace_probes"], options["density_probes"], {"keep": keep, **shared}
    asked: dict[str, Any] = {
        "spectrum": options["spectrum"] and search | batches | which | {"k": options["spectrum_k"]},
        "trace": trace and probes | {"probes": trace, "estimator": options["estimator"]},
        "density": density and probes | {"probes": density, "steps": options["density_steps"]},
        "layers": options["layers"] and search | {"keep": keep, "probes": trace or 32},
    }
    parts = [
        Part(kind, objective, getattr(curvature, kind), chosen) for kind, chosen in asked.items() if chosen
    ]
    return [first, *parts]


def _foretold(request: Request, operator: "Operator", k: int, limit: int | None) -> tuple[int, int]:
    """Say what it will take; bytes that kept graphs may have, and vectors that Lanczos may keep."""
    from landscape import hessian
    from landscape.derivatives.graphs import KEPT_BYTES

    basis, keep = 0, KEPT_BYTES
    if limit is not None:
        basis = min(2 * k + 20, operator.size)
        keep = hessian.fitted(operator, vectors=2 * basis, limit=limit)
    if not request.quiet:
        cost = hessian.forecast(operator, keep=keep)
        request.say(
            f"{operator.objective.network.name}: a product over {len(operator.objective.samples)} samples "
            f"takes {cost.product_seconds:.2g} s, 25 of them about {cost.seconds(25):.0f} s; memory up to "
            f"{cost.bytes(2 * (basis or 25)) / 1e9:.2g} GB beyond network and data"
        )
    return keep, basis


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
