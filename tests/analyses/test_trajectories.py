"""The recipe of a training run's path, against singular vectors and the polar formula by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from landscape import analyses, surface
from landscape.analyses import Settings
from landscape.analyses.trajectories import saved_trajectory
from landscape.errors import LandscapeError
from landscape.network import Network
from landscape.objective import Objective
from landscape.results import attribute, load, save
from landscape.zoo import build, parse
from tests.build import report
from tests.cases import BY_NAME
from tests.references import flat

CASE = BY_NAME["conv-bn"]


def run(count: int = 6, seed: int = 0, *, drift: float = 1.0, **options) -> list[Objective]:
    """Objectives of a made-up training run, each with its own BatchNorm statistics."""
    generator = torch.Generator().manual_seed(seed)
    path = {
        name: torch.randn((2, *value.shape), generator=generator, dtype=value.dtype)
        for name, value in CASE.module().named_parameters()
    }
    objectives = []
    for step in range(count):
        module, t = CASE.module(), 1 - step / (count - 1)
        for name, parameter in module.named_parameters():
            # Around the end, and not at it: differences from it then share no direction.
            noise = 0.1 * (step < count - 1)
            aside = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.data = (
                parameter.data + drift * (t * path[name][0] + t * t * path[name][1]) + noise * aside
            )
        module[1].running_mean += step
        network = Network(module, name=f"epoch-{step}")
        objectives.append(Objective(network, CASE.data(), dtype=torch.float64, **options))
    return objectives


def rows(objectives: list[Objective]) -> np.ndarray:
    """Differences from the last checkpoint, shape (checkpoint, parameter)."""
    weights = np.stack([flat(objective.free).numpy() for objective in objectives])
    return weights - weights[-1]


@pytest.fixture(scope="module")
def measured():
    objectives = run()
    return objectives, analyses.trajectory(objectives)


def test_coordinates_are_those_of_the_singular_vectors(measured):
    objectives, found = measured
    left, sizes, _ = np.linalg.svd(rows(objectives), full_matrices=False)
    for index, axis in enumerate("xy"):
        expected = left[:, index] * sizes[index]
        assert np.abs(found[axis].values) == pytest.approx(np.abs(expected), abs=1e-10)
        assert float(found[axis][np.abs(expected).argmax()]) > 0
    np.testing.assert_allclose(found.explained_variance, (sizes**2 / (sizes**2).sum())[:2], rtol=1e-10)
    assert (float(found.x[-1]), float(found.y[-1])) == (0, 0)


def test_what_is_off_the_plane_completes_the_distance(measured):
    objectives, found = measured
    distance = np.linalg.norm(rows(objectives), axis=1)
    np.testing.assert_allclose(found.distance, distance, rtol=1e-12)
    np.testing.assert_allclose(found.x**2 + found.y**2 + found.off_plane**2, distance**2, atol=1e-12)
    assert (found.off_plane.values[:-1] > 0).all()


def test_polar_coordinates_by_the_formula(measured):
    objectives, found = measured
    differences = rows(objectives)
    lengths = np.linalg.norm(differences, axis=1)
    np.testing.assert_allclose(found.radius, lengths / lengths[0], rtol=1e-12)
    cosines = differences[:-1] @ differences[0] / lengths[:-1] / lengths[0]
    np.testing.assert_allclose(np.cos(found.angle[:-1]), cosines, atol=1e-12)
    assert float(found.angle[0]) == pytest.approx(0, abs=1e-7)
    assert np.isnan(found.angle[-1])
    assert float(found.radius[0]) == 1


def test_each_checkpoint_has_its_own_loss_with_its_own_statistics(measured):
    objectives, found = measured
    assert found.nll.values.tolist() == [objective.value().nll for objective in objectives]
    shares = [float(objective.sample_losses()[1].double().mean()) for objective in objectives]
    assert found.accuracy.values.tolist() == shares
    assert found["name"].values.tolist() == [f"epoch-{step}" for step in range(6)]
    # On the plane the statistics are those of the last one.
    lent = [objectives[-1].value(objective.parameters).nll for objective in objectives]
    assert found.nll.values[-1] == lent[-1]
    assert (found.nll.values[:-1] != lent[:-1]).all()


def test_a_surface_on_the_stored_plane_goes_through_the_checkpoints(measured, tmp_path):
    objectives, found = measured
    last = objectives[-1]
    stored = load(save(found, tmp_path / "t.zarr"))
    directions = surface.from_arrays(stored, last.free)
    places = np.stack([found.x, found.y], 1)
    marks = {str(index): place.tolist() for index, place in enumerate(places)}
    plane = analyses.plane(last, span=0.2, steps=5, directions=directions, marks=marks)
    assert plane.direction.equals(stored.direction)
    assert plane.marked_x.values.tolist() == found.x.values.tolist()
    extent = max(np.ptp(places[:, 0]), np.ptp(places[:, 1]))
    assert float(plane.x[0]) == pytest.approx(places[:, 0].min() - 0.2 * extent)
    assert float(plane.y[-1]) == pytest.approx(places[:, 1].max() + 0.2 * extent)
    checks = report(plane)
    assert (checks["centre"].passed, checks["statistics"].passed) == (True, False)
    here = last.value(surface.Mesh(last, directions, (plane.x, plane.y)).weights((1, 3))).nll
    assert float(plane.nll[1, 3]) == here


def test_components_about_the_mean():
    objectives = run()
    found = analyses.trajectory(objectives, centred=True)
    differences = rows(objectives)
    _, _, right = np.linalg.svd(differences - differences.mean(0), full_matrices=False)
    assert np.abs(found.x.values) == pytest.approx(np.abs(differences @ right[0]), abs=1e-10)
    assert attribute(found, "protocol")["options"]["centred"] is True


def test_the_report_says_whether_the_plane_holds_the_motion():
    good, poor = (analyses.trajectory(run(**options)) for options in ({}, {"drift": 0.0, "count": 9}))
    assert report(good)["plane"].passed
    assert not report(poor)["plane"].passed
    shares = np.sqrt(1 - (poor.off_plane / poor.distance).values[:-1] ** 2)
    worst = f"of epoch-{shares.argmin()}, {100 * shares.min():.3g} % of the distance"
    assert worst in report(poor)["plane"].message
    assert "the loss beneath it is that of other weights" in report(poor)["plane"].message


@pytest.mark.parametrize(("share", "passed"), [(0.49, False), (0.51, True)])
def test_one_checkpoint_off_the_plane_is_enough(share, passed):
    # All others lie in the plane, which holds 99.9 % of the squared distances either way.
    end = BY_NAME["conv-bn"].objective(dtype=torch.float64)
    name = next(name for name, value in end.free.items() if value.numel() >= 4)
    steps = [(30.0, 0.0, 0.0), (20.0, 20.0, 0.0), (share, 0.0, np.sqrt(1 - share**2)), (0.0, 0.0, 0.0)]
    objectives = []
    for index, step in enumerate(steps):
        module = BY_NAME["conv-bn"].module()
        with torch.no_grad():
            dict(module.named_parameters())[name].view(-1)[:3] += torch.tensor(step)
        objectives.append(Objective(Network(module, name=f"at-{index}"), CASE.data(), dtype=torch.float64))
    found = analyses.trajectory(objectives)
    assert float(found.explained_variance.sum()) > 0.999
    assert float(found.off_plane[2] / found.distance[2]) == pytest.approx(np.sqrt(1 - share**2), abs=0.01)
    check = report(found)["plane"]
    assert check.passed is passed
    assert f"at worst, of at-2, {100 * share:.2g}" in check.message


def test_only_the_chosen_parameters_span_the_plane():
    objectives = run(params="0.*")
    found = analyses.trajectory(objectives)
    np.testing.assert_allclose(found.distance, np.linalg.norm(rows(objectives), axis=1), rtol=1e-12)
    assert found.sizes["parameter"] == sum(value.numel() for value in objectives[-1].free.values())


def test_the_record_names_every_checkpoint():
    found = analyses.trajectory(run())
    options = attribute(found, "protocol")["options"]
    assert [each["name"] for each in options["checkpoints"]] == [f"epoch-{step}" for step in range(6)]
    assert options["directions"]["kind"] == "principal components"
    assert found.attrs["kind"] == "trajectory"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda found: found[:2], "at least three checkpoints, got 2"),
        (lambda found: found[-1:] * 3, "span 0 dimensions"),
        (lambda found: [found[0], found[-1], found[-1]], "span 1 dimensions"),
        (lambda found: [found[-1], *found], "the first and the last checkpoint hold the same weights"),
    ],
)
def test_series_that_are_no_trajectory_are_refused(change, text):
    with pytest.raises(LandscapeError, match=text):
        analyses.trajectory(change(run()))


def test_checkpoints_of_another_network_are_refused():
    other = BY_NAME["bottleneck"].objective()
    with pytest.raises(LandscapeError, match="have different architectures"):
        analyses.trajectory([*run(3), other])


def test_a_stored_path_is_read_only_where_it_was_measured_alike(tmp_path):
    config = parse("cifar-resnet20:width=4")
    networks = [
        Network(build(config, seed=seed), name=f"run-{seed}", config=config.to_dict(), sha256=str(seed))
        for seed in range(4)
    ]
    settings = Settings(split="train", samples=8)

    def made(some, protocol):
        found = saved_trajectory(some, protocol, tmp_path)
        assert found.sizes["checkpoint"] == len(some)
        assert attribute(found, "protocol")["data"]["samples"] == protocol.samples
        return attribute(found, "provenance")

    first = made(networks, settings)
    assert made(networks, settings) == first
    other = made(networks, replace(settings, samples=9))
    assert other != first
    assert made(networks[1:], replace(settings, samples=9)) != other
