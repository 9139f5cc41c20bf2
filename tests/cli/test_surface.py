"""surface: every option reaches the numbers, and what cannot be is said."""

import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from landscape import checkpoint as checkpoints
from landscape import results, surface
from landscape.analyses import Settings
from landscape.zoo import build, parse
from tests.build import USUAL
from tests.build import checkpoint as checkpoint_of

SMALL = ("--data", "demo", "--samples", "16", "--steps", "3", "--span", "0.2", "--json")
SPEC = "cifar-resnet8:width=4"


def moved(path, seed, *, spec=SPEC, size=0.1):
    """The tiny network a little further on, with BatchNorm statistics of its own."""
    generator = torch.Generator().manual_seed(seed)

    def move(module):
        for value in module.parameters():
            value += size * value.std(correction=0) * torch.randn(value.shape, generator=generator)
        for name, value in module.named_buffers():
            if name.endswith("running_mean"):
                value += 0.05 * torch.randn(value.shape, generator=generator)

    return checkpoint_of(path, spec, change=move, normalisation=USUAL)


@pytest.fixture(scope="module")
def dropping(tmp_path_factory):
    return moved(tmp_path_factory.mktemp("dropout") / "mc.safetensors", 0, spec=f"{SPEC},dropout=0.2")


def measured(run, checkpoint, *options):
    """JSON and dataset."""
    found = run("surface", checkpoint, *SMALL, *options).json
    return found, results.load(found["result"])


def objective(path, **changes):
    settings = Settings(**{"data": "demo", "samples": 16, "device": "cpu"} | changes)
    return settings.objective(checkpoints.load(path))


def checks(found):
    return {check["name"]: check["passed"] for check in found["checks"]}


def test_a_line(run, checkpoint):
    found, dataset = measured(run, checkpoint, "--line")
    assert dataset.nll.dims == ("x",)
    assert found["minimum"].keys() == {"x", "nll"}
    assert found["protocol"]["options"]["directions"]["count"] == 1
    assert set(found["roughness"]) == {
        "minima", "significant_minima", "total_persistence", "quadratic_residual",
    }  # fmt: skip
    assert found["roughness"]["minima"] == int(dataset.minima)


def test_a_span_that_is_found(run, checkpoint):
    found, dataset = measured(run, checkpoint, "--span", "auto:2")
    subject = objective(checkpoint)
    assert found["span"] == surface.find_span(subject, surface.random(subject), rise=2.0)
    ends = [float(dataset.nll.isel({axis: i, other: 1})) for axis, other in ("xy", "yx") for i in (0, 2)]
    assert 2 <= np.mean(ends) / found["center"]["nll"] < 4
    assert found["span"] < measured(run, checkpoint, "--span", "auto")[0]["span"]


@pytest.mark.parametrize("norm", ["filter", "layer", "weight", "none", "paper"])
def test_norms(run, checkpoint, norm):
    found, dataset = measured(run, checkpoint, "--norm", norm, "--span", "0.01", "--line")
    directions = surface.random(objective(checkpoint), norm=norm, count=1)
    assert float(dataset.x_norm) == pytest.approx(directions.lengths[0], rel=1e-6)
    assert dataset.x.attrs["units"] == found["protocol"]["options"]["directions"]["units"] == directions.units


def test_orthogonal_and_one_dimensional_directions(run, checkpoint):
    stored = {
        options: surface.from_arrays(measured(run, checkpoint, *options)[1])
        for options in ((), ("--orthogonal",), ("--include-1d",))
    }
    assert abs(stored["--orthogonal",].cosine) < 1e-6 < abs(stored[()].cosine)
    still = [float(stored[key].vectors[0]["bn1.weight"].norm()) for key in ((), ("--include-1d",))]
    assert still[0] == 0 < still[1]


