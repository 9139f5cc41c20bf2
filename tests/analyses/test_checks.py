"""The trust report: each check that can fail has a case here that makes it fail, and what it says stands."""

import ast
import inspect
import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import xarray as xr
from torch import Tensor, nn

import landscape
from landscape import Network, Normalisation, Objective, Samples, analyses, exchange, hessian, surface
from landscape.analyses import checks
from landscape.errors import LandscapeError
from landscape.results import attribute
from landscape.zoo import Smoothing
from landscape.zoo.layers import Smooth
from tests.analyses.test_trajectories import run as walk
from tests.build import report
from tests.cases import BY_NAME, CLASSES, Case
from tests.dropout import networks as dropouts
from tests.exchange.surfaces import surface as surface_with
from tests.hessian.test_differences import At, narrow, subject

CONV = BY_NAME["conv"]


def pictures() -> Objective:
    """Images from 0 to 1."""
    objective = CONV.objective()
    samples = objective.samples
    return objective.replace(samples=replace(samples, inputs=samples.inputs.sigmoid()))


IMAGES = Samples(
    torch.rand(6, 3, 4, 4), torch.arange(6) % 3, source="images:DIR", class_names=("a", "b", "c")
)
NORMALISATION = Normalisation((0.5,) * 3, (0.5,) * 3)


class Dense(nn.Module):
    """A linear layer on flat images, and what is done to inputs and outputs."""

    def __init__(self, before: Callable = lambda x: x, after: Callable = lambda y: y) -> None:
        super().__init__()
        self.layer, self.before, self.after = nn.Linear(50, CLASSES), before, after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.layer(self.before(x.flatten(1))))


def dense(**parts: Callable) -> Objective:
    return CONV.objective(Dense(**parts).double())


def scaled(name: str = "conv", factor: float = 1e200, **options) -> Objective:
    """Weights so large that nothing is finite."""
    module = BY_NAME[name].module()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(factor)
    return BY_NAME[name].objective(module, **options)


def fitted(outputs: int, normalisation: Normalisation | None = NORMALISATION) -> Network:
    module = nn.Sequential(nn.Flatten(), nn.Linear(48, outputs))
    return Network(module, normalisation=normalisation, name="net")


def off_by_much(monkeypatch: pytest.MonkeyPatch) -> xr.Dataset:
    """A density whose trace is not that of other probes, as if products were wrong in some directions."""
    true = hessian.trace

    def wrong(*args, **options) -> xr.Dataset:
        found = true(*args, **options)
        return found.assign(trace=found.trace + 100 * found.trace_standard_error)

    monkeypatch.setattr(hessian, "trace", wrong)
    return analyses.density(CONV.objective(), probes=4, steps=5)


def unsmoothed() -> Objective:
    """A smoothing layer that hands on what it gets, so that no variance falls across it."""
    idle = Smooth(3, Smoothing(kernel=(1,), prob="none"))
    middle = nn.Dropout(0.4), nn.Conv2d(3, 3, 1), idle
    head = nn.Flatten(), nn.Linear(75, CLASSES)
    network = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), *middle, *head)
    return Case("unsmoothed", lambda: network).objective(dropout="fresh")


def packed() -> Objective:
    """An LSTM's dropout that stays off, as its sequences are packed."""
    module = dropouts.sequence(dropouts.Packed())
    return Objective(module, dropouts.data(), dropout="fixed", dtype=torch.float64)


def cancelling() -> Objective:
    """Outputs of which bfloat16 loses most digits."""
    module = Dense(after=lambda y: (y + 300) - 300)
    return CONV.objective(module, dtype=torch.float32, precision="bfloat16")


def imported(tmp_path: Path, **holes) -> xr.Dataset:
    """A surface from a file that others wrote."""
    return exchange.read(exchange.write(surface_with(**holes), tmp_path / "surface.h5"))


def along(kind: str, **known) -> xr.Dataset:
    """A plane along directions of which this is known."""
    objective = BY_NAME["conv-bn"].objective()
    vectors = surface.random(objective).vectors
    return plane(objective, directions=surface.Directions(vectors, kind=kind, options=known))


