"""features: what can be asked for beside variance and Fourier content."""

import numpy as np
import pytest

from landscape import results

DEMO = ("--data", "demo", "--samples", "16")


def test_everything_at_once(run, dropping):
    found = run(
        "features", dropping, *DEMO, "--draws", "3", "--aliasing", "--covariance", "--pictures", "0,2",
        "--channels", "0,1", "--noise", "sign", "--noise-strength", "0.3", "--noise-width", "0.2",
        "--equal-power", "--similarity", "--lesion", "--lesion-of", "layer?.0", "--json",
    ).json  # fmt: skip
    for kind in ("aliasing", "covariance", "maps", "noise", "similarity", "lesion"):
        assert found[kind]["result"] == f"landscape-out/mcd-{kind}.zarr"
        assert results.load(found[kind]["result"]).attrs["kind"] == kind
    dataset = results.load(found["result"])
    assert found["protocol"]["dropout"] == "fresh"
    assert dataset.attrs["draws"] == 3
    model = [layer["model_variance"] for layer in found["layers"]]
    assert model == dataset.model_variance.values.tolist()
    assert model[0] == 0  # no dropout in front of the stem
    assert min(model[1:]) > 0
    maps = results.load("landscape-out/mcd-maps.zarr")
    assert (maps.sizes["image"], maps.sizes["channel"]) == (2, 2)
    noise = results.load("landscape-out/mcd-noise.zarr")
    assert (noise.attrs["noise"], noise.attrs["strength"], noise.attrs["width_pi"]) == ("sign", 0.3, 0.2)
    assert noise.attrs["equal_power"] is True
    assert found["noise"]["accuracy"] == noise.accuracy.values.tolist()
    cka = np.array(found["similarity"]["cka"])
    assert cka.shape == (dataset.sizes["layer"],) * 2
    assert np.diagonal(cka) == pytest.approx(1)
    assert found["lesion"]["blocks"] == ["layer1.0", "layer2.0", "layer3.0"]
    assert len(found["aliasing"]["after"]) == 2


def test_two_networks_are_compared_layer_by_layer(run, dropping, checkpoint):
    found = run("features", checkpoint, *DEMO, "--with", dropping, "--json").json["similarity"]
    assert len(found["layer_a"]) == 4
    assert len(found["layer_b"]) == 7
    assert results.load(found["result"]).attrs["network_b"] == "mcd"


def test_smoothing_that_is_put_in_is_measured_and_named(run, checkpoint):
    plain = run("features", checkpoint, *DEMO, "--json").json
    found = run("features", checkpoint, *DEMO, "--smooth", "blur", "--json").json
    assert found["checkpoint"]["name"] == "tiny+blur"
    assert found["checkpoint"]["surgery"].startswith("blur@")
    assert found["checkpoint"]["sha256"] == plain["checkpoint"]["sha256"]
    kinds = [layer["kind"] for layer in found["layers"]]
    assert kinds.count("smoothing") == 3
    after = next(i for i, kind in enumerate(kinds) if kind == "smoothing")
    variance = [layer["spatial_variance"] for layer in found["layers"]]
    assert variance[after] < variance[after - 1]
    assert variance[:after] == pytest.approx([each["spatial_variance"] for each in plain["layers"][:after]])


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        (("--pictures", "x"), 2, "is not a list of whole numbers"),
        (("--pictures", "99"), 1, "99"),
        (("--smooth", "blurr"), 2, "unknown surgery 'blurr'"),
        (("--smooth", "blur@nowhere"), 1, "nowhere"),
        (("--noise", "gaussian", "--noise-strength", "-1"), 1, "strength"),
    ],
)
def test_what_cannot_be_is_explained(run, checkpoint, options, status, text):
    outcome = run("features", checkpoint, *DEMO, *options)
    assert outcome.status == status
    assert text in outcome.err
    assert "Traceback" not in outcome.err
    assert "unexpected" not in outcome.err
