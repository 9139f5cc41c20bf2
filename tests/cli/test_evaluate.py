"""evaluate: ensembles, corruptions, sequences and attacks on request."""

import numpy as np
import pytest

from landscape import results
from tests.build import checkpoint as checkpoint_of

DEMO = ("--data", "demo", "--samples", "16")


def test_an_ensemble_ends_at_the_direct_prediction(run, dropping):
    found = run("evaluate", dropping, *DEMO, "--ensemble", "4", "--json").json["ensemble"]
    direct = run("evaluate", dropping, *DEMO, "--dropout", "ensemble:4", "--json").json
    assert found["size"] == [1, 2, 3, 4]
    assert found["nll"][-1] == pytest.approx(direct["nll"], abs=1e-6)
    assert found["accuracy"][-1] == direct["accuracy"]
    assert found["kind"] == "mc-dropout"


def test_a_deep_ensemble(run, dropping, checkpoint):
    found = run("evaluate", dropping, *DEMO, "--with", checkpoint, "--json").json["ensemble"]
    alone = run("evaluate", dropping, *DEMO, "--json").json
    assert found["kind"] == "deep"
    assert found["size"] == [1, 2]
    assert found["nll"][0] == pytest.approx(alone["nll"], abs=1e-6)


def test_attacks(run, checkpoint):
    found = run(
        "evaluate", checkpoint, *DEMO, "--attack", "--epsilons", "0,4", "--attack-steps", "2", "--json"
    ).json
    assert found["attack"]["epsilon"] == pytest.approx([0, 4 / 255])
    for accuracy in found["attack"]["accuracy"].values():
        assert accuracy[0] == found["accuracy"]


def corrupted_folder(place, count=64):
    """A folder in the layout of CIFAR-10-C, with the embedded test images five times over."""
    from landscape.data import demo

    samples = demo(split="test").take(count)
    images = samples.inputs.permute(0, 2, 3, 1).numpy()
    whole = np.zeros((10_000, 32, 32, 3), np.uint8)
    labels = np.zeros(50_000, np.uint8)
    whole[samples.indices] = images
    labels.reshape(5, -1)[:, samples.indices] = samples.targets.numpy()
    place.mkdir()
    np.save(place / "fog.npy", np.concatenate([whole] * 5))
    np.save(place / "labels.npy", labels)
    return place


def test_a_published_folder_of_the_clean_images_gives_the_clean_scores(run, checkpoint, tmp_path):
    folder = corrupted_folder(tmp_path / "CIFAR-10-C")
    found = run("evaluate", checkpoint, *DEMO, "--corruptions", folder, "--corruption", "fog", "--json").json
    assert found["robustness"]["mean_error"] == pytest.approx(1 - found["accuracy"])
    assert found["robustness"]["mean_nll"] == pytest.approx(found["nll"], rel=1e-5)
    place = found["robustness"]["result"]
    assert results.load(place).sizes["severity"] == 5
    relative = run(
        "evaluate", checkpoint, *DEMO, "--corruptions", folder, "--corruption", "fog", "--reference", place,
        "--out", "again-evaluation.zarr", "--json",
    ).json["robustness"]  # fmt: skip
    assert relative["mce"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        (("--corruptions", "nowhere"), 1, "there is no folder nowhere"),
        (("--consistency", "nowhere"), 1, "there is no folder nowhere"),
        (("--corruptions", ".", "--corrupt"), 2, "give one of them"),
        (("--ensemble", "3"), 1, "3 passes would all be the same"),
        (("--ensemble", "1"), 2, "--ensemble"),
    ],
)
def test_what_cannot_be_is_explained(run, checkpoint, options, status, text):
    outcome = run("evaluate", checkpoint, *DEMO, *options)
    assert outcome.status == status
    assert text in outcome.err
    assert "Traceback" not in outcome.err
    assert "unexpected" not in outcome.err


def test_a_result_of_another_file_of_the_same_name_is_not_replaced_unasked(run, tmp_path):
    paths = [checkpoint_of(tmp_path / folder / "best.safetensors") for folder in ("a", "b")]
    options = (*DEMO, "--json")
    first = run("evaluate", paths[0], *options).json
    done = run("evaluate", paths[1], *options)
    assert done.status == 1
    assert "another file of the name best; give --out" in done.err
    assert run("evaluate", paths[0], *options).json["result"] == first["result"]
    assert run("evaluate", paths[1], *options, "--out", "other.zarr").status == 0