def test_directions_of_a_saved_surface(run, checkpoint, tmp_path):
    first, lent = measured(run, checkpoint, "--seed", 5, "--out", "first.zarr")
    again, same = measured(run, checkpoint, "--directions-from", "first.zarr", "--out", "again.zarr")
    assert np.array_equal(same.nll, lent.nll)
    assert again["protocol"]["options"]["directions"] == first["protocol"]["options"]["directions"]
    other, dataset = measured(run, moved(tmp_path / "b.safetensors", 1), "--directions-from", "first.zarr")
    assert dataset.direction.equals(lent.direction)
    assert other["center"]["nll"] != first["center"]["nll"]


def test_directions_between_two_networks_start_at_a_third_ones_own_weights(run, checkpoint, tmp_path):
    two, three = (moved(tmp_path / f"{name}.safetensors", seed) for seed, name in enumerate("bc", 1))
    measured(run, checkpoint, "--through", two, "--steps", 3, "--out", "ab.zarr")
    found, dataset = measured(run, three, "--directions-from", "ab.zarr", "--steps", 3)
    assert found["center"]["nll"] == pytest.approx(objective(three).value().nll, rel=1e-6)
    assert float(dataset.nll.sel(x=0)) == pytest.approx(objective(three).value().nll, rel=1e-5)


def test_networks_of_other_functions_are_not_joined(run, checkpoint, tmp_path):
    other = moved(tmp_path / "b.safetensors", 1, spec=f"{SPEC},prob=relu6,kernel=1")
    done = run("surface", checkpoint, "--through", other, "--steps", 3)
    assert done.status == 1
    assert "have different architectures" in done.err


def test_directions_along_eigenvectors(run, checkpoint):
    shared = ("--params", "linear.*", "--dtype", "float64")  # where the loss is smooth
    options = ("--data", "demo", "--samples", "16", "--top-k", "2", "--vectors", "--out", "eigen.zarr")
    assert run("hessian", checkpoint, *shared, *options).status == 0
    eigen = results.load("eigen.zarr")
    given = ("--directions-from", "eigen.zarr", "--span", "0.01")
    found, dataset = measured(run, checkpoint, *shared, *given)
    np.testing.assert_allclose(dataset.direction.values, eigen.vector.values, rtol=1e-6)
    assert float(dataset.x_norm) == pytest.approx(1, rel=1e-5)
    assert dataset.x.attrs == {"long_name": "eigenvector 1", "units": "‖Δw‖"}
    assert checks(found)["eigenvectors"]
    # The curvature along each is its eigenvalue.
    for line, eigenvalue in zip((dataset.sel(y=0), dataset.sel(x=0)), eigen.eigenvalue.values, strict=True):
        low, middle, high = line.nll.values
        assert (low + high - 2 * middle) / 0.01**2 == pytest.approx(eigenvalue, rel=0.01)


def torch_loop(path, vectors, coordinates):
    """Loss at each point, as anybody would write it in PyTorch."""
    network = checkpoints.load(path)
    module = network.module.eval()
    start = [value.detach().clone() for value in module.parameters()]
    inputs, targets = Settings(data="demo", samples=16).load_samples().batch(0, 16)
    grid = np.empty((len(coordinates),) * 2)
    with torch.no_grad():
        for row, y in enumerate(coordinates):
            for column, x in enumerate(coordinates):
                for value, w, delta, eta in zip(module.parameters(), start, *vectors, strict=True):
                    value.copy_(w + x * torch.from_numpy(delta) + y * torch.from_numpy(eta))
                logits = module((inputs - 0.5) / 0.25)
                grid[row, column] = float(F.cross_entropy(logits.double(), targets))
    return grid


