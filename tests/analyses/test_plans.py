"""What panels take besides a comparison: named apart, and passed over where nothing is random."""

import pytest

from landscape import analyses
from landscape.analyses import Measurement, Settings
from landscape.analyses.plans import panel_plan
from landscape.comparison.identity import renamed
from landscape.errors import LandscapeError
from landscape.network import Network
from landscape.zoo import build, parse

SMALL = {
    "predictions": 6, "passes": 2, "maps": 4, "noise": 4, "corrupted": 0, "density": 8, "probes": 1,
    "density_steps": 2, "masks": 2, "mask_samples": 4, "steps": 3, "span": 0.1,
}  # fmt: skip


def network(name, spec):
    config = parse(spec)
    return Network(build(config), name=name, config=config.to_dict(), sha256=name)


def test_the_plan_is_measured_and_its_results_are_found_by_what_they_are(tmp_path):
    networks = [
        network("gap", "cifar-resnet20:width=4"),
        network("mcd", "cifar-resnet20:width=4,dropout=0.2"),
    ]
    plan = panel_plan(Settings(split="train", samples=16, dropout="fixed", params="linear.*"), **SMALL)
    results = analyses.compare(networks, plan, tmp_path)
    stored = {place.stem for place in tmp_path.glob("datasets/mcd/*.zarr")}
    assert stored == set(results["mcd"]) == {measurement.label for measurement in plan}
    alone = {"evaluation-train", "maps", "covariance", "noise", "noise-equal", "density"}
    found = renamed(results)
    assert set(found["gap"]) == alone
    assert set(found["mcd"]) == alone | {"ensemble", "sequence"}
    assert found["mcd"]["sequence"].sizes["mask"] == 2
    assert found["mcd"]["ensemble"].sizes["size"] == 2


def test_robustness_is_planned_for_each_size_and_left_out_with_no_images():
    plan = panel_plan(Settings(), corrupted=9, corruptions=["fog"], sizes=(5, 1))
    found = {each.label: each for each in plan if each.kind == "robustness"}
    assert list(found) == ["robustness", "robustness-n5"]
    assert [each.settings.dropout for each in found.values()] == ["fresh", "ensemble:5"]
    assert [each.stochastic for each in found.values()] == [False, True]
    assert {each.settings.samples for each in found.values()} == {9}
    assert "robustness" not in {each.kind for each in panel_plan(Settings(), corrupted=0)}


def test_a_surface_interrupted_inside_a_comparison_is_finished_by_the_next(tmp_path):
    networks = [network("gap", "cifar-resnet20:width=4")]
    surface = Measurement("surface", Settings(samples=4, micro_batch=4), {"span": 0.1, "steps": 3})

    def stopping(items, label="", total=None):
        for index, item in enumerate(items):
            if index == 2:
                raise KeyboardInterrupt
            yield item

    def counting(items, label="", total=None):
        left.append(total)
        return items

    left: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        analyses.compare(networks, [surface], tmp_path, progress=stopping)
    found = analyses.compare(networks, [surface], tmp_path, progress=counting)["gap"]["surface"]
    assert left == [7]
    assert bool(found.done.all())
    whole = analyses.compare(networks, [surface], tmp_path / "whole")["gap"]["surface"]
    assert found.nll.values.tobytes() == whole.nll.values.tobytes()


def test_further_kinds_are_measured_as_their_records_say():
    fewer = Settings(split="train", samples=9, augment=1)
    trace, lesion, maps = analyses.further(fewer, ["trace", "lesion", "maps"])
    assert [each.settings.split for each in (trace, lesion, maps)] == ["train", "test", "test"]
    assert [each.settings.augment for each in (trace, lesion, maps)] == [1, None, None]
    assert [str(each.settings.dropout) for each in (trace, lesion, maps)] == ["off", "off", "fresh"]
    with pytest.raises(LandscapeError, match="cannot measure 'trajectory' by itself"):
        analyses.further(fewer, ["trajectory"])
