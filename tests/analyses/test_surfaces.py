"""The recipe of a surface: along many directions, under many masks, around marks, with its curvature."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
import xarray as xr

from landscape import analyses, hessian, surface
from landscape.analyses import surface_checks
from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.results import attribute
from tests.cases import BY_NAME, DROPOUT, Case
from tests.references import dense_reference

SMALL = {"span": 0.3, "steps": 3}


def passed(dataset: xr.Dataset) -> dict[str, bool]:
    return {check["name"]: check["passed"] for check in attribute(dataset, "checks")}


def same(found: xr.Dataset, expected: xr.Dataset, names=("nll", "l2", "accuracy", "samples", "done")) -> bool:
    return all(np.array_equal(found[name].values, expected[name].values) for name in names)


def test_a_plane_is_the_surface_along_the_first_random_directions():
    objective = BY_NAME["weight-decay"].objective(seed=4)
    found = analyses.plane(objective, **SMALL, orthogonal=True, norm="layer")
    directions = surface.random(objective, seed=4, norm="layer", orthogonal=True)
    assert same(found, surface.plane(objective, directions, **SMALL))
    stored = surface.from_arrays(found, objective.free)
    for ours, theirs in zip(stored.vectors, directions.vectors, strict=True):
        assert all(torch.equal(ours[name], value) for name, value in theirs.items())
    options = attribute(found, "protocol")["options"]
    expected = {
        "norm": "layer", "span": 0.3, "steps": 3, "direction_seed": 4, "tolerance": 0.0, "repeats": 1,
        "masks": 1, "curvature": False, "marks": {}, "directions": directions.describe(),
    }  # fmt: skip
    assert options == expected
    assert found.attrs["kind"] == "surface"
    assert passed(found) == dict.fromkeys(
        ("deterministic", "movement", "centre", "finite", "sampling", "directions"), True
    )


def test_roughness_is_stored_with_a_finished_surface():
    objective = BY_NAME["conv-bn"].objective()
    found = analyses.plane(objective, span=2.0, steps=5)
    roughness = surface.roughness(surface.plane(objective, surface.random(objective), span=2.0, steps=5))
    for name, value in roughness.data_vars.items():
        np.testing.assert_array_equal(found[name].values, value.values, err_msg=str(name))


@pytest.mark.parametrize("axes", [1, 2])
def test_repeats_are_independent_directions(axes: int):
    objective = BY_NAME["conv-bn"].objective(seed=2)
    found = analyses.plane(objective, **SMALL, repeats=3, axes=axes)
    assert found.nll.dims == {1: ("repeat", "x"), 2: ("repeat", "y", "x")}[axes]
    for repeat in range(3):
        directions = surface.random(objective, seed=2, count=axes, repeat=repeat)
        alone = surface.plane(objective, directions, **SMALL)
        one = found.isel(repeat=repeat)
        assert same(one, alone)
        assert float(one.x_norm) == float(alone.x_norm)
        assert int(one.minima) == int(surface.roughness(alone).minima)
    assert len(np.unique(found.nll.isel(x=0).values)) > 1
    assert len(np.unique(found.nll.isel(dict.fromkeys(found.nll.dims[1:], 1)))) == 1


@pytest.mark.parametrize("mode", ["fixed", "fresh", "ensemble:2"])
def test_masks_are_measured_on_the_same_directions(mode: str):
    objective = DROPOUT.objective(dropout=mode)
    found = analyses.plane(objective, **SMALL, masks=3)
    assert found.nll.dims == ("mask", "y", "x")
    alone = analyses.plane(objective, **SMALL)
    assert same(found.isel(mask=0), alone)
    for mask in (1, 2):
        other = surface.plane(
            objective.replace(seed=objective.seed + mask),
            surface.random(objective, seed=objective.seed),
            **SMALL,
        )
        assert same(found.isel(mask=mask), other)
        assert (found.nll.isel(mask=mask) != alone.nll).all()
    assert "minima" not in found
    assert found.direction.equals(alone.direction)
    assert all(passed(found).values())


def test_masks_take_the_samples_in_one_order():
    objective = big(DROPOUT)
    found = analyses.plane(objective, **SMALL, masks=2, tolerance=0.2)
    assert int(found.samples.min()) < 300
    expected = surface.surface(
        objective.replace(seed=objective.seed + 1),
        surface.random(objective, seed=objective.seed),
        (surface.axis(0.3, 3),) * 2,
        tolerance=0.2,
        seed=objective.seed,
    )
    assert same(found.isel(mask=1), expected)


def big(case: Case, count: int = 300) -> Objective:
    """A case with many more samples."""
    inputs, _ = case.data()
    generator = torch.Generator().manual_seed(7)
    more = torch.randn(count, *inputs.shape[1:], generator=generator, dtype=torch.float64)
    options = {"dtype": torch.float64, "micro_batch": 50} | case.options
    return Objective(case.module(), (more, torch.arange(count) % 3), **options)


@dataclass(frozen=True, eq=False)
class Moved(Case):
    """A case at other parameters."""

    at: dict = field(default_factory=dict)

    def module(self):
        module = super().module()
        for name, parameter in module.named_parameters():
            parameter.data = self.at[name].clone()
        return module


@pytest.mark.parametrize(
    "case", [BY_NAME["weight-decay"], BY_NAME["subset"], DROPOUT], ids=lambda case: case.name
)
def test_the_curvature_of_each_point_is_that_of_the_dense_hessian(case: Case):
    objective = case.objective()
    found = analyses.plane(objective, span=1.0, steps=3, curvature=True)
    mesh = surface.Mesh(
        objective, surface.random(objective, seed=objective.seed), (surface.axis(1.0, 3),) * 2
    )
    assert passed(found)["curvature"]
    for place in ((1, 1), (0, 2), (2, 1)):
        there = Moved(case.name, case.network, case.options, case.shape, case.samples, mesh.weights(place))
        dense = dense_reference(there)
        exact = np.linalg.eigvalsh(dense.hessian.numpy())
        cell = found.isel(y=place[0], x=place[1])
        assert float(cell.nll) + float(cell.l2) == pytest.approx(dense.value, rel=1e-12)
        assert float(cell.hessian_largest) == pytest.approx(exact[-1], rel=1e-2)
        assert float(cell.hessian_smallest) == pytest.approx(exact[0], rel=1e-2)
        for value in (cell.hessian_largest, cell.hessian_smallest):
            assert np.abs(exact - float(value)).min() <= float(cell.hessian_residual) + 1e-12


def test_curvature_is_nan_where_the_loss_is_not_finite():
    objective = BY_NAME["conv"].objective(dtype=torch.float32)
    found = analyses.plane(objective, span=1e30, steps=3, axes=1, curvature=True)
    assert np.isfinite(found.nll.values).tolist() == [False, True, False]
    for name in ("hessian_largest", "hessian_smallest", "hessian_residual"):
        assert np.isfinite(found[name].values).tolist() == [False, True, False]
    assert found.hessian_converged.values.tolist() == [False, True, False]
    assert passed(found)["curvature"]
    assert not passed(found)["finite"]


def test_derivatives_that_overflow_leave_a_gap_and_do_not_end_the_run(monkeypatch):
    objective, eigenpairs, calls = BY_NAME["conv"].objective(), hessian.eigenpairs, []

    def overflowing(*args, **options):
        calls.append(options["which"])
        if len(calls) == 4:
            raise LandscapeError("a matrix-vector product is not finite")
        return eigenpairs(*args, **options)

    monkeypatch.setattr(surface_checks.hessian, "eigenpairs", overflowing)
    found = analyses.plane(objective, span=0.5, steps=3, axes=1, curvature=True)
    gap = surface.Mesh(objective, surface.random(objective, count=1), (surface.axis(0.5, 3),)).order[1]
    assert int(np.isnan(found.hessian_largest).sum()) == 1
    assert np.isnan(found.hessian_largest.values[gap])
    assert np.isfinite(found.nll.values).all()
    assert not passed(found)["curvature"]


def test_a_network_without_derivatives_is_refused_at_the_centre(monkeypatch):
    def impossible(*args, **options):
        raise LandscapeError("no derivatives here")

    monkeypatch.setattr(surface_checks.hessian, "eigenpairs", impossible)
    with pytest.raises(LandscapeError, match="no derivatives here"):
        analyses.plane(BY_NAME["conv"].objective(), **SMALL, curvature=True)


def test_reduced_precision_comes_with_its_error():
    options = {"dtype": torch.float32, "seed": 1}
    reduced = BY_NAME["conv-bn"].objective(precision="bfloat16", **options)
    full = BY_NAME["conv-bn"].objective(**options)
    found = analyses.plane(reduced, **SMALL)
    assert found.sizes["checked"] == 5
    directions = surface.random(full, seed=1)
    for index in range(5):
        at = found.isel(checked=index)
        x, y = float(at.checked_x), float(at.checked_y)
        theta = surface.Mesh(full, directions, ([x], [y])).weights((0, 0))
        assert float(at.reduced_nll) == reduced.value(theta).nll
        assert float(at.full_nll) == full.value(theta).nll
        assert float(found.nll.sel(x=x, y=y)) == float(at.reduced_nll)
    assert (float(found.checked_x[0]), float(found.checked_y[0])) == (0.0, 0.0)
    errors = np.abs(found.reduced_nll / found.full_nll - 1)
    assert float(found.precision_error) == float(errors.max()) > 0
    assert passed(found)["precision"]
    assert "precision_error" not in analyses.plane(full, **SMALL)


def test_the_loss_at_marks_is_that_of_the_checkpoints():
    objective = BY_NAME["conv-bn"].objective()
    rng = torch.Generator().manual_seed(0)
    others = [
        {
            name: value + 0.2 * torch.randn(value.shape, generator=rng, dtype=value.dtype)
            for name, value in objective.parameters.items()
        }
        for _ in range(2)
    ]
    line = analyses.plane(
        objective,
        span=0.5,
        steps=5,
        directions=surface.line(objective.parameters, others[0]),
        marks={"a": [0.0], "b": [1.0]},
    )
    assert line.x.values.tolist() == [-0.5, 0.0, 0.5, 1.0, 1.5]
    assert line.marked.values.tolist() == ["a", "b"]
    for place, theta in zip(line.marked_x.values, (objective.parameters, others[0]), strict=True):
        assert float(line.nll.sel(x=place)) == pytest.approx(objective.value(theta).nll, rel=1e-12)
    # Without a margin a plane has its checkpoints on the border.
    directions, places = surface.triangle(objective.parameters, *others)
    marks = dict(zip("abc", places.tolist(), strict=True))
    plane = analyses.plane(objective, span=0.0, steps=3, directions=directions, marks=marks)
    for place, theta in zip(places[1:], others, strict=True):
        there = plane.nll.sel(x=place[0], y=place[1])
        assert float(there) == pytest.approx(objective.value(theta).nll, rel=1e-12)
    assert passed(plane)["statistics"] is False
    assert all(ok for name, ok in passed(plane).items() if name != "statistics")


def test_the_span_may_be_found():
    objective = BY_NAME["conv"].objective()
    found = analyses.plane(objective, rise=3.0, steps=3)
    span = surface.find_span(objective, surface.random(objective), rise=3.0)
    assert float(found.x[-1]) == span == attribute(found, "protocol")["options"]["span"]


def test_flatness_is_stamped_and_judged():
    objective = BY_NAME["conv-bn"].objective(seed=3)
    found = analyses.flatness(objective, repeats=4, norm="layer")
    expected = surface.flatness(objective, repeats=4, norm="layer", seed=3)
    np.testing.assert_array_equal(found.loss.values, expected.loss.values)
    assert attribute(found, "protocol")["options"]["seed"] == 3
    assert set(passed(found)) == {"deterministic", "movement", "finite", "directions"}


REFUSED = [
    ({"repeats": 0}, "1 or more repeats and masks"),
    ({"masks": 0}, "1 or more repeats and masks"),
    ({"axes": 3}, "1 or 2 axes, got 1, 1 and 3"),
    ({"tolerance": 1.0}, "from 0 to below 1, got 1.0"),
    ({"tolerance": -0.1}, "got -0.1"),
    ({"tolerance": float("nan")}, "got nan"),
    ({"repeats": 2, "masks": 2}, "choose --repeats or --masks"),
    ({"masks": 2}, "all masks are the same"),
    ({"curvature": True, "repeats": 2}, "measured on one surface"),
    ({"norm": "paper", "include_1d": True}, "no direction"),
    ({"rise": 0.5}, "more than 1, got 0.5"),
    ({"steps": 4}, "odd number"),
    ({"span": float("nan")}, "positive and finite"),
]


@pytest.mark.parametrize(("options", "text"), REFUSED, ids=lambda value: str(value)[:30])
def test_contradictions_are_refused_before_anything_is_measured(monkeypatch, options: dict, text: str):
    objective = BY_NAME["conv-bn"].objective()

    def measured(*args, **options):
        raise AssertionError("measured")

    monkeypatch.setattr(surface, "tuned", measured)
    monkeypatch.setattr(surface, "surface", measured)
    with pytest.raises(LandscapeError, match=text):
        analyses.plane(objective, **({"steps": 3, "tune": True} | options))


@pytest.mark.parametrize(
    ("modes", "options", "text"),
    [
        ({"precision": "bfloat16"}, {"curvature": True}, "needs full precision"),
        ({"batch_norm": "recalibrate"}, {"curvature": True}, "eval or batch mode"),
        ({"dropout": "fixed"}, {"masks": 2}, "for a network that has it"),
        ({}, {"given": True, "repeats": 2}, "can be measured once"),
    ],
)
def test_modes_that_contradict_options_are_refused(modes: dict, options: dict, text: str):
    objective = BY_NAME["conv-bn"].objective(dtype=torch.float32, **modes)
    if options.pop("given", False):
        options["directions"] = surface.random(objective)
    with pytest.raises(LandscapeError, match=text):
        analyses.plane(objective, steps=3, **options)
