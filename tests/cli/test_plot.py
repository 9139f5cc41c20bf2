"""plot: saved results become figures again."""

import json

import numpy as np
import pytest

from landscape import results
from landscape.results import attribute, save
from tests.exchange.surfaces import surface
from tests.figures import synthetic
from tests.figures.paper_results import SPECS, configured


@pytest.fixture
def measured(run, checkpoint):
    run("surface", checkpoint, "--samples", "4", "--steps", "3", "--out", "surface.zarr")
    run("evaluate", checkpoint, "--samples", "4", "--out", "evaluation.zarr")
    return run


def test_a_surface_becomes_its_figures(measured, tmp_path):
    outcome = measured("plot", "surface.zarr", "--out", "figures")
    assert outcome.status == 0, outcome.err
    assert outcome.out.split() == ["figures/contours.pdf", "figures/surface3d.pdf"]
    for name in ("contours", "surface3d"):
        for suffix in ("pdf", "svg", "png", "txt"):
            assert (tmp_path / "figures" / f"{name}.{suffix}").stat().st_size > 0
    assert (tmp_path / "figures" / "contours.pdf").read_bytes().startswith(b"%PDF")


def test_features_become_their_figures(measured, tmp_path, checkpoint):
    measured("features", checkpoint, "--samples", "4", "--out", "features.zarr")
    outcome = measured("plot", "features.zarr", "--out", "figures")
    assert outcome.status == 0, outcome.err
    assert [line.split("/")[1] for line in outcome.out.split()] == [
        "fourier.pdf",
        "high_frequency.pdf",
        "variance.pdf",
        "radial.pdf",
        "amplitude.pdf",
    ]


def test_a_check_that_the_numbers_contradict_is_said(run, monkeypatch):
    whole = surface()
    passed = {"name": "finite", "passed": True, "message": "Every value of the surface is finite."}
    whole = whole.assign_attrs(checks=json.dumps([passed]))
    save(whole, "surface.zarr")
    save(whole.assign(nll=whole.nll.where(whole.x < 0, np.inf)), "altered.zarr")
    monkeypatch.setattr("landscape.figures.registry.suited", lambda datasets: {})
    lines = run("plot", "surface.zarr", "altered.zarr").err.splitlines()
    said = [line for line in lines if line.startswith("WARN")]
    assert len(said) == 1
    assert said[0].startswith("WARN altered.zarr, surface: 12 of 20 values of the surface are not finite")
    assert said[0].endswith("it was altered, or is damaged.")


def test_two_results_of_one_network_are_told_apart_by_their_paths(measured, tmp_path, checkpoint):
    measured("surface", checkpoint, "--samples", "4", "--steps", "3", "--seed", "1", "--out", "again.zarr")
    outcome = measured("plot", "surface.zarr", "again.zarr", "--out", "figures")
    assert outcome.status == 0, outcome.err
    assert "seed" in (tmp_path / "figures" / "contours.txt").read_text()


def test_a_result_without_a_figure_is_said(measured, tmp_path, checkpoint, monkeypatch):
    measured("surface", checkpoint, "--samples", "8", "--steps", "3", "--flatness", "2")
    plot = ("plot", "landscape-out/tiny-flatness.zarr", "--out", "figures")
    monkeypatch.setattr("landscape.figures.registry.suited", lambda datasets: {})
    outcome = measured(*plot)
    assert outcome.status == 1
    assert outcome.err == "landscape: no figure is drawn of results of kind flatness\n"
    assert not (tmp_path / "figures").exists()
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert measured(*plot).out == "figures/flatness.pdf\n"


def test_what_is_no_result_is_said(measured, checkpoint, tmp_path):
    (tmp_path / "empty").mkdir()
    for place in ("nowhere.zarr", checkpoint, "empty"):
        outcome = measured("plot", place)
        assert outcome.status == 1
        assert outcome.err.startswith("landscape: ")
        assert "unexpected" not in outcome.err


