"""The trust report of surfaces: what passes, what fails, and what is said of it."""

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from landscape import surface
from landscape.analyses.surface_checks import border_rises, directions_enough, trust
from landscape.objective import Objective
from landscape.results import Check
from landscape.surface import Directions, Mesh
from tests.cases import BY_NAME, Case

GRID = (surface.axis(0.3, 3), surface.axis(0.3, 3))


def measured(case: Case = BY_NAME["conv-bn"], **changes) -> tuple[Objective, Mesh, xr.Dataset]:
    objective = case.objective(**changes)
    directions = surface.random(objective)
    return objective, Mesh(objective, directions, GRID), surface.surface(objective, directions, GRID)


def judged(objective: Objective, mesh: Mesh, dataset: xr.Dataset) -> dict[str, Check]:
    found = trust(objective, mesh, dataset)
    assert len({check.name for check in found}) == len(found)
    return {check.name: check for check in found}


def changed(dataset: xr.Dataset, name: str, value, **where) -> xr.Dataset:
    """A copy with one entry, or all, replaced."""
    found = dataset.copy(deep=True)
    found[name].loc[where or {}] = value
    return found


def test_a_surface_as_it_should_be():
    found = judged(*measured())
    assert set(found) == {"centre", "finite", "sampling", "directions"}
    assert all(check.passed for check in found.values())


@pytest.mark.parametrize("off", [1e-3, -1e-3, np.nan, np.inf])
def test_a_centre_that_differs_from_its_own_evaluation(off: float):
    objective, mesh, dataset = measured()
    wrong = changed(dataset, "nll", float(dataset.nll.sel(x=0, y=0)) + off, x=0, y=0)
    check = judged(objective, mesh, wrong)["centre"]
    assert not check.passed
    assert "not deterministic" in check.message
    # Its sampling error is no disagreement.
    if np.isfinite(off):
        assert judged(objective, mesh, changed(wrong, "sampling_error", 3e-4, x=0, y=0))["centre"].passed


def test_a_network_that_depends_on_the_micro_batch_is_found():
    class Mean(nn.Module):
        def forward(self, x):
            return x - x.mean(0)

    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(8, 3, generator=generator, dtype=torch.float64)
    module = nn.Sequential(nn.Linear(3, 3), Mean()).double()
    objective = Objective(module, (inputs, torch.arange(8) % 3), dtype=torch.float64, micro_batch=8)
    directions = surface.random(objective)
    mesh, dataset = Mesh(objective, directions, GRID), surface.surface(objective, directions, GRID)
    assert not judged(objective, mesh, dataset)["centre"].passed


@pytest.mark.parametrize("mode", ["batch", "recalibrate"])
def test_batch_statistics_are_compared_in_the_same_micro_batches(mode: str):
    assert judged(*measured(batch_norm=mode))["centre"].passed


@pytest.mark.parametrize("mode", ["fixed", "fresh", "ensemble:2"])
def test_the_centre_is_compared_under_its_own_masks(mode: str):
    assert judged(*measured(BY_NAME["mc-dropout"], dropout=mode))["centre"].passed


def test_what_is_not_finite_is_counted():
    objective, mesh, dataset = measured()
    check = judged(objective, mesh, changed(dataset, "nll", np.inf, x=0.3))["finite"]
    assert not check.passed
    assert check.message.startswith("3 of 9 values")


def test_a_run_that_was_stopped_is_not_complete():
    objective, mesh, dataset = measured()
    part = changed(changed(dataset, "done", False, x=0.3), "nll", np.nan, x=0.3)
    found = judged(objective, mesh, part)
    assert found["complete"] == Check(
        "complete", False, "3 of 9 points are not computed; run the same command again."
    )
    # What is there is judged, and what is not there is no fault of its own.
    assert found["finite"].passed
    assert found["centre"].passed
    nothing = changed(changed(dataset, "done", False), "nll", np.nan)
    assert set(judged(objective, mesh, nothing)) == {"complete", "finite", "directions"}


