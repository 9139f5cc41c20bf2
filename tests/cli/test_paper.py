"""paper: panels of the papers from saved results, without torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from landscape import results
from landscape.results import save_bundle
from tests.figures.paper_results import SPECS, configured, family, sequence

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder as `landscape compare` writes it."""
    folder = tmp_path_factory.mktemp("measured")
    specs = {name: SPECS[name] for name in ("mcd-mlp", "mcd-gap", "mcd-gap-blur")}
    for name, kinds in family(["spectrum", "surface", "ensemble"], specs).items():
        for kind, dataset in kinds.items():
            results.save(dataset, folder / "datasets" / name / f"{kind}.zarr")
    return folder


def test_without_a_panel_all_are_listed(run):
    outcome = run("paper")
    assert outcome.status == 0, outcome.err
    for name in ("p1-fig3", "p1-figb5", "p1-tablec1", "p2-fig9"):
        assert f"  {name}" in outcome.out
    assert "results: spectrum; networks: MLP head" in outcome.out


def test_a_figure_has_the_width_of_its_venue_and_a_caption(run, measured, tmp_path):
    outcome = run("paper", "p1-fig8", measured, "--preset", "neurips", "--columns", "2", "--out", "figs")
    assert outcome.status == 0, outcome.err
    assert outcome.out.split() == ["figs/p1-fig8.pdf"]
    assert {path.name for path in (tmp_path / "figs").iterdir()} == {
        f"p1-fig8.{end}" for end in ("pdf", "svg", "png", "txt")
    }
    with Image.open(tmp_path / "figs" / "p1-fig8.png") as picture:
        assert picture.width / picture.info["dpi"][0] == pytest.approx(5.5, abs=0.02)
    assert (tmp_path / "figs" / "p1-fig8.txt").read_text().startswith("Counterpart of Fig. 8 of Park & Kim")
    assert b"/FontFile2" in (tmp_path / "figs" / "p1-fig8.pdf").read_bytes()


def test_a_panel_has_a_column_of_its_own_by_default(run, measured, tmp_path):
    assert run("paper", "p1-fig8", measured, "--preset", "cvpr").status == 0
    with Image.open(tmp_path / "landscape-out" / "paper" / "p1-fig8.png") as picture:
        assert picture.width / picture.info["dpi"][0] == pytest.approx(3.25, abs=0.02)


def test_a_table_is_csv_latex_and_markdown(run, measured, tmp_path):
    outcome = run("paper", "p1-tablec1", measured, "--out", "t")
    assert outcome.out.split() == ["t/p1-tablec1.csv"]
    assert {path.suffix for path in (tmp_path / "t").iterdir()} == {".csv", ".tex", ".md", ".txt"}


def test_all_draws_what_can_be_and_says_what_cannot(run, measured, tmp_path):
    outcome = run("paper", "all", measured, "--out", "figs", "--columns", "1")
    assert outcome.status == 0, outcome.err
    drawn = {Path(line).stem for line in outcome.out.split()}
    assert {"p1-fig3", "p1-fig7", "p1-fig8", "p1-figd3b", "p1-tablee1", "p2-fig1a", "p2-fig1c"} <= drawn
    assert "p1-fig4: Fig. 4 of Park & Kim (2022a) takes results maps" in outcome.err
    assert "landscape features CKPT --pictures 0" in outcome.err


def test_single_results_and_bundles_are_taken_too(run, measured, tmp_path):
    places = sorted(measured.glob("datasets/*/spectrum.zarr"))
    assert run("paper", "p1-fig8", *places, "--out", "single").status == 0
    loaded = {place.parent.name: {"spectrum": results.load(place)} for place in places}
    save_bundle(loaded, tmp_path / "all.zip")
    assert run("paper", "p1-fig8", "all.zip", "--out", "bundle").status == 0
    texts = [(tmp_path / each / "p1-fig8.txt").read_text() for each in ("single", "bundle")]
    assert texts[0] == texts[1]
    assert "GAP + S: mcd-gap-blur" in texts[0]


def test_a_sequence_and_a_surface_of_one_network_are_told_apart(run, measured, tmp_path):
    place = tmp_path / "masks.zarr"
    results.save(configured(sequence("mcd-gap"), SPECS["mcd-gap"]), place)
    outcome = run("paper", "p1-figc2", measured, place, "--out", "figs")
    assert outcome.status == 0, outcome.err
    assert run("paper", "p1-fig7", place, measured, "--out", "figs").status == 0
    assert "3 numbered frames of the same plane" in (tmp_path / "figs" / "p1-figc2.txt").read_text()


def test_seeds_are_drawn_as_one(run, tmp_path):
    for seed, made in enumerate((family(["spectrum"]), family(["spectrum"]))):
        for name in ("mcd-gap", "mcd-gap-blur"):
            dataset = made[name]["spectrum"]
            label = f"{name}-seed{seed}"
            dataset = configured(dataset, SPECS[name], name=label, sha256=f"{seed}{name}")
            results.save(dataset, tmp_path / "both" / "datasets" / label / "spectrum.zarr")
    outcome = run("paper", "p1-fig8", "both", "--out", "figs")
    assert outcome.status == 0, outcome.err
    text = (tmp_path / "figs" / "p1-fig8.txt").read_text()
    assert "GAP: mcd-gap; GAP + S: mcd-gap-blur (" in text
    assert "2 networks trained with different seeds" in text


def test_two_networks_of_one_name_are_refused(run, measured, tmp_path):
    place = tmp_path / "other.zarr"
    dataset = family(["density"])["mcd-gap"]["density"]
    results.save(configured(dataset, SPECS["mcd-gap"], sha256="other"), place)
    outcome = run("paper", "p1-figc3", measured, place)
    assert outcome.status == 1
    assert "two different networks are called 'mcd-gap'" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("p1-fig88", "nowhere"), 2, "no panel is called 'p1-fig88'; did you mean p1-fig8"),
        (("p1-fig8", "nowhere.zarr"), 1, "no result at nowhere.zarr"),
    ],
)
def test_what_cannot_be_is_said(run, arguments, status, message):
    outcome = run("paper", *arguments)
    assert outcome.status == status
    assert message in outcome.err
    assert "unexpected" not in outcome.err


def test_panels_need_no_torch(measured, tmp_path):
    code = (
        "import sys; from landscape.cli import main\n"
        f"place = {str(measured)!r}\n"
        "for words in ([], ['p1-fig7', place], ['p1-tablec1', place]):\n"
        "    try: main(['paper', *words])\n"
        "    except SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
