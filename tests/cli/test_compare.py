"""compare: measured once under one protocol, and never again."""

import importlib
import json

import pytest

from landscape import family, results
from landscape.cli import demo
from landscape.results import attribute
from tests.build import SHORT, USUAL, checkpoint
from tests.cli.conftest import call, undrawn

KINDS = ("evaluation", "features", "spectrum", "surface", "flatness")
SMALL = (
    "--data", "demo", "--samples", "12", "--predictions", "8", "--maps", "4", "--spectrum-batch", "4",
    "--spectrum-batches", "2", "--steps", "3", "--span", "0.1", "--directions", "2", "--draws", "2",
    "--params", "linear.*",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two networks, compared once: (their folder, what stdout said)."""
    place = tmp_path_factory.mktemp("compare")
    checkpoint(place / "plain.safetensors", normalisation=USUAL)
    checkpoint(place / "blur.safetensors", f"{SHORT},blur", normalisation=USUAL)
    assert call("compare", *files(place), *SMALL, "--out", place / "out", "--quiet").status == 0
    return place


def files(folder):
    return [str(folder / f"{name}.safetensors") for name in ("plain", "blur")]


@pytest.fixture
def measured(monkeypatch):
    """The measurements that are really made, as (network, kind)."""
    module = importlib.import_module("landscape.analyses.running")
    original, calls = module.recipe, []

    def spying(kind):
        def run(objective, **options):
            calls.append((objective.network.name, kind))
            return original(kind)(objective, **options)

        return run

    monkeypatch.setattr(module, "recipe", spying)
    with undrawn():
        yield calls


def test_every_network_has_every_result(folder):
    for name in ("plain", "blur"):
        for kind in KINDS:
            dataset = results.load(folder / "out" / "datasets" / name / f"{kind}.zarr")
            assert dataset.attrs["kind"] == kind
            assert attribute(dataset, "network")["name"] == name
            masks = "fresh" if kind == "features" else "fixed"  # maps are measured over several draws
            assert attribute(dataset, "protocol")["dropout"] == masks


def test_surface_and_spectrum_use_training_images_the_others_test_images(folder):
    found = {
        kind: attribute(results.load(folder / "out/datasets/plain" / f"{kind}.zarr"), "protocol")["data"]
        for kind in KINDS
    }
    assert {kind: data["split"] for kind, data in found.items()} == {
        "evaluation": "test", "features": "test", "spectrum": "train", "surface": "train",
        "flatness": "train",
    }  # fmt: skip
    assert {kind: data["samples"] for kind, data in found.items()} == {
        "evaluation": 8, "features": 4, "spectrum": 8, "surface": 12, "flatness": 12,
    }  # fmt: skip


def test_the_page_and_its_files_are_there(folder):
    out = folder / "out"
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "plain" in page
    assert "blur" in page
    for name in ("contours", "surface3d", "spectrum", "fourier", "high_frequency", "variance"):
        for suffix in ("pdf", "svg", "png"):
            assert (out / "figures" / f"{name}.{suffix}").stat().st_size > 0
    assert (out / "summary.csv").is_file()
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_a_second_call_measures_nothing_and_says_the_same(folder, run, measured):
    first = run("compare", *files(folder), *SMALL, "--out", folder / "out", "--json")
    assert measured == []
    found = first.json
    assert set(found) == {"command", "checkpoints", "result", "page", "summary", "verdicts", "seconds"}
    assert found["command"] == "compare"
    assert [network["name"] for network in found["checkpoints"]] == ["plain", "blur"]
    assert found["result"] == str(folder / "out")
    assert found["page"] == str(folder / "out" / "index.html")
    assert "[2/2] blur: surface" in first.err
    assert (
        run("compare", *files(folder), *SMALL, "--out", folder / "out", "--json").json["summary"]
        == found["summary"]
    )


def test_only_what_a_changed_option_touches_is_measured_again(folder, run, measured):
    outcome = run("compare", *files(folder), *SMALL, "--span", "0.2", "--out", folder / "out", "--quiet")
    assert outcome.status == 0, outcome.err
    assert measured == [("plain", "surface"), ("blur", "surface")]
    measured.clear()
    run("compare", *files(folder), *SMALL, "--out", folder / "out", "--quiet")
    assert measured == [("plain", "surface"), ("blur", "surface")]


def test_a_page_is_drawn_again_from_what_was_saved(folder, run, monkeypatch):
    """Saved results must be as good as fresh ones; only this test and the first comparison really draw."""
    monkeypatch.setattr("landscape.report.sections.FORMATS", ("svg",))
    (folder / "out" / "index.html").unlink()
    outcome = run("compare", *files(folder), *SMALL, "--out", folder / "out", "--quiet")
    assert outcome.status == 0, outcome.err
    *told, last = outcome.out.splitlines()
    assert last == f"page: {folder / 'out' / 'index.html'}"
    assert told
    assert all(line.startswith("blur (plain → blur): ") for line in told)
    assert (folder / "out" / "index.html").stat().st_size > 0


def test_a_damaged_result_is_measured_again(folder, run, measured):
    damaged = folder / "out" / "datasets" / "blur" / "features.zarr" / "zarr.json"
    damaged.write_text("{")
    assert run("compare", *files(folder), *SMALL, "--out", folder / "out", "--quiet").status == 0
    assert measured == [("blur", "features")]


def test_what_is_missing_or_of_another_protocol_or_network_is_measured(run, measured, tmp_path, monkeypatch):
    """An interrupted comparison goes on where it was; another seed or file of the same name starts over."""
    module = importlib.import_module("landscape.analyses.running")
    spying = module.recipe

    def interrupting(kind):
        if kind == "spectrum":
            raise KeyboardInterrupt
        return spying(kind)

    def kinds(*options: str, status: int = 0) -> list[str]:
        measured.clear()
        outcome = run("compare", "plain.safetensors", *SMALL, *options, "--out", "out", "--quiet")
        assert outcome.status == status, outcome.err
        return [kind for _, kind in measured]

    checkpoint(tmp_path / "plain.safetensors")
    with monkeypatch.context() as patch:
        patch.setattr(module, "recipe", interrupting)
        assert kinds(status=130) == ["evaluation", "features"]
    assert kinds() == ["spectrum", "surface", "flatness"]
    assert kinds("--seed", "1") == list(KINDS)
    checkpoint(tmp_path / "plain.safetensors", seed=1)
    assert kinds("--seed", "1") == list(KINDS)


def test_the_examples_defaults_fit_the_demo_data(folder, run, monkeypatch):
    """`landscape compare a b` without options must not ask for more than the demo set holds."""
    asked = {}

    def recording(request, work, place, name):
        asked.update(samples=request.settings().samples, work=work)

    monkeypatch.setattr("landscape.cli.compare.run", recording)
    assert run("compare", *files(folder)).status == 0
    assert asked["samples"] == 1000
    ((_, measurements),) = asked["work"]
    for measurement in measurements:
        assert len(measurement.settings.load_samples()) >= measurement.options.get("batch_size", 1)


def test_networks_of_one_name_are_refused(folder, run, tmp_path):
    checkpoint(tmp_path / "plain.safetensors")
    outcome = run("compare", files(folder)[0], "plain.safetensors", *SMALL, "--out", "out")
    assert outcome.status == 1
    assert "landscape: two networks are called 'plain'; rename a file" in outcome.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--steps", "4"), 2, "odd number of points"),
        (("--samples", "5000"), 1, "5000 samples asked for"),
        (("--predictions", "5000"), 1, "5000 samples asked for"),
        (("--mean", "0.5,0.5,0.5"), 2, "--mean and --std belong together"),
        (("--params", "nothing"), 1, "no parameter matches"),
    ],
)
def test_requests_that_cannot_be_met(folder, run, options, status, message):
    outcome = run("compare", *files(folder), *SMALL, *options, "--out", "out")
    assert outcome.status == status
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert "unexpected" not in outcome.err


def test_a_missing_checkpoint_is_said_before_anything_is_measured(folder, run, measured):
    outcome = run("compare", files(folder)[0], "none.pt", *SMALL, "--out", "out")
    assert outcome.status == 1
    assert "landscape: no checkpoint at none.pt" in outcome.err
    assert measured == []


@pytest.mark.parametrize(("options", "names"), [((), family.NAMES), (("--quick",), demo.QUICK)])
def test_the_demo_compares_the_family_under_the_papers_protocol(run, monkeypatch, options, names):

    seen = {}

    def recording(request, work, folder, name, before):
        seen.update(request=request, work=work, folder=str(folder), name=name, before=before)

    monkeypatch.setattr(demo, "run", recording)
    monkeypatch.setattr(demo, "_shipped", lambda names, folder, request: None)
    monkeypatch.setattr(family, "load", lambda name: name)
    assert run("demo", *options, "--quiet", "--seed", "3").status == 0
    ((networks, measurements),) = seen["work"]
    assert networks == list(names)
    assert seen["folder"] == "landscape-out/demo"
    assert set(seen["before"]) == {f"{name}-seed{seed}" for name in names for seed in range(3)}
    assert (seen["request"].seed, seen["request"].split, seen["request"].data) == (3, "train", "demo")
    (spectrum,) = (each for each in measurements if each.kind == "spectrum")
    assert len(spectrum.settings.load_samples()) == spectrum.settings.samples <= 1000