@pytest.mark.parametrize(
    ("options", "inches"),
    [
        (("--preset", "neurips"), 5.5),
        (("--preset", "cvpr", "--columns", "1"), 3.25),
        (("--columns", "2"), 6.75),
    ],
)
def test_figures_have_the_width_of_the_venue(measured, tmp_path, options, inches):
    from PIL import Image

    outcome = measured("plot", "surface.zarr", "--figure", "contours", *options, "--out", "figures")
    assert outcome.out.split() == ["figures/contours.pdf"]
    with Image.open(tmp_path / "figures" / "contours.png") as picture:
        assert picture.width / picture.info["dpi"][0] == pytest.approx(inches, abs=0.02)


def test_a_venue_that_is_not_known_is_refused(measured):
    outcome = measured("plot", "surface.zarr", "--preset", "nature")
    assert outcome.status == 2
    assert "'icml', 'neurips', 'iclr', 'cvpr', 'tmlr'" in outcome.err


@pytest.fixture
def family(run, tmp_path):
    from landscape.results import save
    from tests.figures import seeds

    for name, kinds in seeds.family().items():
        for kind in ("spectrum", "evaluation"):
            save(kinds[kind], tmp_path / "family" / "datasets" / name / f"{kind}.zarr")
    return run


def test_seeds_are_drawn_as_one_network(family, tmp_path):
    outcome = family("plot", "family", "--out", "figures")
    assert outcome.status == 0, outcome.err
    assert outcome.out.split() == ["figures/spectrum.pdf", "figures/reliability.pdf"]
    assert "gap: 3 seeds as one (gap-seed0, gap-seed1, gap-seed2)" in outcome.err
    assert "Student's interval over 3 seeds" in (tmp_path / "figures" / "spectrum.txt").read_text("utf-8")


def test_each_seed_is_drawn_if_asked(family, tmp_path):
    outcome = family("plot", "family", "--each-seed", "--figure", "reliability", "--out", "figures")
    assert outcome.status == 0, outcome.err
    assert "seeds as one" not in outcome.err
    caption = (tmp_path / "figures" / "reliability.txt").read_text("utf-8")
    assert "standard errors over samples" in caption
    assert "seeds" not in caption


def test_a_bundle_is_drawn(family, tmp_path):
    from landscape.results import save_bundle
    from tests.figures import synthetic

    save_bundle({"gap": {"spectrum": synthetic.spectrum()}}, tmp_path / "all.zip")
    outcome = family("plot", "all.zip", "--out", "figures")
    assert outcome.out.split() == ["figures/spectrum.pdf"]


def trained(epochs, name, spec):
    """A result of a network of this specification, trained for so many epochs."""
    dataset = configured(synthetic.trace(name), spec)
    network = attribute(dataset, "network") | {"training": {"recipe": {"epochs": epochs, "seed": 0}}}
    return dataset.assign_attrs(network=json.dumps(network))


def test_of_many_networks_those_trained_alike_are_drawn(run, tmp_path):
    for name, spec in SPECS.items():
        results.save(trained(17, name, spec), tmp_path / "many" / f"{name}-trace.zarr")
    results.save(trained(8, "half", SPECS["gap"]), tmp_path / "many" / "half-trace.zarr")
    outcome = run("plot", "many", "--figure", "trace", "--out", "figures")
    assert outcome.status == 0, outcome.err
    assert outcome.err.startswith("1 network was trained otherwise than most and left out; --every")
    drawn = (tmp_path / "figures" / "trace.svg").read_bytes()
    outcome = run("plot", "many", "--figure", "trace", "--every", "--out", "figures")
    assert "left out" not in outcome.err
    assert (tmp_path / "figures" / "trace.svg").read_bytes() != drawn


def test_letters_can_be_those_of_the_text(run, tmp_path):
    results.save(synthetic.trace("gap"), tmp_path / "gap-trace.zarr")
    assert run("plot", "gap-trace.zarr", "--font", "serif", "--out", "figures").status == 0
    assert b"STIXGeneral" in (tmp_path / "figures" / "trace.pdf").read_bytes()
