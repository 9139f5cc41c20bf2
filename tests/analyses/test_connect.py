"""The recipe of connectivity: its numbers, what it refuses, and that it goes on where it was."""

import numpy as np
import pytest
import torch
import xarray as xr

from landscape import analyses, figures
from landscape.analyses.connections import checks, labels
from landscape.analyses.likeness import mixed
from landscape.connectivity import Copy, symmetry
from landscape.errors import ArgumentError, LandscapeError
from landscape.network import Network
from landscape.objective import Objective
from tests import build
from tests.figures import connections

SAMPLES = build.images(24, 8, seed=1)
OTHER = build.images(20, 8, seed=2)


def network(seed: int, name: str = "") -> Objective:
    return Objective(Network(build.zoo(seed=seed), name=name or f"net{seed}"), SAMPLES, dtype="float64")


def copied(one: Objective, seed: int = 4) -> Objective:
    """The same function with its units in another order."""
    found = symmetry(one)
    copy = Copy.of(one).permuted(found, found.random(seed))
    module = build.zoo(seed=1)
    module.load_state_dict(copy.parameters | copy.buffers)
    return Objective(Network(module, name="copy"), SAMPLES, dtype="float64")


@pytest.fixture(scope="module")
def found():
    one = network(1)
    beside = one.replace(samples=OTHER)
    return analyses.connect(
        one,
        others=[copied(one), network(2)],
        opposite=beside,
        points=5,
        align=True,
        curve="bezier",
        curve_steps=4,
    )


def test_a_permuted_copy_has_a_barrier_before_alignment_and_none_after(found):
    own = found.sel(pair="net1 – copy")
    assert float(own.barrier.sel(path="linear")[0]) > 0.01
    assert own.barrier.sel(path="aligned").values == pytest.approx(0, abs=1e-9)
    assert float(own.distance.sel(path="aligned")) == pytest.approx(0, abs=1e-9)
    assert float(own.distance.sel(path="linear")) > 1
    assert float(own.cka) == pytest.approx(1)
    assert float(own.disagreement) == 0
    assert own.layer_cka.values == pytest.approx(1)


def test_what_is_measured_is_what_it_is_called(found):
    assert found.nll.dims == ("pair", "path", "side", "t")
    assert found.path.values.tolist() == ["linear", "aligned", "bezier"]
    one, two = network(1), network(2)
    own = found.sel(pair="net1 – net2", path="linear")
    mid = {k: 0.5 * (one.parameters[k] + two.parameters[k]) for k in one.parameters}
    recalibrated = one.replace(batch_norm="recalibrate")
    assert float(own.nll[0].sel(t=0.5)) == pytest.approx(recalibrated.value(mid).nll, rel=1e-9)
    assert float(own.nll[0].sel(t=1)) == pytest.approx(
        two.replace(batch_norm="recalibrate").value().nll, rel=1e-9
    )
    distance = (
        sum(float((one.parameters[k] - two.parameters[k]).square().sum()) for k in one.parameters) ** 0.5
    )
    assert float(own.distance) == pytest.approx(distance)
    chord = (
        own.nll[0].values - (1 - own.t.values) * own.nll[0].values[0] - own.t.values * own.nll[0].values[-1]
    )
    assert float(own.barrier[0]) == pytest.approx(max(chord.max(), 0), abs=1e-12)
    assert own.rise[0].values == pytest.approx(chord, abs=1e-12)
    assert int(own.passes) == 5 * (24 + 24 + 20)
    assert int(found.training_steps.sel(path="bezier")[0]) == 4


def test_what_is_left_out_is_not_measured():
    one = network(1)
    found = analyses.connect(one, others=[network(2)], points=3)
    assert found.path.values.tolist() == ["linear"]
    assert found.sizes["side"] == 1
    assert "plane_nll" not in found


def test_activations_match_as_well():
    one = network(1)
    found = analyses.connect(one, others=[copied(one)], points=3, align=True, matching="activations")
    assert found.barrier.sel(path="aligned").values == pytest.approx(0, abs=1e-9)