def without_derivatives(monkeypatch: pytest.MonkeyPatch) -> xr.Dataset:
    """Curvature along a line that cannot be had behind its centre."""
    true, calls = hessian.eigenpairs, itertools.count()

    def failing(*args, **options):
        if next(calls) > 1:
            raise LandscapeError("a matrix-vector product is not finite")
        return true(*args, **options)

    monkeypatch.setattr(hessian, "eigenpairs", failing)
    return plane(CONV.objective(), axes=1, curvature=True)


def stopped(count: int, compute: Callable, label: str) -> list:
    """A runner that ends after the first item."""
    return [compute(0), *[None] * (count - 1)]


def eigenvalues(objective: Objective, **options) -> xr.Dataset:
    return analyses.eigenvalues(objective, k=1, **options)


def plane(objective: Objective, span: float = 0.3, **options) -> xr.Dataset:
    return analyses.plane(objective, span=span, steps=3, **options)


def doubled(y: Tensor) -> Tensor:
    """Twice the outputs where two samples come together."""
    return 2 * y if len(y) == 2 else y


FAILING: dict[str, Callable[..., xr.Dataset]] = {
    "deterministic": lambda: analyses.evaluation(dense(before=lambda x: F.dropout(x, 0.5))),
    "logits": lambda: analyses.evaluation(dense(after=lambda y: y.softmax(1))),
    "classes": lambda: analyses.evaluation(Objective(fitted(1000), IMAGES)),
    "dropout": lambda: analyses.evaluation(packed()),
    "loss": lambda: analyses.trace(CONV.objective(Dense(after=doubled).double(), micro_batch=5), probes=2),
    "derivative": lambda: analyses.trace(scaled(), probes=2),
    "product": lambda: analyses.trace(scaled(), probes=2),
    "exact products: large": lambda: eigenvalues(Objective(At(), (torch.ones(4, 1), torch.zeros(4).long()))),
    "exact products: blind": lambda: analyses.trace(subject(narrow), probes=2),
    "residuals": lambda: eigenvalues(CONV.objective(), max_products=2),
    "ranks": lambda: eigenvalues(CONV.objective(), confirm=0),
    "trace": lambda: analyses.trace(CONV.objective(), probes=2),
    "mass": lambda: analyses.density(CONV.objective(), probes=2, steps=5, width=1e-12),
    "moment": off_by_much,
    "finite: predictions": lambda: analyses.evaluation(scaled()),
    "finite: likelihoods": lambda: analyses.ensemble(scaled("mc-dropout", dropout="fresh"), passes=2),
    "finite: flatness": lambda: analyses.flatness(CONV.objective(), radii=(1e300,), repeats=2),
    "finite: lesion": lambda: analyses.lesion(scaled("residual-A")),
    "finite: variance": lambda: analyses.feature_maps(scaled()),
    "finite: similarities": lambda: analyses.similarity(scaled()),
    "finite: surface": lambda: plane(CONV.objective(), span=1e300),
    "finite: imported": lambda tmp_path: imported(tmp_path, broken=[(1, 1)]),
    "complete": lambda: plane(CONV.objective(), run=stopped),
    "complete: imported": lambda tmp_path: imported(tmp_path, undone=[(1, 1)]),
    "maps": lambda: analyses.feature_maps(CONV.objective()),
    "smoothing": lambda: analyses.feature_maps(unsmoothed(), draws=3),
    "rings": lambda: analyses.frequency_noise(pictures()),
    "plane": lambda: analyses.trajectory(walk(9, drift=0.0)),
    "centre": lambda: plane(CONV.objective(Dense(after=doubled).double(), micro_batch=5)),
    "sampling": lambda: plane(scaled(factor=9)),
    "directions: of surfaces": lambda: plane(CONV.objective(), repeats=2),
    "directions: of flatness": lambda: analyses.flatness(CONV.objective(), repeats=2),
    "statistics": lambda: along("checkpoints"),
    "eigenvectors": lambda: along("eigenvectors", converged=False, own=True),
    "precision": lambda: plane(cancelling()),
    "curvature": without_derivatives,
}
"""What makes a check fail, by its name, with the way that leads to it where there are several."""


@pytest.mark.parametrize("name", FAILING)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_wrong_fails(name: str, request: pytest.FixtureRequest, snapshot):
    make = FAILING[name]
    fixtures = map(request.getfixturevalue, inspect.signature(make).parameters)
    check = report(make(*fixtures))[name.split(":")[0]]
    assert not check.passed
    snapshot(re.sub(r"-?\d+(\.\d+)?(e[+-]\d+)?", "#", check.message))


