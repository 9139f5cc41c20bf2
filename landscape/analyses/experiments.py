"""The package's experiments, and what that on attention measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from landscape import family
from landscape.analyses.compare import Measurement
from landscape.analyses.experiment import Experiment, Work, landscape_along
from landscape.analyses.flattening import flattening_along, of_flattening
from landscape.analyses.plans import plan
from landscape.analyses.settings import Settings
from landscape.hessian import PROTOCOLS
from landscape.network import Network
from landscape.recipe import Recipe


def of_attention(
    experiment: Experiment, settings: Settings, networks: Sequence[Network], first: Sequence[Network]
) -> Work:
    """What the figures of P2 (Park & Kim, ICLR 2022) and its claims of attention take.

    Of transformers also the stream that their halves read and add to, so that the step of attention and that
    of the MLP are known apart.

    Args:
        experiment: Gives the sizes.
        settings: The protocol, whose weight decay becomes that of the training; its samples are those of the
            flatness.
        networks: All of them.
        first: Those of seed 0, which are not treated apart.
    """
    paper, sizes = PROTOCOLS["p2"], dict(experiment.sizes)
    batches, images = sizes.pop("batches"), sizes.pop("images")
    settings = replace(settings, weight_decay=float(experiment.recipe.weight_decay or 0))
    usual = [each for each in plan(settings, **sizes) if each.kind not in ("ensemble", "spectrum", "surface")]
    samples = {"samples": paper.batch_size * batches, "augment": settings.seed, "dropout": "fresh"}
    augmented = replace(settings, at_most=False, **samples)
    search = {"batch_size": paper.batch_size, "k": paper.k}
    grid = {name: sizes[name] for name in ("span", "steps")}
    maps = next(each for each in usual if each.kind == "features")
    test = replace(maps.settings, samples=1000)
    every = [
        *usual,
        Measurement("spectrum", augmented, search),
        Measurement("surface", replace(settings, samples=images), grid),
        Measurement("noise", test),
        Measurement("noise", test, {"equal_power": True}, condition="equal"),
        Measurement("lesion", test),
        Measurement("similarity", replace(test, samples=512)),
    ]
    norms = {"layers": ["blocks.*.norm1", "blocks.*.norm2"], "inputs": True}
    streams = [Measurement("features", maps.settings, norms, condition="stream")]
    transformers = [each for each in networks if (each.config or {}).get("architecture") == "vit"]
    return [(networks, every), (transformers, streams)]


def _full_size(dropout: str, prefix: str) -> dict[str, str]:
    """ResNet-18 as in the paper, with each head and each factor."""
    suffix = f",{dropout}" if dropout else ""
    alone = f":{dropout}" if dropout else ""
    return {
        f"{prefix}mlp": f"resnet18:head=mlp{suffix}",
        f"{prefix}gap": f"resnet18{alone}",
        f"{prefix}gap-blur": f"resnet18:blur{suffix}",
        f"{prefix}gap-relu6": f"resnet18:kernel=1,prob=relu6{suffix}",
        f"{prefix}gap-preact": f"preresnet18{alone}",
    }


_SMALL = Experiment(
    family.MODELS,
    Recipe(epochs=17, learning_rate=0.1, precision="bfloat16"),
    sizes={"batch_size": 64, "batches": 8, "span": 0.5, "steps": 25},
    pictures={"predictions": 2000, "corrupted": 100, "density": 128, "probes": 2, "density_steps": 40},
    along=landscape_along,
)

EXPERIMENTS: dict[str, Experiment] = {
    "small": _SMALL,
    "narrow": replace(
        _SMALL,
        models={
            "narrow-mlp": "cifar-resnet20:width=8,head=mlp,hidden=128",
            "narrow-gap": "cifar-resnet20:width=8",
            "narrow-gap-blur": "cifar-resnet20:width=8,blur",
        },
    ),
    "few": replace(
        _SMALL,
        models={f"few-{name}": family.MODELS[name] for name in ("gap", "gap-blur")},
        recipe=replace(_SMALL.recipe, epochs=60),
        images=5000,
    ),
    "paper": Experiment(
        _full_size("", "") | _full_size("dropout=0.3", "mcd-"),
        Recipe(epochs=30, learning_rate=0.1, schedule="step", precision="bfloat16"),
        sizes={"maps": 1000, "batch_size": 128, "batches": 32, "span": 0.5, "directions": 20},
        along=landscape_along,
    ),
    "fair": Experiment(
        {
            "mlp": "resnet18:width=32,head=mlp,dropout=0.3",
            "gap": "resnet18:width=32,dropout=0.3",
            "gap-blur": "resnet18:width=32,blur,dropout=0.3",
        },
        Recipe(epochs=300, learning_rate=0.1, schedule="step", warm_up=25, precision="bfloat16"),
        images=1024,
        sizes={
            "batch_size": 128,
            "batches": 8,
            "few": 2,
            "directions": 10,
            "traced": 256,
            "probes": 16,
            "maps": 256,
            "draws": 4,
            "predictions": 1000,
            "passes": 10,
            "span": 0.5,
            "steps": 21,
        },
        work=of_flattening,
        along=flattening_along,
        kept=30,
    ),
    "attention": Experiment(
        {
            "resnet": "preresnet18:width=20",
            "alternet": "alternet18:width=20,heads=2",
            "vit": "vit6:width=120,heads=4,patch=4",
        },
        Recipe(epochs=20, optimizer="adamw", learning_rate=1e-3, schedule="cosine", precision="bfloat16"),
        images=10_000,
        sizes={"predictions": 0, "batches": 16, "span": 1.0, "steps": 21, "images": 256},
        work=of_attention,
    ),
}
"""`small`: the shipped family, about 11 minutes a network on two cores. `narrow`: half its width. `few`: a
tenth of the images for 60 epochs, until it fits them. `paper`: ResNet-18 of full width.
`fair`: docs/protocol.md.
`attention`: a ResNet, one with attention at the ends of its stages and a vision transformer of the same size,
ten to twenty minutes each on one core with bfloat16."""