@pytest.mark.parametrize(("error", "passed"), [(0.4, True), (0.6, False), (np.nan, False)])
def test_too_few_samples_for_the_centre(error: float, passed: bool):
    objective, mesh, dataset = measured()
    share = error * float(dataset.nll.sel(x=0, y=0))
    check = judged(objective, mesh, changed(dataset, "standard_error", share, x=0, y=0))["sampling"]
    assert check.passed is passed
    assert ("take more --samples" in check.message) is not passed


def test_what_leaves_samples_out_says_how_far_it_may_be_off():
    objective, mesh, dataset = measured()
    assert "tolerance" not in judged(objective, mesh, dataset)
    part = changed(dataset, "sampling_error", 0.04 * float(dataset.nll.sel(x=0.3, y=0)), x=0.3, y=0)
    check = judged(objective, mesh, part)["tolerance"]
    assert check.passed
    assert check.message.startswith("1 point leaves samples out: the standard error is at most 4 % of the")
    assert "Within 4 standard errors, 16 %, lies" in check.message


def test_a_grid_without_a_centre_is_judged_at_its_first_point():
    case = BY_NAME["mlp"]
    objective = case.objective()
    directions = surface.random(objective)
    axes = (np.array([-0.2, 0.1, 0.4]), np.array([-0.2, 0.0, 0.2]))
    mesh, dataset = Mesh(objective, directions, axes), surface.surface(objective, directions, axes)
    found = judged(objective, mesh, dataset)
    assert found["centre"].passed
    assert found["centre"].message.startswith("The surface's point at (0.1, 0) is")


def repeated(*heights: float) -> xr.Dataset:
    """Flat planes of NLL 1 in the middle, and 1 plus a height on the border."""
    nll = np.ones((len(heights), 3, 5))
    for rows, height in zip(nll, heights, strict=True):
        rows += height
        rows[1, 1:4] -= height
    axes = {"y": surface.axis(1, 3), "x": surface.axis(2, 5)}
    return xr.Dataset({"nll": (("repeat", "y", "x"), nll)}, coords=axes)


def test_border_rises_by_hand():
    np.testing.assert_allclose(border_rises(repeated(2.0, 3.0)), [2, 3])
    plane = repeated(0.0)
    plane.nll[0, 0, :] = [1, 2, 3, 4, 5]
    plane.nll[0, :, 4] = [5, 6, 7]
    plane.nll[0, 1, 2] = 0.5
    # 5 above, of which one is a corner; 2 more on the right; 4 below; and 1 on the left.
    border = [1, 2, 3, 4, 5, 6, 7, 1, 1, 1, 1, 1]
    assert float(border_rises(plane)[0]) == pytest.approx(np.mean(border) - 0.5)
    line = repeated(0.0).isel(y=1, drop=True)
    line.nll[0] = [4, 9, 1, 9, 8]
    assert float(border_rises(line)[0]) == pytest.approx(5)


def test_border_rises_are_nan_where_a_value_is():
    plane = repeated(1.0, 1.0)
    plane.nll[1, 1, 1] = np.nan
    assert np.isnan(border_rises(plane)).tolist() == [False, True]


@pytest.mark.parametrize(
    ("heights", "passed"),
    [((2.0, 2.2, 1.9), True), ((0.5, 3.0), False), ((1.0, -1.0), False), ((1.0, np.inf), False)],
)
def test_directions_that_differ_much(heights, passed: bool):
    objective, mesh, dataset = measured()
    several = xr.concat([dataset] * len(heights), "repeat")
    flat = np.full((3, 3), float(dataset.nll.sel(x=0, y=0)))
    nll = np.stack([flat + height for height in heights])
    nll[:, 1, 1] = flat[1, 1]
    check = judged(objective, mesh, several.assign(nll=(("repeat", "y", "x"), nll)))["directions"]
    assert check.passed is passed
    assert f"Over {len(heights)} sets of directions" in check.message
    assert ("take more --repeats" in check.message) is not passed
    if np.isfinite(heights).all():
        assert f"{np.mean(heights):.4g} ± {np.std(heights, ddof=1):.2g}" in check.message


