"""Networks over a grid: who is in which cell, every number against a road of its own, and resumption."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import landscape as ls
from landscape.analyses.grids import checkpoints_of, fields_of, layout
from landscape.errors import ArgumentError, CheckpointError, LandscapeError
from landscape.network import Network
from landscape.results import attribute
from landscape.zoo import build, parse
from tests import build as builders
from tests.cases import randomised

SPEC = "cifar-resnet8:width={}"


def network(width: int, batch: int, seed: int, **recipe) -> Network:
    """A network as `train` would have left it, with random weights."""
    config = parse(SPEC.format(width))
    module = randomised(build(config, seed=seed), seed).eval()
    record = {"recipe": {"batch_size": batch, "seed": seed, "epochs": 2} | recipe, "data": {"samples": 100}}
    name = f"w{width}-b{batch}-s{seed}"
    return Network(module, name=name, config=config.to_dict(), training=record, sha256=name)


NETWORKS = [network(w, b, s) for s in (0, 1) for b in (32, 64) for w in (2, 3)][:-1]
"""Two seeds of three cells, and one of the fourth."""


def sides(networks=None, **options):
    found = []
    for seed in (0, 1):
        samples = builders.images(24, 8, "uniform", seed=seed)
        found.append([builders.objective(each, samples, **options) for each in networks or NETWORKS])
    return found


@pytest.fixture(scope="module")
def measured():
    train, test = sides()
    return train, test, ls.analyses.phase(train, test=test, probes=4, points=3)


def test_each_network_is_in_its_cell():
    found = layout(NETWORKS)
    assert (found.x, found.y) == ("width", "batch_size")
    assert [(cell.x, cell.y, cell.members) for cell in found.cells] == [
        (2, 32, (0, 4)),
        (3, 32, (1, 5)),
        (2, 64, (2, 6)),
        (3, 64, (3,)),
    ]
    assert layout(NETWORKS, x="batch_size").y == "width"
    assert layout(NETWORKS[:1], "width", "epochs").cells[0].pairs() == []


def test_a_field_is_any_of_the_record():
    fields = fields_of(NETWORKS[0])
    assert {"width", "depth", "batch_size", "epochs", "images", "seed"} <= set(fields)
    assert fields["images"] == 100


@pytest.mark.parametrize(
    ("networks", "fields", "words"),
    [
        (NETWORKS[:1], {}, "differ in their seeds alone; name two by --x and --y"),
        (NETWORKS[:2], {}, "differ in width; name two"),
        ([*NETWORKS, network(2, 32, 2, epochs=3)], {}, "differ in width, batch_size, epochs; name two"),
        (
            [*NETWORKS, network(2, 32, 2, epochs=3)],
            {"x": "width", "y": "batch_size"},
            "differ in epochs beside width and batch_size",
        ),
        (NETWORKS, {"x": "colour"}, "no network records the field 'colour'"),
        (NETWORKS, {"x": "width", "y": "width"}, "both are 'width'"),
        ([*NETWORKS, NETWORKS[0]], {}, "w2-b32-s0 and w2-b32-s1 and w2-b32-s0 are of one cell"),
        ([*NETWORKS, replace(NETWORKS[0], training={})], {}, "has no training record"),
    ],
)
def test_what_is_no_grid_is_refused(networks, fields, words):
    with pytest.raises(LandscapeError, match=words):
        layout(networks, **fields)


def test_a_folder_of_checkpoints(tmp_path):
    for name in ("b.safetensors", "a.pt", "a-epoch001.safetensors", "notes.txt", "c.safetensors.training.pt"):
        (tmp_path / name).touch()
    assert [path.name for path in checkpoints_of(tmp_path)] == ["a.pt", "b.safetensors"]
    (tmp_path / "empty").mkdir()
    for place, words in ((tmp_path / "empty", "holds no checkpoints"), (tmp_path / "no", "is no folder")):
        with pytest.raises(CheckpointError, match=words):
            checkpoints_of(place)


def test_a_cell_has_the_mean_of_its_networks(measured):
    train, test, found = measured
    first = found.isel(cell=0)
    assert (float(first.width), float(first.batch_size)) == (2, 32)
    for name, side in (("train", train), ("test", test)):
        values = [side[index].value().nll for index in (0, 4)]
        assert float(first[f"{name}_nll"]) == pytest.approx(np.mean(values))
        half = 12.706 * abs(values[0] - values[1]) / 2
        assert float(first[f"{name}_nll_high"]) == pytest.approx(np.mean(values) + half, rel=1e-3)
        right = [float(side[index].sample_losses()[1].double().mean()) for index in (0, 4)]
        assert float(first[f"{name}_acc"]) == pytest.approx(100 * np.mean(right))


def test_curvature_is_that_of_the_other_recipes(measured):
    train, _, found = measured
    tops = [ls.hessian.top_eigenvalues(each, k=1, tolerance=1e-6).eigenvalue[0] for each in train]
    np.testing.assert_allclose(found.network_lmax, tops, rtol=1e-2)
    trace = ls.hessian.trace(train[3], probes=4, seed=0)
    lone = found.isel(cell=3)
    assert float(lone.trace) == pytest.approx(float(trace.trace))
    assert float(lone.trace_low) == pytest.approx(float(trace.trace_low))


def test_a_pair_is_compared_as_it_says(measured):
    train, _, found = measured
    pair = found.isel(pair=0)
    assert (int(pair.pair_a), int(pair.pair_b)) == (0, 4)
    first, second = train[0], train[4]
    apart = torch.cat(
        [(first.parameters[n] - second.parameters[n]).flatten() for n in first.parameters]
    ).norm()
    assert float(pair.pair_dist) == pytest.approx(float(apart))
    line = [
        first.replace(batch_norm="recalibrate").value(
            {n: (1 - t) * v + t * second.parameters[n] for n, v in first.parameters.items()}
        )
        for t in (0, 0.25, 0.5, 0.75, 1)
    ]
    below = [(line[0].nll + line[-1].nll) / 2 - each.nll for each in line[1:-1]]
    assert float(pair.pair_mc_train_nll) == pytest.approx(max(below, key=abs))
    for name in ("mc_train_nll", "cka_softmax", "dist"):
        assert float(found[name][0]) == float(pair[f"pair_{name}"])
        assert np.isnan(found[name][3])


def test_the_report_says_what_is_missing(measured):
    *_, found = measured
    checks = {check["name"]: check for check in attribute(found, "checks")}
    assert not checks["seeds"]["passed"]
    assert "Of 4 cells 1 have one network" in checks["seeds"]["message"]
    assert checks["grid"]["passed"]
    assert checks["converged"]["passed"]
    options = attribute(found, "protocol")["options"]
    assert (options["x"], options["y"], options["way"], options["points"]) == (
        "width",
        "batch_size",
        "straight",
        3,
    )
    assert [each["name"] for each in options["networks"]][:2] == ["w2-b32-s0", "w3-b32-s0"]


def test_a_hole_of_the_grid_is_said():
    train, test = sides(NETWORKS[:3])
    found = ls.analyses.phase(train, test=test, probes=2, points=1)
    checks = {check["name"]: check["message"] for check in attribute(found, "checks")}
    assert "Cells without a network, which are hatched: 1." in checks["grid"]
    assert "pair_dist" not in found


def test_what_does_not_belong_together_is_refused():
    train, test = sides(NETWORKS[:2])
    with pytest.raises(ArgumentError, match="2 networks over training samples and 1 over test"):
        ls.analyses.phase(train, test=test[:1])


def test_finished_networks_and_pairs_are_not_measured_again(tmp_path):
    train, test = sides(NETWORKS[:3] + NETWORKS[4:5])
    options = {"test": test, "probes": 2, "points": 1}

    def stopping(items, label="", total=None):
        for index, item in enumerate(items):
            if index == 2:
                raise KeyboardInterrupt
            yield item

    def counting(items, label="", total=None):
        left.append((label, total))
        return items

    left: list = []
    with pytest.raises(KeyboardInterrupt):
        ls.analyses.resumable("phase", train, tmp_path / "p.zarr", progress=stopping, **options)
    found = ls.analyses.resumable("phase", train, tmp_path / "p.zarr", progress=counting, **options)
    assert ("networks", 2) in left
    whole = ls.analyses.phase(train, **options)
    for name in whole.data_vars:
        assert found[name].values.tolist() == pytest.approx(
            whole[name].values.tolist(), nan_ok=True, abs=0
        ), name
    assert ls.results.load(tmp_path / "p.zarr")["lmax"].values.tolist() == whole["lmax"].values.tolist()


def test_a_network_of_other_weights_is_another_run(tmp_path):
    usual = [network(2, 32, 0), network(3, 32, 0)]
    others = [replace(usual[0], module=network(2, 32, 3).module), usual[1]]
    found = []
    for networks in (usual, others):
        train, test = sides(networks)
        options = {"test": test, "probes": 2, "points": 1, "x": "width", "y": "epochs"}
        found.append(ls.analyses.resumable("phase", train, tmp_path / "p.zarr", **options))
    assert float(found[0].lmax[0]) != float(found[1].lmax[0])
    assert float(found[0].lmax[1]) == float(found[1].lmax[1])
