"""export: surfaces to and from other programs' files."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import meshio
import numpy as np
import pytest

from landscape import exchange
from landscape.results import load, save

from ..exchange.surfaces import surface

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def stored(tmp_path):
    return save(surface(broken=[(1, 2)], undone=[(3, 0)]), tmp_path / "s.zarr")


@pytest.mark.parametrize("suffix", [*exchange.TABLES, *exchange.MESHES])
def test_every_format(run, stored, tmp_path, suffix):
    outcome = run("export", stored, "--to", f"folder/out{suffix}")
    assert outcome.status == 0, outcome.err
    assert outcome.out.splitlines()[0] == "20 points, 1 not finite, 1 not computed"
    assert outcome.out.splitlines()[-1] == f"saved folder/out{suffix}"
    path = tmp_path / "folder" / f"out{suffix}"
    assert sorted(place.name for place in path.parent.iterdir()) == [path.name]
    if suffix in exchange.MESHES:
        assert "18 vertices, 19 triangles, 2 points left open, 0 clipped; height = (nll - " in outcome.out
        assert len(meshio.read(path).cells_dict["triangle"]) == 19
    else:
        np.testing.assert_array_equal(exchange.read(path).nll, load(stored).nll)


def test_a_mesh_as_asked(run, stored):
    found = run(
        "export", stored, "--to", "m.PLY", "--quantity", "total", "--log", "--clip", "0.9", "--json"
    ).json
    assert found["command"] == "export"
    assert found["checkpoint"]["name"] == "tiny"
    assert found["result"] == "m.PLY"
    assert (found["format"], found["points"], found["not_finite"], found["not_computed"]) == ("ply", 20, 1, 1)
    mesh = found["mesh"]
    nll = load(stored).nll.values
    total = nll + 1e-3 * nll**2
    assert mesh["clipped"] == (np.isfinite(total) & (total > 0.9)).sum() > 0
    z = meshio.read("m.PLY", "ply").points[:, 2]
    assert 10 ** (z.max() / mesh["scale"] + mesh["lowest"]) == pytest.approx(0.9)


def test_loss_landscape_there_and_back(run, stored):
    assert run("export", stored, "--to", "s.h5").status == 0
    with h5py.File("s.h5") as file:
        assert file["train_loss"][3, 0] == -1
    outcome = run("export", "s.h5", "--to", "again.zarr")
    assert outcome.status == 0, outcome.err
    assert "WARN 1 of 20 points were not computed" in outcome.err
    np.testing.assert_array_equal(load("again.zarr").done, load(stored).done)
    assert run("export", "s.h5", "--to", "again.zarr", "--quiet").err == ""


def test_a_published_table_becomes_a_result_that_is_drawn(run, shared_data):
    table = shared_data / "published-surfaces" / "cifar100_vit_ti_losslandscape.csv"
    found = run("export", table, "--to", "vit.zarr", "--json").json
    assert found["checkpoint"]["name"] == "vit_ti"
    assert found["not_finite"] == 0
    outcome = run("plot", "vit.zarr")
    assert outcome.status == 0, outcome.err


def test_one_of_several_direction_pairs(run, tmp_path):
    save(surface().expand_dims(repeat=2), tmp_path / "pairs.zarr")
    assert "choose one with --repeat" in run("export", "pairs.zarr", "--to", "p.stl").err
    assert run("export", "pairs.zarr", "--to", "p.stl", "--repeat", "1").status == 0
    outcome = run("export", "pairs.zarr", "--to", "p.stl", "--repeat", "2")
    assert (outcome.status, "has 2 repeats" in outcome.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("s.zarr", "--to", "s.png"), 2, "s.png does not end in one of .csv, .npz"),
        (("s.zarr",), 2, "Missing option '--to'"),
        (("s.zarr", "--to", "s.csv", "--log"), 2, "--log shapes a mesh; .csv files hold"),
        (("s.zarr", "--to", "s.h5", "--clip", "1"), 2, "--clip shapes a mesh"),
        (("s.zarr", "--to", "s.ply", "--clip", "high"), 2, "not a valid float"),
        (("s.zarr", "--to", "s.ply", "--clip", "nan"), 1, "the clipping height must be finite"),
        (
            ("s.zarr", "--to", "s.ply", "--quantity", "loss"),
            1,
            "this surface has no 'loss'; it has accuracy, l2, nll",
        ),
        (("none.zarr", "--to", "s.ply"), 1, "no result at none.zarr"),
        (("none.h5", "--to", "s.ply"), 1, "no file at none.h5"),
        (("none.csv", "--to", "s.ply"), 1, "no table at none.csv"),
        (("none.npz", "--to", "s.ply"), 1, "no file at none.npz"),
        (("net.pt", "--to", "s.ply"), 1, "cannot tell what net.pt is; surfaces are read from .zarr"),
        (("s.zarr", "--to", "blocked/s.csv"), 1, "cannot write"),
        (("s.zarr", "--to", "."), 2, "does not end in"),
    ],
)
def test_what_cannot_be_done_is_said(run, stored, tmp_path, arguments, status, message):
    (tmp_path / "blocked").write_text("")
    outcome = run("export", *arguments)
    assert outcome.status == status, outcome.err
    assert message in outcome.err
    assert outcome.out == ""
    assert "unexpected" not in outcome.err
    assert {place.name for place in tmp_path.iterdir()} == {"s.zarr", "blocked"}


def test_exporting_needs_no_torch(stored, tmp_path):
    code = (
        "import sys; from landscape.cli import main\n"
        "for name in ('o.csv', 'o.npz', 'o.h5', 'o.ply'):\n"
        "    try: main(['export', 's.zarr', '--to', name])\n"
        "    except SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    outcome = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
