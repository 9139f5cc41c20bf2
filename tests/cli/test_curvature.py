"""`landscape hessian` beyond top eigenvalues: ends, coordinates, presets, trace, density, layers, memory."""

import numpy as np
import pytest

from landscape import results
from landscape.derivatives import graphs
from landscape.results import attribute
from tests.cli.conftest import call

FEW = ("--data", "demo", "--samples", "16", "--top-k", "2", "--json")


@pytest.fixture(scope="module")
def plain(checkpoint, tmp_path_factory):
    """What the command says without further options, in a folder that stays."""
    return call("hessian", checkpoint, *FEW, "--out", tmp_path_factory.mktemp("plain") / "hessian.zarr")


def test_smallest_eigenvalues(run, checkpoint, plain):
    found = run("hessian", checkpoint, *FEW, "--which", "smallest").json
    assert found["smallest"] == sorted(found["smallest"])
    assert found["eigenvalues"] == found["smallest"][::-1]
    largest = plain.json
    assert found["eigenvalues"][0] < largest["eigenvalues"][-1]
    assert "smallest" not in largest


def test_methods_agree_on_the_largest_magnitude(run, checkpoint):
    options = (*FEW[:-3], "--top-k", "1", "--tolerance", "1e-3", "--json")
    values = {}
    for method in ("lanczos", "power", "pyhessian"):
        found = run("hessian", checkpoint, *options, "--method", method, "--which", "magnitude").json
        assert found["protocol"]["options"]["method"] == method
        values[method] = found["eigenvalues"][0]
    assert values["power"] == pytest.approx(values["lanczos"], rel=1e-3)
    assert values["pyhessian"] == pytest.approx(values["lanczos"], rel=2e-2)


def test_operator_and_coordinates_are_recorded_and_differ(run, checkpoint, plain):
    raw = plain.json
    other = run("hessian", checkpoint, *FEW, "--operator", "ggn", "--coordinates", "filter").json
    assert raw["protocol"]["options"]["operator"] == "hessian"
    assert raw["protocol"]["options"]["coordinates"] == "raw"
    assert other["protocol"]["options"]["operator"] == "ggn"
    assert other["protocol"]["options"]["coordinates"] == "filter"
    assert other["eigenvalues"][0] != pytest.approx(raw["eigenvalues"][0], rel=1e-3)
    squared = run("hessian", checkpoint, *FEW, "--loss", "mse").json
    assert squared["protocol"]["loss"] == "squared_error"
    assert squared["loss"] != pytest.approx(raw["loss"])


def test_vectors_are_saved_on_request(run, checkpoint, plain):
    found = run("hessian", checkpoint, *FEW, "--vectors").json
    vectors = results.load(found["result"]).vector
    assert vectors.dims == ("rank", "parameter")
    assert vectors.shape == (2, found["checkpoint"]["parameters"])
    np.testing.assert_allclose(vectors.values @ vectors.values.T, np.eye(2), atol=1e-4)
    assert "vector" not in results.load(plain.json["result"])


def test_trace_density_and_layers(run, checkpoint):
    found = run(
        "hessian", checkpoint, *FEW, "--trace", "3", "--density", "2", "--density-steps", "6", "--layers",
        "--out", "out/eigen.zarr",
    ).json  # fmt: skip
    assert set(found["trace"]) == {"value", "standard_error", "interval", "probes", "result", "checks"}
    assert found["trace"]["probes"] == 3
    stored = {kind: results.load(found[kind]["result"]) for kind in ("trace", "density", "layers")}
    assert {kind: dataset.attrs["kind"] for kind, dataset in stored.items()} == {k: k for k in stored}
    assert float(stored["trace"].layer_trace.sum()) == pytest.approx(found["trace"]["value"])
    assert found["density"]["smallest"] < 0 < found["density"]["largest"]
    assert {"mass", "moment"} <= {check["name"] for check in found["density"]["checks"]}
    rows = found["layers"]["rows"]
    assert [row["name"] for row in rows][:3] == ["conv1", "bn1", "layer1.0.conv1"]
    assert [row["kind"] for row in rows][-1] == "dense"
    assert sum(row["parameters"] for row in rows) == found["checkpoint"]["parameters"]
    whole = found["eigenvalues"][0]
    assert all(row["eigenvalue"] <= whole * 1.01 for row in rows)  # a block's is never larger


@pytest.mark.parametrize(
    ("preset", "batch", "k", "decay", "augmented"), [("p1", 128, 1, 0.0, False), ("p2", 16, 5, 5e-4, True)]
)
def test_presets_of_the_papers(run, checkpoint, preset, batch, k, decay, augmented):
    found = run(
        "hessian", checkpoint, "--samples", "128", "--top-k", "1", "--max-products", "8",
        "--protocol", preset, "--spectrum-batches", "1", "--params", "linear.*", "--json",
    ).json  # fmt: skip
    protocol = attribute(results.load(found["spectrum"]["result"]), "protocol")
    assert (found["spectrum"]["batch_size"], found["spectrum"]["k"]) == (batch, k)
    assert protocol["data"]["split"] == "train"
    assert protocol["weight_decay"] == decay
    assert (protocol["data"]["augmentation"] is not None) == augmented
    assert protocol["dropout"] == "fresh"


