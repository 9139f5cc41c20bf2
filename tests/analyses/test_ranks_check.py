"""What the trust report says of ranks."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from landscape import analyses
from landscape.analyses import checks
from landscape.results import attribute
from tests.cases import BY_NAME


@pytest.mark.parametrize(
    ("certain", "risks", "passed", "text"),
    [
        ([True, True], [0, 1e-4], True, "Every rank is certain"),
        ([True, False], [1e-4, 0.2], True, "1 of 2 ranks are certain"),
        ([True, False], [1e-4, 0.2], True, "at a risk of up to 0.2; more --confirm lowers it"),
        ([False, False], [0.1, 0.9], False, "allow more --confirm"),
    ],
)
def test_the_check(certain: list[bool], risks: list[float], passed: bool, text: str):
    dataset = xr.Dataset({"rank_certain": ("rank", certain), "rank_risk": ("rank", risks)})
    check = checks.ranks(dataset)
    assert check.passed == passed
    assert text in check.message


@pytest.mark.parametrize(("confirm", "passed"), [(0, False), (60, True)])
def test_every_recipe_of_eigenvalues_ends_with_it(confirm: int, passed: bool):
    objective = BY_NAME["conv"].objective()
    found = analyses.eigenvalues(objective, k=2, confirm=confirm)
    check = next(check for check in attribute(found, "checks") if check["name"] == "ranks")
    assert check["passed"] == passed
    assert bool(np.all(found.rank_certain)) == passed
    assert attribute(found, "protocol")["options"]["confirm"] == confirm