@pytest.mark.parametrize("axes", [1, 2])
def test_directions_of_loss_landscape_give_the_surface_of_a_plain_loop(run, checkpoint, tmp_path, axes):
    rng = np.random.default_rng(0)
    shapes = [tuple(value.shape) for value in build(parse(SPEC)).parameters()]
    vectors = [[0.02 * rng.standard_normal(shape).astype(np.float32) for shape in shapes] for _ in range(2)]
    with h5py.File(tmp_path / "d.h5", "w") as file:
        for name, tensors in list(zip(("xdirection", "ydirection"), vectors, strict=True))[:axes]:
            for index, array in enumerate(tensors):
                file.create_dataset(f"{name}/{index}", data=array)
    found, dataset = measured(run, checkpoint, "--directions-from", "d.h5", "--steps", 5, "--span", 1)
    expected = torch_loop(checkpoint, vectors, np.linspace(-1, 1, 5))
    expected = expected if axes == 2 else expected[2]
    assert expected.max() > 1.15 * expected.min()
    np.testing.assert_allclose(dataset.nll.values, expected, rtol=1e-5)
    assert found["protocol"]["options"]["directions"]["kind"] == "file"


def test_through_another_checkpoint(run, checkpoint, tmp_path):
    other = moved(tmp_path / "b.safetensors", 1)
    found, dataset = measured(run, checkpoint, "--through", other, "--span", "0.5", "--steps", 5)
    assert dataset.x.values.tolist() == [-0.5, 0, 0.5, 1, 1.5]
    assert dataset.marked.values.tolist() == ["tiny", "b"]
    assert dataset.marked_x.values.tolist() == [0, 1]
    here = objective(checkpoint)
    assert float(dataset.nll.sel(x=0)) == pytest.approx(here.value().nll, rel=1e-5)
    # The other one's weights, under the statistics of this one.
    lent = here.value(dict(checkpoints.load(other).module.named_parameters()))
    assert float(dataset.nll.sel(x=1)) == pytest.approx(lent.nll, rel=1e-5)
    assert abs(lent.nll - objective(other).value().nll) > 1e-4
    first, second = found["marks"]
    assert [(mark["name"], mark["x"]) for mark in found["marks"]] == [("tiny", 0), ("b", 1)]
    assert set(second) == {"name", "x", "nll", "own_nll"}
    assert first["nll"] == first["own_nll"] == here.value().nll
    assert second["nll"] == pytest.approx(lent.nll, rel=1e-5)
    assert second["own_nll"] == objective(other).value().nll
    assert checks(found)["statistics"] is False
    found, _ = measured(run, checkpoint, "--through", other, "--batch-norm", "recalibrate")
    assert "statistics" not in checks(found)


def test_through_two_other_checkpoints(run, checkpoint, tmp_path):
    others = [moved(tmp_path / f"{name}.safetensors", seed) for seed, name in enumerate("bc", 1)]
    found, dataset = measured(
        run, checkpoint, "--through", others[0], "--through", others[1], "--span", 0, "--dtype", "float64"
    )
    assert dataset.marked.values.tolist() == ["tiny", "b", "c"]
    places = np.stack([dataset.marked_x, dataset.marked_y], 1)
    assert places[:2].tolist() == [[0, 0], [1, 0]]
    here = objective(checkpoint, dtype="float64")
    for place, path in zip(places[1:], others, strict=True):
        theta = dict(checkpoints.load(path).module.named_parameters())
        value = float(dataset.nll.sel(x=place[0], y=place[1]))
        assert value == pytest.approx(here.value(theta).nll, rel=1e-6)
    assert found["protocol"]["options"]["marks"] == dict(
        zip(["tiny", "b", "c"], places.tolist(), strict=True)
    )
    assert [[mark["x"], mark["y"]] for mark in found["marks"]] == places.tolist()
    for mark, path in zip(found["marks"], (checkpoint, *others), strict=True):
        theta = dict(checkpoints.load(path).module.named_parameters())
        assert mark["nll"] == pytest.approx(here.value(theta).nll, rel=1e-6)
        assert mark["own_nll"] == objective(path, dtype="float64").value().nll
    assert dataset.x.attrs["units"] == "‖b − a‖"


def test_networks_of_one_name_are_told_apart(run, checkpoint, tmp_path):
    (tmp_path / "other").mkdir()
    other = moved(tmp_path / "other" / "tiny.safetensors", 1)
    _, dataset = measured(run, checkpoint, "--through", other)
    assert dataset.marked.values.tolist() == ["tiny (a)", "tiny (b)"]


