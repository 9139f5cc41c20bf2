"""Claims that are not one factor between two networks: which networks they take, and what they find."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from landscape.comparison.claims import AGREES, CONTRADICTS, OPEN, findings
from landscape.errors import ResultError
from tests.comparison.cases import dataset, maps
from tests.comparison.test_claims import found
from tests.comparison.test_verdicts import SPECS, spectrum


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
    more = changes["MC dropout adds high frequencies more than low"]
    assert more.value == pytest.approx((2.0 + 2.1 + 2.2) / 3 / 2)  # under 0.3π nothing rose
    assert "Variance grows within a stage of convolutions" not in changes  # dropout is not convolution

    plain = {f"gap-seed{seed}": {"features": maps("gap", 1.0, SPECS["gap"])} for seed in range(2)}
    by_text = {each.claim.text: each for each in findings(plain)}
    assert by_text["Variance grows within a stage of convolutions"].change.value == pytest.approx(2.0)
    assert by_text["Variance grows within a stage of convolutions"].verdict == AGREES
    assert by_text["Convolutions amplify high frequencies"].verdict == CONTRADICTS


def averages(name: str, nll: float, *, sizes: int = 2, **protocol) -> dict[str, xr.Dataset]:
    """An ensemble whose mean of all passes has this NLL."""
    values = np.linspace(nll + 1, nll, sizes)
    error = np.full(sizes, 0.01)
    variables = dict.fromkeys(("nll", "accuracy", "ece"), ("size", values))
    variables |= {f"{variable}_standard_error": ("size", error) for variable in variables}
    found = dataset("ensemble", name, variables, SPECS[name], **protocol)
    return {f"ensemble-n{sizes}": found.assign_coords(size=np.arange(1, sizes + 1))}


TEXT = "Smoothing improves the likelihood"


def test_predictions_of_mc_dropout_are_means_of_passes():
    results = {
        f"{name}-seed{seed}": averages(name, nll + 0.001 * seed)
        for name, nll in {"mcd-gap": 0.4, "mcd-gap-blur": 0.3}.items()
        for seed in range(3)
    }
    where = "mcd-gap → mcd-gap-blur, mean of 2 passes"
    assert found(results, TEXT) == {where: AGREES}
    (finding,) = (each for each in findings(results) if each.claim.text == TEXT)
    assert finding.change.value == pytest.approx(-0.1)
    assert finding.change.over == "seeds"


def test_ensembles_of_different_sizes_are_not_compared():
    results = {
        "mcd-gap-seed0": averages("mcd-gap", 0.4, sizes=3),
        "mcd-gap-seed1": averages("mcd-gap", 0.1),
        "mcd-gap-blur-seed0": averages("mcd-gap-blur", 0.4, sizes=3),
    }
    assert found(results, TEXT) == {"mcd-gap-seed0 → mcd-gap-blur-seed0, mean of 3 passes": OPEN}


def test_different_protocols_are_refused_unless_allowed():
    results = {
        "mcd-gap": averages("mcd-gap", 0.4, protocol={"batch_norm": "eval"}),
        "mcd-gap-blur": averages("mcd-gap-blur", 0.3, protocol={"batch_norm": "batch"}),
    }
    with pytest.raises(ResultError, match=r"ensemble: batch_norm differ"):
        findings(results)
    assert findings(results, mix=True)


def noise(name: str, drop: float, *, equal: bool) -> xr.Dataset:
    variables = {
        "accuracy_drop": ("frequency", [0.1, 0.2, drop]),
        "accuracy_drop_standard_error": ("frequency", [0.01] * 3),
    }
    return dataset("noise", name, variables, SPECS[name], equal_power=equal)


def test_noise_of_equal_power_speaks_where_it_was_measured():
    text = "High-frequency noise harms more than low"
    kinds = {"noise": noise("gap", 0.5, equal=False)}
    assert found({"gap": kinds}, text) == {"gap": AGREES}
    kinds["noise-equal"] = noise("gap", 0.01, equal=True)
    assert found({"gap": kinds}, text) == {"gap, equal power": CONTRADICTS}


def test_dropout_on_other_mini_batches_is_passed_over():
    results = {
        "gap": {"spectrum": spectrum("gap", [1, 2, 3])},
        "mcd-gap": {"spectrum": spectrum("mcd-gap", [4, 5])},
    }
    assert found(results, "MC dropout sharpens the Hessian") == {}