@pytest.mark.parametrize("kind", ["checkpoints", "principal components"])
def test_statistics_between_checkpoints_are_nobodys(kind: str):
    def check(name, kind=kind, **changes):
        objective, mesh, dataset = measured(BY_NAME[name], **changes)
        directions = Directions(mesh.directions.vectors, kind=kind)
        return judged(objective, Mesh(objective, directions, GRID), dataset).get("statistics")

    found = check("conv-bn")
    assert found is not None
    assert not found.passed
    assert "--batch-norm recalibrate" in found.message
    assert check("conv-bn", batch_norm="recalibrate") is None
    assert check("conv-bn", batch_norm="batch") is None
    assert check("conv") is None
    assert check("conv-bn", kind="random") is None


@pytest.mark.parametrize(
    ("known", "passed", "text"),
    [
        ({"converged": True, "own": True}, True, "own and have converged"),
        ({"converged": True, "own": False}, True, "of other weights"),
        ({"converged": False, "own": True}, False, "--max-products"),
        ({"converged": False, "own": False}, False, "--max-products"),
    ],
)
def test_eigenvectors_are_judged(known: dict, passed: bool, text: str):
    objective, mesh, dataset = measured()
    directions = Directions(mesh.directions.vectors, kind="eigenvectors", options=known)
    check = judged(objective, Mesh(objective, directions, GRID), dataset)["eigenvectors"]
    assert check.passed is passed
    assert text in check.message


def test_eigenvectors_of_which_nothing_is_known():
    objective, mesh, dataset = measured()
    directions = Directions(mesh.directions.vectors, kind="eigenvectors", options={"own": True})
    assert "eigenvectors" not in judged(objective, Mesh(objective, directions, GRID), dataset)


@pytest.mark.parametrize(("error", "passed"), [(0.0, True), (0.05, True), (0.06, False), (np.nan, False)])
def test_rounding_is_judged(error: float, passed: bool):
    objective, mesh, dataset = measured()
    found = dataset.assign(precision_error=((), error), full_nll=("checked", np.ones(5)))
    check = judged(objective, mesh, found)["precision"]
    assert check.passed is passed
    assert "over 5 points" in check.message
    assert ("--precision full" in check.message) is not passed


def test_eigenvalues_are_judged_where_the_loss_is_finite():
    objective, mesh, dataset = measured()
    found = dataset.assign(hessian_converged=(("y", "x"), np.ones((3, 3), bool)))
    assert judged(objective, mesh, found)["curvature"].passed
    one = changed(found, "hessian_converged", False, x=0.3, y=0.3)
    check = judged(objective, mesh, one)["curvature"]
    assert not check.passed
    assert check.message.startswith("At 1 of 9 points")
    assert judged(objective, mesh, changed(one, "nll", np.inf, x=0.3, y=0.3))["curvature"].passed


@pytest.mark.parametrize(
    ("interval", "passed"),
    [((8.0, 12.0), True), ((4.0, 15.0), False), ((np.nan, np.nan), False), ((-np.inf, np.inf), False)],
)
def test_flatness_must_be_known_better_than_its_size(interval, passed: bool):
    dataset = xr.Dataset(
        {
            "curvature": ("repeat", np.full(4, 10.0)),
            "curvature_mean": ((), 10.0),
            "curvature_interval": ("quantile", np.array(interval)),
        }
    )
    check = directions_enough(dataset)
    assert check.passed is passed
    assert "Over 4 directions the curvature is 10" in check.message
    assert ("take more directions" in check.message) is not passed