def test_the_span_around_checkpoints_is_half_their_distance_unless_given(run, checkpoint, tmp_path):
    other = moved(tmp_path / "b.safetensors", 1)
    options = [value for value in SMALL if value not in ("--span", "0.2")]
    found = run("surface", checkpoint, *options, "--through", other).json
    assert results.load(found["result"]).x.values.tolist() == [-0.5, 0.5, 1.5]


def test_a_mark_between_points_is_measured_there(run, checkpoint, tmp_path):
    other = moved(tmp_path / "b.safetensors", 1)
    found, dataset = measured(run, checkpoint, "--through", other, "--span", "0.4", "--steps", 3)
    assert dataset.x.values.tolist() == pytest.approx([-0.4, 0.5, 1.4])
    lent = objective(checkpoint).value(dict(checkpoints.load(other).module.named_parameters()))
    assert found["marks"][1]["nll"] == pytest.approx(lent.nll, rel=1e-5)
    assert "marks" not in measured(run, checkpoint, "--line")[0]


@pytest.mark.parametrize("mode", ["fixed", "fresh"])
def test_masks(run, dropping, mode):
    _, dataset = measured(run, dropping, "--masks", 3, "--dropout", mode, "--out", "masks.zarr")
    assert dataset.nll.dims == ("mask", "y", "x")
    _, alone = measured(run, dropping, "--dropout", mode)
    assert np.array_equal(dataset.nll.isel(mask=0), alone.nll)
    assert len(np.unique(dataset.nll.sel(x=0, y=0))) == 3


def test_curvature(run, checkpoint):
    options = ("--curvature", "--line", "--samples", 4, "--params", "layer3.*,linear.*")
    found, dataset = measured(run, checkpoint, *options)
    assert set(found["curvature"]) == {"largest", "smallest", "convexity"}
    assert found["curvature"]["largest"] == float(dataset.hessian_largest.max())
    ratio = np.abs(dataset.hessian_smallest / dataset.hessian_largest)
    assert found["curvature"]["convexity"] == float(ratio.max())
    eigen = run(
        "hessian", checkpoint, "--data", "demo", "--samples", 4, "--top-k", 1, "--json",
        "--params", "layer3.*,linear.*",
    ).json  # fmt: skip
    assert float(dataset.hessian_largest.sel(x=0)) == pytest.approx(eigen["eigenvalues"][0], rel=1e-3)
    assert checks(found)["curvature"]


def test_tolerance(run, checkpoint):
    options = ("--samples", 400, "--batch-size", 100, "--tolerance", "0.2", "--line")
    found, dataset = measured(run, checkpoint, *options)
    assert dataset.samples.values.tolist() == [200, 400, 200]
    share = float((dataset.sampling_error / dataset.nll).max())
    assert found["sampling"] == pytest.approx({"standard_error": share, "interval": 4 * share})
    assert checks(found)["tolerance"]
    assert float(dataset.sampling_error.sel(x=0)) == 0
    assert (dataset.sampling_error <= 0.2 * dataset.nll).all()


@pytest.mark.parametrize("mode", ["batch", "recalibrate"])
def test_batch_norm(run, checkpoint, mode):
    found, dataset = measured(run, checkpoint, "--batch-norm", mode, "--line", "--batch-size", 8)
    assert found["protocol"]["batch_norm"] == mode
    subject = objective(checkpoint, batch_norm=mode, micro_batch=8)
    assert float(dataset.nll.sel(x=0)) == subject.value().nll != objective(checkpoint).value().nll


def test_precision(run, checkpoint):
    found, dataset = measured(run, checkpoint, "--precision", "bfloat16", "--line")
    assert found["protocol"]["precision"] == "bfloat16"
    assert found["precision_error"] == float(dataset.precision_error) > 0
    assert checks(found)["precision"]
    full = objective(checkpoint).value().nll
    assert float(dataset.full_nll[0]) == pytest.approx(full, rel=1e-6)
    assert 0 < abs(float(dataset.nll.sel(x=0)) / full - 1) <= found["precision_error"]