def test_what_is_asked_for_overrides_a_preset(run, checkpoint):
    found = run(
        "hessian", checkpoint, "--samples", "8", "--top-k", "1", "--max-products", "4", "--protocol", "p2",
        "--spectrum-batch", "4", "--spectrum-k", "1", "--split", "test", "--weight-decay", "0.25", "--json",
    ).json  # fmt: skip
    assert (found["spectrum"]["batch_size"], found["spectrum"]["k"]) == (4, 1)
    assert found["protocol"]["weight_decay"] == 0.25
    assert found["protocol"]["data"]["split"] == "test"


def test_more_memory_is_offered_where_it_saves_time(run, checkpoint, monkeypatch):
    monkeypatch.setattr(graphs, "_LEAST", 0)
    found = run("hessian", checkpoint, *FEW)
    assert found.status == 0
    assert "with --max-memory 1GB the graphs of all samples stay, and a product takes" in found.err
    assert "of all samples stay" not in run("hessian", checkpoint, *FEW, "--max-memory", "1GB").err


def test_memory_is_foretold_and_limited(run, checkpoint, plain):
    assert "a product over 16 samples takes" in plain.err
    assert "memory up to" in plain.err
    same = run("hessian", checkpoint, *FEW, "--max-memory", "1GB").json
    assert same["eigenvalues"] == plain.json["eigenvalues"]
    refused = run("hessian", checkpoint, *FEW, "--max-memory", "1MB")
    assert refused.status == 1
    assert "0.001 GB are too little" in refused.err
    assert "--max-memory" in refused.err
    wrong = run("hessian", checkpoint, *FEW, "--max-memory", "much")
    assert wrong.status == 2
    assert "'much' is not an amount of memory such as 4GB, 16GiB or 500MB" in wrong.err


def test_reduced_precision_is_refused_with_a_reason(run, checkpoint):
    refused = run("hessian", checkpoint, *FEW, "--dtype", "bfloat16")
    assert refused.status != 0
    assert "float32" in refused.err
    assert "drown" in refused.err


def test_a_network_that_draws_random_numbers_is_refused_by_name(run, tmp_path):
    source = (
        "import torch\nfrom torch import nn\n"
        "class Noise(nn.Module):\n"
        "    def forward(self, x):\n        return x + torch.randn_like(x)\n"
        "def make():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10), Noise())\n"
    )
    (tmp_path / "noisy.py").write_text(source)
    import torch

    torch.save({"1.weight": torch.zeros(10, 3072), "1.bias": torch.zeros(10)}, tmp_path / "net.pt")
    refused = run("hessian", tmp_path / "net.pt", "--model", f"{tmp_path / 'noisy.py'}:make", *FEW)
    assert refused.status == 1
    assert "Noise" in refused.err
    assert "random" in refused.err


def test_a_search_begins_with_the_eigenvectors_of_another(run, checkpoint, plain, tmp_path):
    lent = run("hessian", checkpoint, *FEW, "--vectors", "--out", "before.zarr").json
    found = run("hessian", checkpoint, *FEW, "--warm-from", "before.zarr").json
    assert found["start"]["network"] == "tiny"
    assert found["start"]["products"] == lent["hvps"] > found["hvps"]
    assert found["eigenvalues"] == pytest.approx(plain.json["eigenvalues"], rel=1e-3)
    lines = run("hessian", checkpoint, *FEW[:-1], "--warm-from", "before.zarr").out.splitlines()
    assert f"begun with the eigenvectors of tiny, whose search took {lent['hvps']} products" in lines
    without = run("hessian", checkpoint, *FEW, "--out", "without.zarr").json["result"]
    refused = run("hessian", checkpoint, *FEW, "--warm-from", without)
    assert refused.status == 1
    assert "compute it again with `landscape hessian … --vectors`" in refused.err
    assert run("hessian", checkpoint, *FEW, "--warm-from", "nowhere.zarr").status == 1


@pytest.mark.parametrize(("given", "which"), [((), "magnitude"), (("--which", "largest"), "largest")])
def test_an_end_that_is_asked_for_is_that_of_mini_batches_too(run, checkpoint, given, which):
    options = ("--data", "demo", "--samples", 8, "--top-k", 1, "--spectrum", "--spectrum-batch", 4)
    found = run("hessian", checkpoint, *options, *given, "--tolerance", 0.1, "--json").json
    spectrum = results.load(found["spectrum"]["result"])
    assert results.attribute(spectrum, "protocol")["options"]["which"] == which
    assert found["protocol"]["options"]["which"] == "largest"