def test_a_plane_holds_the_ends_and_the_bend(found):
    one = network(1)
    result = analyses.connect(one, others=[network(2)], points=3, curve="polygon", curve_steps=3, plane=3)
    assert result.plane_nll.shape == (3, 3)
    assert result.path_off.values == pytest.approx(0, abs=1e-4)
    x, y = (result[f"path_{w}"].sel(path="polygon").values for w in "xy")
    assert (x[0], y[0]) == pytest.approx((0, 0), abs=1e-6)
    assert (x[-1], y[-1]) == pytest.approx((1, 0), abs=1e-6)
    assert (x[20], y[20]) == pytest.approx((float(result.mark_x[2]), float(result.mark_y[2])), abs=1e-5)


def test_finished_work_is_not_done_again(tmp_path):
    options = {"others": [network(2)], "points": 4, "align": True, "curve": "polygon", "curve_steps": 3}
    stopped = []

    def stopping(items, label="", total=None):
        for index, item in enumerate(items):
            if label.startswith("aligned line") and index == 2:
                raise KeyboardInterrupt
            yield item

    def counting(items, label="", total=None):
        stopped.append((label, total))
        return items

    place = tmp_path / "c.zarr"
    with pytest.raises(KeyboardInterrupt):
        analyses.resumable("connect", network(1), place, progress=stopping, **options)
    found = analyses.resumable("connect", network(1), place, progress=counting, **options)
    left = dict(stopped)
    assert left["aligned line 1 to 2"] == 2
    assert left["line 1 to 2"] == 0
    assert "activations" not in left
    whole = analyses.connect(network(1), **options)
    for name in whole.data_vars:
        assert np.array_equal(
            found[name].values, whole[name].values, equal_nan=found[name].dtype.kind == "f"
        ), name


def test_mixed_images_lie_between_two():
    made = mixed(SAMPLES, 3)
    assert made.inputs.shape == SAMPLES.inputs.shape
    assert float(made.inputs.max()) <= float(SAMPLES.inputs.max())
    assert made.inputs.float().var() < 0.9 * SAMPLES.inputs.float().var()
    assert torch.equal(mixed(SAMPLES, 3).inputs, made.inputs)
    found = analyses.connect(network(1), others=[network(1, "again"), network(2)], points=3, mixup=True)
    assert found.cka.values[0] == pytest.approx(1)
    assert found.cka.values[1] < 0.999


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"others": []}, "two networks or more"),
        ({"repair": True}, "add --align"),
        ({"plane": 5}, "add --curve"),
        ({"curve": "spline"}, "choose one of none, bezier, polygon"),
        ({"points": 2}, "three points or more"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        analyses.connect(network(1), **{"others": [network(2)], **options})


def test_other_samples_are_refused():
    with pytest.raises(LandscapeError, match="other samples"):
        analyses.connect(network(1), others=[network(2).replace(samples=OTHER)])


def test_networks_of_one_name_are_numbered():
    assert labels(["a", "b", "a", "a"]) == ["a", "b", "a (2)", "a (3)"]


def test_a_peak_between_the_points_is_said():
    found = analyses.connect(network(1), others=[network(2)], points=3)
    checks = {check.name: check for check in build.report(found).values()}
    assert "points" in checks
    assert figures.caption("connect", found)


def judged(notes=None, **changes):
    """The checks of a made-up result, by name."""
    dataset = connections.connect()
    dataset = dataset.assign({name: dataset[name] * 0 + value for name, value in changes.items()})
    notes = {"found": None, "unsettled": []} | (notes or {})
    return {check.name: check for check in checks(dataset, notes)}


def test_checks_that_fail_say_what_to_do():
    assert all(check.passed for check in judged(barrier_standard_error=0.1).values())
    rough = judged(barrier_resolution=0.9)["points"]
    assert not rough.passed
    assert "take more --points" in rough.message
    two = xr.DataArray([0.1, 0.9], dims="side")
    high = judged(barrier=two, barrier_standard_error=0.1)["curve"]
    assert not high.passed
    assert "0.1 on the train split and 0.9 on the test split" in high.message
    found = symmetry(network(1))
    open_end = judged({"found": found, "unsettled": ["1 to 2"]})["alignment"]
    assert not open_end.passed
    assert "1 to 2 did not settle" in open_end.message
    assert not judged(nll=np.nan)["finite"].passed
