"""Kind of result of the measures of local sharpness and their audit."""

from landscape.results.kinds.record import Kind, Option
from landscape.results.reading import RATIO, Reading, measured

_FLATTER = {"lower": "flatter", "higher": "sharper"}
_WIDER = {"lower": "sharper", "higher": "flatter"}
_SCALES = ("filter_scale", "relu_rescale", "fold_batchnorm")


def _reading(
    name: str, words: str, items: str, sides: dict, unit: str = "nats", moves: tuple = ()
) -> Reading:
    return Reading(
        words,
        key=f"sharpness_{name}",
        kind="sharpness",
        read=measured(name),
        unit=unit,
        items=items,
        **sides,
        block="sharpness",
        tabled=(),
        scale=RATIO,
        moves=moves,
        audited=name,
    )


SHARPNESS = Kind(
    "sharpness",
    "Local sharpness by every usual measure, with an audit.",
    variables=("value", "value_standard_error", "value_low", "value_high"),
    recipe="landscape.analyses.sharpness:sharpness",
    chapter="hessian",
    resumes=True,
    pooling="mean",
    split="train",
    samples=1024,
    together="landscape.comparison.generalisation:answer",
    opposite=True,
    examples=(
        "landscape sharpness net.safetensors",
        "landscape sharpness a.safetensors b.safetensors --audit-samples 0 --json",
    ),
    options=(
        Option("few", "Samples of curvature, radii and average sharpness; 0 takes all.", 128, least=0),
        Option("probes", "Random perturbations, each with its opposite.", 6, least=2),
        Option("products", "Random vectors of trace and Frobenius norm.", 8, least=2),
        Option("directions", "Directions of the basin's radius.", 10, least=2),
        Option("rho_average", "Radius ρ of average sharpness, in weights.", 0.005, least=0.0),
        Option("rho_worst", "Radius ρ of worst sharpness, in weights.", 0.05, least=0.0),
        Option(
            "rho_adaptive_average",
            "Radius of adaptive average sharpness, a share of weights.",
            0.1,
            least=0.0,
        ),
        Option("rho_adaptive_worst", "Radius of adaptive worst sharpness, ‖δ/c‖.", 1.0, least=0.0),
        Option("rise", "Rise of the loss that ends both radii, in nats.", 0.1, least=0.0),
        Option("mini_batch", "Samples per mini-batch of worst sharpness.", 128, least=1),
        Option("steps", "Steps of its projected ascent.", 5, least=1),
        Option("noise_batch", "Samples per mini-batch of gradient noise.", 32, least=1),
        Option("audit_samples", "Samples of the audit; 0 leaves it out.", 32, least=0),
        Option("factor", "Factor of the audit's rescalings.", 2.0, least=1.0),
        Option("llc", "Also the local learning coefficient, by Langevin dynamics.", False),
        Option("chains", "Chains of it.", 4, least=2),
        Option("chain_steps", "Steps of each chain, half of them burn-in.", 200, least=8),
        Option("chain_step", "Size of these steps; 0 chooses by the curvature.", 0.0, least=0.0),
        Option("chain_batch", "Samples of each step's gradient.", 64, least=1),
        Option("localisation", "Precision of the prior around the weights.", 100.0, least=0.0),
    ),
    readings=(
        _reading("adaptive_average_sharpness_filter", "average sharpness, each filter", "probes", _FLATTER),
        _reading("adaptive_worst_sharpness_filter", "worst sharpness, each filter", "mini-batches", _FLATTER),
        _reading("adaptive_average_sharpness", "average sharpness, each weight", "probes", _FLATTER),
        _reading("adaptive_worst_sharpness", "worst sharpness, each weight", "mini-batches", _FLATTER),
        _reading("trace_filter", "trace in filter norms", "products", _FLATTER),
        _reading("relative_flatness", "relative flatness of the last layer", "samples", _FLATTER),
        _reading("average_sharpness", "average sharpness", "probes", _FLATTER, moves=_SCALES),
        _reading("worst_sharpness", "worst sharpness", "mini-batches", _FLATTER, moves=_SCALES),
        _reading("frobenius", "Frobenius norm of the Hessian", "products", _FLATTER, moves=_SCALES),
        _reading("pac_bayes_sigma", "Gaussian radius", "probes", _WIDER, unit="", moves=_SCALES),
        _reading(
            "gradient_noise",
            "gradient noise",
            "groups of samples",
            {"lower": "calmer", "higher": "noisier"},
            unit="samples",
            moves=_SCALES,
        ),
    ),
)
