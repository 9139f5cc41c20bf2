"""`landscape hessian`: eigenvalues, mini-batch spectrum, trace, spectral density, curvature by layer."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.help import Command
from landscape.cli.measuring import Part, Summary, measure, option, with_options
from landscape.cli.options import CHECKPOINT, OUT, Request, protocol_options, result_path
from landscape.cli.ranks import together
from landscape.cli.values import Bytes

if TYPE_CHECKING:
    import xarray as xr

    from landscape.hessian import Operator
    from landscape.network import Network
    from landscape.objective import Objective

_OPTIONS = (
    option("--top-k", "Number of eigenvalues over all samples.", 5, least=1),
    option(
        "--which",
        "End of the spectrum that is searched; of mini-batches, magnitude unless given.",
        "largest",
        choices=("largest", "smallest", "magnitude"),
    ),
    option(
        "--method",
        "Lanczos; block power iteration, as in the papers; or the PyHessian package, as a cross-check. "
        "The last two find largest magnitudes.",
        "lanczos",
        choices=("lanczos", "power", "pyhessian"),
    ),
    option(
        "--operator kind",
        "The Hessian, or the generalised Gauss–Newton matrix.",
        "hessian",
        choices=("hessian", "ggn"),
    ),
    option(
        "--coordinates",
        "Raw weights, or weights in units of their filter's or layer's norm.",
        "raw",
        choices=("raw", "filter", "layer"),
    ),
    option(
        "--loss",
        "Loss of each sample of a classification; nll and mse are short for them.  [default: cross_entropy]",
        None,
        choices=("cross_entropy", "squared_error", "nll", "mse"),
    ),
    option(
        "--tolerance",
        "Largest residual, as a share of |λ|.  [default: 0.001, of mini-batches and layers 0.01]",
        type=float,
    ),
    option("--max-products", "Limit on Hessian–vector products; 0 chooses one.", 0, least=0),
    option(
        "--confirm",
        "Products that look for eigenvalues the search passed over.  [default: a tenth of those of the "
        "search, up to four tenths at a --tolerance of 0.01]",
        least=0,
    ),
    option("--vectors", "Also save the eigenvectors.", False),
    option(
        "--warm-from",
        "Begin with the eigenvectors of this result of a similar network, saved with --vectors, such as that "
        "of the epoch before.",
        metavar="RESULT",
    ),
    option(
        "--trace trace_probes", "Also estimate the trace, with this many probes.", least=2, metavar="PROBES"
    ),
    option(
        "--estimator",
        "Estimator of the trace; Hutchinson's also gives it by layer.",
        "hutchinson",
        choices=("hutchinson", "xtrace"),
    ),
    option(
        "--density density_probes",
        "Also estimate the spectral density, with this many probes.",
        least=1,
        metavar="PROBES",
    ),
    option("--density-steps", "Hessian–vector products per probe.", 60, least=1),
    option("--layers", "Also measure the top eigenvalue and the trace of every layer.", False),
    option("--spectrum", "Also measure the top eigenvalues of every mini-batch.", False),
    option(
        "--protocol preset",
        "A paper's spectrum of mini-batches of training images: the largest eigenvalue of the NLL of 128 "
        "images (p1), or the top 5 of NLL + L2 of 16 augmented ones (p2).",
        choices=("p1", "p2"),
    ),
    option("--spectrum-batch", "Samples per mini-batch.", 128, least=1),
    option("--spectrum-k", "Number of eigenvalues per mini-batch.", 1, least=1),
    option("--spectrum-batches", "Number of mini-batches; 0 takes all.", 0, least=0),
    option("--max-memory", "Limit on memory beyond the network's own, as in 4GB.", group="Run", type=Bytes()),
)


@click.command(
    "hessian",
    cls=Command,
    examples=(
        "landscape hessian net.safetensors --samples 256 --top-k 3",
        "landscape hessian net.safetensors --protocol p1 --spectrum-batches 4",
        "landscape hessian net.safetensors --samples 100 --trace 16 --layers",
    ),
)
@CHECKPOINT
@with_options(_OPTIONS)
@OUT
@protocol_options(samples=1000)
def command(request: Request, checkpoint: str, out: str | None, preset: str | None, **options: Any) -> None:
    """Measure curvature: top eigenvalues, trace, density, spectra.

    Every eigenvalue comes with its residual and an error bound.
    With --spectrum, also the signed top eigenvalues of every mini-batch (the Hessian max-eigenvalue
    spectrum), with APE, the mean of the positive ones, and NEP, the share of negative ones.
    Under torchrun, samples are shared out among the ranks.
    """
    with together(request) as (request, shared):
        network = request.network(checkpoint)
        path = result_path(out, network, "eigenvalues")
        if preset:
            request, options = _as_published(request, options, network, preset)
        objective = shared(request.settings().objective(network))
        first, *further = _parts(request, objective, options)
        measure(request, "hessian", path, first, further)


def _parts(request: Request, objective: "Objective", options: dict[str, Any]) -> list[Part]:
    """The eigenvalues over all samples, and what else was asked for."""
    from functools import partial

    from landscape import hessian, results

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
    if options["warm_from"]:
        top["start"] = hessian.Start.of_result(results.load(options["warm_from"]), seed=request.seed)
    first = Part("eigenvalues", objective, partial(_eigenvalues, which=options["which"]), top)
    if click.get_current_context().get_parameter_source("which") is click.core.ParameterSource.DEFAULT:
        which["which"] = "magnitude"  # of mini-batches, as power iteration in the papers finds them
    trace, density, probes = options["trace_probes"], options["density_probes"], {"keep": keep, **shared}
    asked: dict[str, Any] = {
        "spectrum": options["spectrum"] and search | batches | which | {"k": options["spectrum_k"]},
        "trace": trace and probes | {"probes": trace, "estimator": options["estimator"]},
        "density": density and probes | {"probes": density, "steps": options["density_steps"]},
        "layers": options["layers"] and search | {"keep": keep, "probes": trace or 32},
    }
    parts = [Part(kind, objective, _SAID[kind], chosen) for kind, chosen in asked.items() if chosen]
    return [first, *parts]


def _foretold(request: Request, operator: "Operator", k: int, limit: int | None) -> tuple[int | None, int]:
    """Say what it will take; bytes that kept graphs may have, and vectors that Lanczos may keep."""
    from landscape import hessian

    keep, basis = None, 0
    if limit is not None:
        basis = min(2 * k + 20, operator.size)
        keep = hessian.fitted(operator, vectors=2 * basis, limit=limit)
    if not request.quiet:
        cost, vectors = hessian.forecast(operator, keep=keep), 2 * (basis or 25)
        request.say(
            f"{operator.objective.network.name}: a product over {len(operator.objective.samples)} samples "
            f"takes {cost.product_seconds:.2g} s, 25 of them about {cost.seconds(25):.0f} s; memory up to "
            f"{cost.bytes(vectors) / 1e9:.2g} GB beyond network and data"
        )
        if limit is None and (more := cost.all_kept(vectors)):
            request.say(
                f"with --max-memory {math.ceil(more / 1e9)}GB the graphs of all samples stay, and a "
                f"product takes {cost.whole_seconds:.2g} s"
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


def _eigenvalues(dataset: "xr.Dataset", which: str) -> Summary:
    """Eigenvalues, in descending order unless magnitudes were asked for, each with how well it is known."""
    from landscape.results import attribute

    order = dataset.eigenvalue.values.argsort()[::-1] if which != "magnitude" else slice(None)
    names = {"eigenvalues": "eigenvalue", "residuals": "residual", "error_bounds": "error_bound"}
    names |= {"converged": "converged", "rank_risks": "rank_risk", "rank_certain": "rank_certain"}
    values: dict[str, Any] = {"loss": float(dataset.loss)}
    values |= {key: dataset[name].values[order].tolist() for key, name in names.items()}
    values["hvps"] = int(dataset.products)
    if which == "smallest":
        values["smallest"] = dataset.eigenvalue.values.tolist()
    protocol = attribute(dataset, "protocol")
    samples = protocol["data"]["samples"]
    lines = [f"loss {values['loss']:.6f} over {samples} samples, {values['hvps']} products"]
    if "start" in protocol["options"]:
        values["start"] = protocol["options"]["start"]
        began = "begun with the eigenvectors of {network}, whose search took {products} products"
        lines.append(began.format(**values["start"]))
    for rank in dataset["rank"].values - 1:
        mark = "" if bool(dataset.converged[rank]) else "  not converged"
        value, bound = float(dataset.eigenvalue[rank]), float(dataset.error_bound[rank])
        lines.append(f"λ{rank + 1:<2} {value:.6g}  ± {bound:.1e}{mark}")
    return values, lines


def _spectrum(dataset: "xr.Dataset") -> Summary:
    """APE and NEP over mini-batches, and every eigenvalue."""
    from landscape.results import attribute

    options = attribute(dataset, "protocol")["options"]
    values = {
        "batch_size": options["batch_size"],
        "k": options["k"],
        "values": dataset.eigenvalue.values.tolist(),
        **{name: float(dataset[name]) for name in ("ape", "ape_standard_error", "nep")},
        "ape_interval": [float(dataset.ape_low), float(dataset.ape_high)],
        "nep_interval": [float(dataset.nep_low), float(dataset.nep_high)],
    }
    line = (
        f"spectrum over {dataset.sizes['batch']} mini-batches of {options['batch_size']}: "
        f"APE {float(dataset.ape):.4g} [{float(dataset.ape_low):.4g}, {float(dataset.ape_high):.4g}], "
        f"NEP {float(dataset.nep):.3f} [{float(dataset.nep_low):.3f}, {float(dataset.nep_high):.3f}]"
    )
    return values, [line]


def _trace(dataset: "xr.Dataset") -> Summary:
    """The trace, its standard error and interval."""
    from landscape.results import attribute

    values = _moment(dataset)
    low, high = values["interval"]
    probes = attribute(dataset, "protocol")["options"]["probes"]
    error = f"± {values['standard_error']:.2g} (one standard error, {probes} probes)"
    line = f"trace {values['value']:.5g} {error}, 95 % interval {low:.5g} to {high:.5g}"
    return values | {"probes": probes}, [line]


def _density(dataset: "xr.Dataset") -> Summary:
    """The ends of the spectrum, and its first moment."""
    moment, nodes = _moment(dataset), dataset.node.values[dataset.weight.values > 0]
    low, high = float(nodes.min()), float(nodes.max())
    values = {"trace": moment, "smallest": low, "largest": high, "width": float(dataset.width)}
    text = f"{moment['value']:.5g} ± {moment['standard_error']:.2g} (one standard error)"
    return values, [f"density from {low:.4g} to {high:.4g}, first moment a trace of {text}"]


def _moment(dataset: "xr.Dataset") -> dict[str, Any]:
    ends = [float(dataset.trace_low), float(dataset.trace_high)]
    error = float(dataset.trace_standard_error)
    return {"value": float(dataset.trace), "standard_error": error, "interval": ends}


def _layers(dataset: "xr.Dataset") -> Summary:
    """One row a layer."""
    rows = dataset.drop_vars("products").to_dataframe().to_dict(orient="records")
    lines = [
        f"{row['name']:<24} λ₁ {row['eigenvalue']:<10.5g} trace {row['trace']:.5g} ± "
        f"{row['trace_standard_error']:.2g}" + ("" if row["converged"] else "  not converged")
        for row in rows
    ]
    return {"rows": rows}, lines


_SAID = {"spectrum": _spectrum, "trace": _trace, "density": _density, "layers": _layers}
"""What is said of each further result."""
