"""Claims of attention against convolutions: which networks they take, and what they find."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

from landscape.comparison.claims import AGREES, ATTENTION, CONTRADICTS, OPEN, findings
from landscape.results import attribute, stamp
from landscape.zoo import parse
from tests.comparison.cases import dataset

SPECS = {
    "resnet": "preresnet18:width=20",
    "alternet": "alternet18:width=20,heads=2",
    "vit": "vit6:width=120,heads=4,patch=4",
}
RECIPE = {"recipe": {"optimizer": "adamw", "seed": 0}, "done": 30}


def of(name: str, found: xr.Dataset, recipe: dict = RECIPE) -> xr.Dataset:
    """The result as one of a network that was trained by this recipe."""
    network = {"name": name, "config": parse(SPECS[name]).to_dict(), "surgery": "", "training": recipe}
    protocol = {"data": {"samples": 64}, "batch_norm": "eval", "options": {"k": 2, "mini-batches": 4}}
    return stamp(found, kind=found.attrs["kind"], network=network, protocol=protocol, provenance={})


def spectrum(rows: list[list[float]]) -> xr.Dataset:
    table = np.array(rows)
    positive = table[table > 0]
    variables = {
        "eigenvalue": (("batch", "rank"), table),
        "ape": ((), positive.mean()),
        "ape_standard_error": ((), positive.std() / 2),
    }
    return dataset("spectrum", "resnet", variables, SPECS["resnet"])


def stream(attention: float, mlp: float, error: float = 1e-3) -> xr.Dataset:
    """Two blocks: each half multiplies the variance by a factor and adds its logarithm to the frequencies."""
    names = ["blocks.0.norm1", "blocks.0.norm2", "blocks.1.norm1", "blocks.1.norm2", "norm"]
    steps = np.log([attention, mlp, attention, mlp])
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    size = len(names)
    variables = {
        "kind": ("layer", np.array(["block"] * size, dtype=object)),
        "stage": ("layer", [1] * size),
        "height": ("layer", [8] * size),
        "spatial_variance": ("layer", np.exp(logs)),
        "high_frequency": ("layer", logs),
    }
    for name in ("spatial_variance", "high_frequency"):
        variables[f"{name}_standard_error"] = "layer", np.full(size, error)
        variables[f"{name}_change_standard_error"] = "layer", np.full(size, error)
    found = dataset("features", "vit", variables, SPECS["vit"])
    return found.assign_coords(layer=np.array(names, dtype=object))


def blocks(variance: list[float], attended: str) -> xr.Dataset:
    """Two blocks of one stage, the second of which may hold attention."""
    names = ["layer2.0", "layer2.1", attended][: 2 + bool(attended)]
    kinds = ["block", "block", "attention"][: len(names)]
    values = [*variance, 1.0][: len(names)]
    variables = {
        "kind": ("layer", np.array(kinds, dtype=object)),
        "stage": ("layer", [2] * len(names)),
        "height": ("layer", [16] * len(names)),
    }
    for name in ("spatial_variance", "high_frequency"):
        variables[name] = "layer", values
        for end in ("standard_error", "change_standard_error"):
            variables[f"{name}_{end}"] = "layer", [1e-3] * len(names)
    found = dataset("features", "alternet", variables, SPECS["alternet"])
    return found.assign_coords(layer=np.array(names, dtype=object))


def judged(results, text: str) -> dict[str, tuple[float, str]]:
    return {
        each.where: (each.change.value, each.verdict) for each in findings(results) if each.claim.text == text
    }


def test_every_claim_has_a_reading_and_a_sign():
    assert all(claim.reading and claim.measured and abs(claim.sign) == 1 for claim in ATTENTION)


def test_attention_is_held_against_convolutions_trained_alike():
    conv = spectrum([[10.0, 4.0], [12.0, 5.0], [11.0, 4.5], [10.5, 4.2]])
    flat = spectrum([[1.0, -0.5], [1.2, -0.4], [1.1, -0.6], [1.3, -0.5]])
    results = {name: {"spectrum": of(name, conv if name == "resnet" else flat)} for name in SPECS}
    found = judged(results, "Attention flattens the loss landscape")
    assert {where: verdict for where, (_, verdict) in found.items()} == {
        "resnet → alternet": AGREES,
        "resnet → vit": AGREES,
    }
    negative = judged(results, "Transformers have more negative eigenvalues")
    assert list(negative) == ["resnet → vit"]  # of transformers alone
    assert negative["resnet → vit"][0] == 0.5

    other = {"recipe": {"optimizer": "sgd", "seed": 0}, "done": 30}
    apart = {**results, "resnet": {"spectrum": of("resnet", conv, other)}}
    assert judged(apart, "Attention flattens the loss landscape") == {}


@pytest.mark.parametrize(
    ("attention", "error", "verdict"), [(0.5, 1e-3, AGREES), (2.0, 1e-3, CONTRADICTS), (0.9, 10.0, OPEN)]
)
def test_halves_of_a_transformer_are_known_apart(attention, error, verdict):
    results = {"vit": {"features-stream": of("vit", stream(attention, 3.0, error))}}
    for text in ("Attention lowers the variance within feature maps", "Attention filters high frequencies"):
        ((where, (value, said)),) = judged(results, text).items()
        assert (where, said) == ("vit, attention", verdict)
        assert value == pytest.approx(math.log(attention))
    raised = judged(results, "The MLPs between raise the variance")
    assert raised["vit, mlp"][0] == pytest.approx(math.log(3))


def test_the_error_of_a_ratio_is_the_paired_one():
    (finding,) = (
        each
        for each in findings({"vit": {"features-stream": of("vit", stream(0.5, 3.0, 1e-3))}})
        if each.claim.text == "Attention lowers the variance within feature maps"
    )
    # Each level and each difference has an error of 0.001, so that the covariance of neighbours is half its
    # square; the two steps of attention are 1 → 0.5 and 1.5 → 0.75.
    errors = [1e-3 * math.sqrt(1 / a**2 + 1 / b**2 - 1 / (a * b)) for a, b in ((1, 0.5), (1.5, 0.75))]
    assert finding.change.high - finding.change.value == pytest.approx(1.96 * np.mean(errors), rel=1e-3)
    assert finding.change.count == 64


def test_attention_at_the_end_of_a_stage_is_measured_across_its_block():
    results = {"alternet": {"features": of("alternet", blocks([2.0, 1.0], "layer2.1.attn"))}}
    found = judged(results, "Attention lowers the variance within feature maps")
    assert found == {"alternet, attention": (pytest.approx(-math.log(2)), AGREES)}
    without = {"resnet": {"features": of("resnet", blocks([2.0, 1.0], ""))}}
    assert judged(without, "Attention lowers the variance within feature maps") == {}
    assert attribute(results["alternet"]["features"], "network")["config"]["attend"]
