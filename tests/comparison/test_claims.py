"""Claims of the papers: measured ones agree or contradict, by the sign of what can be told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from landscape.comparison.claims import AGREES, CONTRADICTS, OPEN, OTHER, PAIRED, findings
from landscape.comparison.quantities import QUANTITIES
from landscape.comparison.theory import averaging, sharpness
from landscape.results import attribute, stamp
from tests.comparison.test_verdicts import SPECS, spectrum


def dataset(kind: str, name: str, variables: dict, spec: str = "", **attrs) -> xr.Dataset:
    like = spectrum(name, [1], spec=spec)
    record = {each: attribute(like, each) for each in ("network", "protocol", "provenance")}
    return stamp(xr.Dataset(variables, attrs=attrs), kind=kind, **record)


def found(results, text: str) -> dict[str, str]:
    return {each.where: each.verdict for each in findings(results) if each.claim.text == text}


def test_paired_claims_name_quantities_and_factors_that_exist():
    assert {claim.quantity for claim in PAIRED} <= {quantity.name for quantity in QUANTITIES}
    assert {claim.sign for claim in PAIRED} | {claim.sign for claim, _ in OTHER} == {-1, 1}


@pytest.mark.parametrize(
    ("blurred", "verdict"), [([5, 6, 5.5], AGREES), ([20, 21, 22], CONTRADICTS), ([1, 30, 2], OPEN)]
)
def test_a_claim_is_judged_by_what_can_be_told(blurred, verdict):
    results = {
        "gap": {"spectrum": spectrum("gap", [10, 12, 11])},
        "gap-blur": {"spectrum": spectrum("gap-blur", blurred)},
    }
    assert found(results, "Smoothing shrinks the Hessian's outliers") == {"gap → gap-blur": verdict}


def test_dropout_is_compared_with_the_same_network_without():
    results = {
        f"{name}-seed{seed}": {"spectrum": spectrum(f"{name}-seed{seed}", [value + seed], spec=SPECS[name])}
        for name, value in {"gap": 10, "mcd-gap": 20, "mcd-gap-blur": 5}.items()
        for seed in range(3)
    }
    assert found(results, "MC dropout sharpens the Hessian") == {"gap → mcd-gap": AGREES}


def maps(name: str, high: float, spec: str) -> xr.Dataset:
    layers = ["a", "b", "c", "d"]
    amplitude = np.array([[5.0, 1.0, high]] * 4)
    variables = {
        "kind": ("layer", np.array(["block"] * 4, dtype=object)),
        "stage": ("layer", [1, 1, 2, 2]),
        "depth": ("layer", [0.0, 0.3, 0.6, 1.0]),
        "frequency_pi": (("layer", "frequency"), np.array([[0.0, 0.5, 1.0]] * 4)),
        "log_amplitude": (("layer", "frequency"), amplitude),
        "delta_log_amplitude": (("layer", "frequency"), amplitude),
        "spatial_variance": ("layer", [1.0, 2.0, 1.0, 4.0]),
        "high_frequency": ("layer", [-1.0, -2.0, -3.0, -4.0]),
    }
    return dataset("features", name, variables, spec).assign_coords(layer=np.array(layers, dtype=object))


def test_masks_add_what_they_add_and_stages_grow_as_they_grow():
    results = {
        f"mcd-gap-seed{seed}": {
            "features": maps("mcd-gap", 3.0 + 0.1 * seed, SPECS["mcd-gap"]),
            "features-off": maps("mcd-gap", 1.0, SPECS["mcd-gap"]),
        }
        for seed in range(3)
    }
    assert found(results, "MC dropout adds high frequencies") == {"mcd-gap": AGREES}
    changes = {each.claim.text: each.change for each in findings(results)}
    assert changes["MC dropout adds high frequencies"].value == pytest.approx((2.0 + 2.1 + 2.2) / 3 / 2)
    assert "Variance grows within a stage of convolutions" not in changes  # dropout is not convolution

    plain = {f"gap-seed{seed}": {"features": maps("gap", 1.0, SPECS["gap"])} for seed in range(2)}
    by_text = {each.claim.text: each for each in findings(plain)}
    assert by_text["Variance grows within a stage of convolutions"].change.value == pytest.approx(2.0)
    assert by_text["Variance grows within a stage of convolutions"].verdict == AGREES
    assert by_text["Convolutions amplify high frequencies"].verdict == CONTRADICTS


def ensemble(name: str, variance: float, exponent: float, error: float) -> xr.Dataset:
    sizes = [1, 2]
    variables = {
        "nll": ("size", [0.5, 0.4]), "accuracy": ("size", [0.8, 0.9]), "ece": ("size", [0.1, 0.1]),
        "nll_variance": ("size", [variance, variance / 2]),
    }  # fmt: skip
    attrs = {"nll_variance_exponent": exponent, "nll_variance_exponent_standard_error": error}
    return dataset("ensemble", name, variables, SPECS["mcd-gap"], **attrs).assign_coords(size=sizes)


def test_slopes_of_the_theory():
    eigenvalues = [10.0, 20.0, 40.0, 80.0]
    results = {
        f"net{index}": {
            "spectrum": spectrum(f"net{index}", [value], spec=SPECS["mcd-gap"]),
            "ensemble": ensemble(f"net{index}", 1e-6 * value**3, -1 + 0.1 * index, 0.1 * 2**index),
        }
        for index, value in enumerate(eigenvalues)
    }
    slope = sharpness(results)
    assert slope.value == pytest.approx(1.5)
    assert slope.verdict == CONTRADICTS
    law = averaging(results)
    weights = np.array([1, 1 / 4, 1 / 16, 1 / 64])
    assert law.value == pytest.approx(-1 + 0.1 * (weights @ np.arange(4)) / weights.sum())
    assert law.high - law.value == pytest.approx(1.96 * 0.1 / weights.sum() ** 0.5, rel=1e-3)
    assert law.verdict == AGREES
    assert replace(law, low=-1.5, high=0.1).verdict == OPEN
    del results["net0"]
    assert sharpness(results) is None