def can_fail() -> set[str]:
    """Names of the checks that the package makes anywhere, but for those that pass whatever comes."""
    names = set()
    for file in Path(landscape.__file__).parent.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "Check" in text else ():
            called = getattr(node, "func", None)
            made = getattr(called, "id", getattr(called, "attr", "")) in ("Check", "judged")
            if isinstance(node, ast.Call) and made and len(node.args) > 1:
                name, passed = node.args[:2]
                if isinstance(name, ast.Constant) and getattr(passed, "value", None) is not True:
                    names.add(name.value)
    return names


ELSEWHERE = {
    "points": "analyses/test_connect.py",
    "alignment": "analyses/test_connect.py",
    "curve": "analyses/test_connect.py",
    "grid": "analyses/test_phase.py",
    "seeds": "analyses/test_phase.py",
    "converged": "analyses/test_phase.py",
    "errors": "analyses/test_sharpness.py",
    "same function": "analyses/test_sharpness.py",
    "llc": "analyses/test_sharpness.py",
    "workers": "results/test_joined.py",
}
"""Checks that tests of their own make fail."""


def test_every_check_that_can_fail_has_a_case():
    assert can_fail() - set(ELSEWHERE) == {name.split(":")[0] for name in FAILING}
    for name, file in ELSEWHERE.items():
        assert f'"{name}"' in (Path(__file__).parents[1] / file).read_text(encoding="utf-8"), name


# Ranks, and what is known of samples


@pytest.mark.parametrize(
    ("certain", "risks", "passed", "text"),
    [
        ([True, True], [0, 1e-4], True, "Every rank is certain"),
        ([True, False], [1e-4, 0.2], True, "1 of 2 ranks are certain"),
        ([True, False], [1e-4, 0.2], True, "at a risk of up to 0.2; confirming with more products lowers it"),
        ([False, False], [0.1, 0.9], False, "confirm them with more products (landscape hessian --confirm)"),
    ],
)
def test_ranks(certain: list[bool], risks: list[float], passed: bool, text: str):
    dataset = xr.Dataset({"rank_certain": ("rank", certain), "rank_risk": ("rank", risks)})
    check = checks.ranks(dataset)
    assert check.passed == passed
    assert text in check.message


@pytest.mark.parametrize(("confirm", "passed"), [(0, False), (60, True)])
def test_every_recipe_of_eigenvalues_ends_with_ranks(confirm: int, passed: bool):
    found = analyses.eigenvalues(CONV.objective(), k=2, confirm=confirm)
    assert report(found)["ranks"].passed == passed
    assert bool(np.all(found.rank_certain)) == passed
    assert attribute(found, "protocol")["options"]["confirm"] == confirm


def test_outputs_without_a_class_are_counted():
    check = report(analyses.evaluation(Objective(fitted(1000), IMAGES)))["classes"]
    assert check.message.startswith("net has 1000 outputs and images:DIR 3 classes (a, b, c): ")
    assert "--data" not in check.message
    (check,) = checks.belonging(Objective(fitted(1000), replace(IMAGES, source="demo")))
    assert check.message.endswith("demo is the default, name the network's own with --data.")


@pytest.mark.parametrize("outputs", [3, 7])
def test_networks_that_fit_and_classes_without_names_have_no_line(outputs: int):
    assert checks.belonging(Objective(fitted(outputs), replace(IMAGES, class_names=()))) == []
    assert outputs == 7 or checks.belonging(Objective(fitted(outputs), IMAGES)) == []


@pytest.mark.parametrize(
    ("source", "normalisation", "lines"),
    [
        ("images:DIR", None, 1),
        ("npz:FILE", None, 1),
        ("tensors", None, 0),
        ("images:DIR", NORMALISATION, 0),
    ],
)
def test_images_without_a_normalisation_are_noted(source: str, normalisation, lines: int):
    found = checks.belonging(Objective(fitted(3, normalisation), replace(IMAGES, source=source)))
    assert [check.name for check in found] == ["normalisation"] * lines
    assert all(check.passed and "give --mean and --std" in check.message for check in found)
