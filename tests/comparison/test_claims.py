"""Claims of the papers: measured ones agree or contradict, by the sign of what can be told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landscape.comparison.claims import (
    AGREES,
    CONTRADICTS,
    OPEN,
    OTHER,
    PAIRED,
    averaging,
    findings,
    sharpness,
)
from landscape.comparison.readings import QUANTITIES
from tests.comparison.cases import ensemble
from tests.comparison.test_verdicts import SPECS, spectrum


def found(results, text: str) -> dict[str, str]:
    return {each.where: each.verdict for each in findings(results) if each.claim.text == text}


def test_paired_claims_name_quantities_and_factors_that_exist():
    assert {claim.quantity for claim in PAIRED} <= {quantity.name for quantity in QUANTITIES}
    assert {claim.sign for claim in (*PAIRED, *OTHER)} == {-1, 1}


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
    assert law.value == pytest.approx(-0.85)
    # Student's quantile of three degrees of freedom, and the standard deviation of 0, 0.1, 0.2, 0.3.
    assert law.high - law.value == pytest.approx(3.1824 * 0.129099 / 2, rel=1e-3)
    assert law.verdict == AGREES
    assert replace(law, low=-1.5, high=0.1).verdict == OPEN
    alone = averaging({"net1": results["net1"]})
    assert alone.high - alone.value == pytest.approx(1.96 * 0.2, rel=1e-3)
    negative = spectrum("net3", [-1.0], spec=SPECS["mcd-gap"])
    assert sharpness(results | {"net3": results["net3"] | {"spectrum": negative}}) is None
    del results["net0"]
    assert sharpness(results) is None
