"""Directions: drawn from seed and index alone, along eigenvectors, and unchanged by a trip to disk."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from landscape import hessian
from landscape.errors import LandscapeError
from landscape.hessian.operators import Operator
from landscape.objective import Objective
from landscape.parameters import dot, filter_norms, norm, shifted
from landscape.surface import filter_normalised, random_directions
from landscape.surface.directions import Directions, random
from landscape.surface.norms import NORMS, UNITS, normalised
from landscape.surface.stored import as_arrays, from_arrays, from_eigenvectors
from tests import references
from tests.cases import BY_NAME, CASES, random_like
from tests.rescaled import LAYERS, NORMALISED, twins

DTYPES = (torch.float64, torch.float32)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_filter_normalisation_against_a_loop(case):
    weights = case.objective().free
    direction = random_like(weights)
    scaled = filter_normalised(direction, weights)
    expected = references.filter_normalised(direction, weights)
    assert list(scaled) == list(weights)
    for name in weights:
        torch.testing.assert_close(scaled[name], expected[name], rtol=1e-12, atol=1e-12)
        assert scaled[name].dtype == weights[name].dtype


def test_biases_and_batchnorm_get_no_direction():
    weights = BY_NAME["conv-bn"].objective().free
    scaled = filter_normalised(random_like(weights), weights)
    flat = [name for name, value in weights.items() if value.dim() < 2]
    assert flat == ["0.bias", "1.weight", "1.bias", "4.bias"]
    assert all(torch.count_nonzero(scaled[name]) == 0 for name in flat)


def test_zero_filters_stay_zero():
    weights = {"w": torch.randn(3, 4, generator=torch.Generator().manual_seed(0))}
    direction = random_like(weights)
    weights["w"][1] = 0
    direction["w"][2] = 0
    scaled = filter_normalised(direction, weights)["w"]
    assert torch.count_nonzero(scaled[1]) == torch.count_nonzero(scaled[2]) == 0
    assert scaled[0].norm() == pytest.approx(float(weights["w"][0].norm()))
    assert torch.isfinite(scaled).all()


def test_the_scale_of_the_gaussian_does_not_matter_and_nothing_is_changed():
    weights = BY_NAME["conv"].objective().free
    direction = random_like(weights)
    copies = {name: value.clone() for name, value in direction.items()}
    once = filter_normalised(direction, weights)
    twice = filter_normalised({name: 1e6 * value for name, value in direction.items()}, weights)
    for name in weights:
        torch.testing.assert_close(once[name], twice[name], rtol=1e-12, atol=0)
        assert torch.equal(direction[name], copies[name])


def test_the_same_seed_gives_the_same_directions():
    objective = BY_NAME["resnet20"].objective(params="*")
    state = torch.get_rng_state()
    first, second = (random_directions(objective, seed=3) for _ in range(2))
    other = random_directions(objective, seed=4)
    for i in range(2):
        assert all(torch.equal(first[i][name], second[i][name]) for name in first[i])
        assert not torch.equal(first[i]["conv1.weight"], other[i]["conv1.weight"])
    assert torch.equal(torch.get_rng_state(), state)


def test_both_precisions_share_the_directions():
    case = BY_NAME["resnet20"]
    double, single = (random_directions(case.objective(dtype=d)) for d in (torch.float64, torch.float32))
    for i in range(2):
        for name in double[i]:
            assert single[i][name].dtype == torch.float32
            torch.testing.assert_close(single[i][name].double(), double[i][name], rtol=1e-5, atol=1e-6)


def test_a_direction_does_not_depend_on_the_count():
    objective = BY_NAME["conv"].objective()
    few, many = (random_directions(objective, count=count) for count in (1, 4))
    assert len(many) == 4
    assert all(torch.equal(few[0][name], many[0][name]) for name in few[0])


def test_directions_are_independent_of_each_other():
    objective = BY_NAME["resnet20"].objective(params="*")
    first, second = random_directions(objective)
    assert abs(float(dot(first, second) / (norm(first) * norm(second)))) < 0.1


def test_only_free_parameters_get_a_direction():
    objective = BY_NAME["subset"].objective()
    assert list(random_directions(objective)[0]) == ["0.weight", "1.weight", "1.bias"]


def test_a_negative_seed_is_an_error():
    with pytest.raises(LandscapeError, match="seed of the directions is -1"):
        random_directions(BY_NAME["conv"].objective(), seed=-1)


def test_the_defaults_are_those_of_the_first_release_to_the_last_bit():
    objective = BY_NAME["conv-bn"].objective(dtype=torch.float32)
    for index, direction in enumerate(random_directions(objective, seed=3, count=3)):
        state = np.random.SeedSequence((3, index)).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(state[0] >> 1))
        for name, weight in objective.free.items():
            d = torch.randn(weight.shape, generator=generator, dtype=torch.float64).to(weight)
            if d.dim() < 2:
                d = torch.zeros_like(d)
            else:
                norms = filter_norms(d)
                d = d * torch.where(norms > 0, filter_norms(weight) / norms, torch.zeros_like(norms))
            assert torch.equal(direction[name], d)


def test_the_default_directions_as_numbers():
    second = random_directions(BY_NAME["conv-bn"].objective(), seed=0)[1]["0.weight"].flatten()
    expected = [-0.12734142692968442, -0.22180915928836925, -0.40895572591359397]
    np.testing.assert_allclose(second[:3], expected, rtol=1e-12)


def test_random_gives_the_default_directions_with_their_description():
    objective = BY_NAME["conv"].objective()
    drawn = random(objective, seed=3)
    for vector, expected in zip(drawn.vectors, random_directions(objective, seed=3), strict=True):
        assert all(torch.equal(vector[name], expected[name]) for name in expected)
    assert drawn.lengths == tuple(float(norm(v)) for v in drawn.vectors)
    assert drawn.cosine == pytest.approx(float(dot(*drawn.vectors)) / np.prod(drawn.lengths))
    assert json.loads(json.dumps(drawn.describe())) == {
        "kind": "random",
        "norm": "filter",
        "seed": 3,
        "count": 2,
        "origin": "the network's weights",
        "units": "filter norms",
        "labels": ["random direction 1", "random direction 2"],
        "orthogonal": False,
        "include_1d": False,
        "repeat": 0,
    }


def test_each_norm_of_random_directions():
    objective = BY_NAME["conv-bn"].objective()
    gaussian = random(objective, norm="none").vectors[0]
    assert torch.count_nonzero(gaussian["0.bias"]) > 0
    for name in NORMS:
        drawn = random(objective, norm=name, count=1)
        expected = normalised(gaussian, objective.free, name)
        assert all(torch.equal(drawn.vectors[0][key], expected[key]) for key in expected)
        assert (drawn.norm, drawn.units, drawn.cosine) == (name, UNITS[name], None)
    moved = random(objective, include_1d=True).vectors[0]["0.bias"]
    assert float(moved.norm()) == pytest.approx(float(objective.free["0.bias"].norm()))


def test_repeats_are_pairs_of_their_own():
    objective = BY_NAME["conv"].objective()
    many = random_directions(objective, count=6)
    for repeat in range(3):
        pair = random(objective, repeat=repeat).vectors
        assert torch.equal(pair[0]["0.weight"], many[2 * repeat]["0.weight"])
        assert torch.equal(pair[1]["0.weight"], many[2 * repeat + 1]["0.weight"])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**40), overlap=st.floats(-1e4, 1e4), dtype=st.sampled_from(DTYPES))
def test_orthogonalised(seed: int, overlap: float, dtype: torch.dtype):
    like = {"w": torch.empty(3, 4, dtype=dtype), "b": torch.empty(3, dtype=dtype)}
    first, rest = random_like(like, seed), random_like(like, seed + 1)
    second = {name: rest[name] + overlap * first[name] for name in like}
    before = Directions((first, second))
    after = before.orthogonalised()
    single = dtype == torch.float32
    assert abs(after.cosine) < (1e-7 if single else 1e-15)
    assert after.lengths == pytest.approx(before.lengths, rel=1e-6 if single else 1e-12)
    assert after.vectors[0] is first
    assert after.vectors[1]["w"].dtype == dtype
    assert after.describe()["orthogonal"] is True
    plane = torch.stack([references.flat(v) for v in (first, second, after.vectors[1])])
    assert float(torch.linalg.svdvals(plane)[2]) < (1e-5 if single else 1e-11) * before.lengths[1]


def test_orthogonal_on_request():
    objective = BY_NAME["conv"].objective()
    assert abs(random(objective, orthogonal=True).cosine) < 1e-15
    line = random(objective, orthogonal=True, count=1)
    assert line.describe()["orthogonal"] is False


def losses(objective, directions) -> list[float]:
    points = [((0.4, d),) for d in directions] + [((-0.7, directions[0]), (0.5, directions[1]))]
    return [objective.value(shifted(objective.parameters, *steps)).nll for steps in points]


SCALE_FREE = [(layer, norm) for layer in LAYERS for norm in ("filter", "weight")]
SCALE_FREE += [(layer, norm) for layer in NORMALISED for norm in ("filter", "weight", "layer")]


@settings(max_examples=40, deadline=None)
@given(case=st.sampled_from(SCALE_FREE), seed=st.integers(0, 99))
def test_rescaled_filters_do_not_change_the_losses_along_directions(case: tuple, seed: int):
    layer, norm = case
    first, second = twins(layer, seed)
    expected, found = (losses(each, random(each, norm=norm, seed=seed).vectors) for each in (first, second))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert np.ptp([first.value().nll, *expected]) > 1e-3


@pytest.mark.parametrize("layer", ["ConvTranspose1d", "ConvTranspose2d", "grouped ConvTranspose2d"])
def test_along_dimension_0_transposed_filters_would_change_them(layer: str):
    found = []
    for objective in twins(layer, 1):
        gaussian = random(objective, norm="none").vectors
        found.append(losses(objective, [filter_normalised(d, objective.free) for d in gaussian]))
    assert np.abs(np.subtract(*found)).max() > 1e-3


def test_what_is_pruned_does_not_move():
    objective, _ = twins("pruned Conv2d", 0)
    mask = objective.network.module[0].weight_mask
    for name in NORMS:
        moved = random(objective, norm=name).vectors[0]["0.weight_orig"]
        assert bool((moved[mask == 0] == 0).all()) == (name != "paper")
        assert torch.count_nonzero(moved) >= mask.sum()


class Tokens(nn.Linear):
    """A weight among parameters that act like biases and BatchNorm, and a matrix of somebody's own."""

    def __init__(self) -> None:
        super().__init__(4, 3)
        self.pos_embed = nn.Parameter(torch.ones(1, 4))
        self.layer_scale = nn.Parameter(torch.ones(3, 1, 1))
        self.matrix = nn.Parameter(torch.eye(4))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward((x + self.pos_embed) @ self.matrix) * self.layer_scale.flatten()

    def objective(self, **options: str) -> Objective:
        inputs = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
        return Objective(parametrizations.weight_norm(self), (inputs, torch.arange(3)), **options)


def test_what_acts_like_biases_and_batchnorm_stays_unless_all_moves():
    objective = Tokens().objective()
    drawn = random(objective)
    moved = {name for name, value in drawn.vectors[0].items() if torch.count_nonzero(value)}
    assert moved == {"matrix", "parametrizations.weight.original1"}
    assert drawn.describe()["assumed_filters"] == ["matrix"]
    assert "assumed_filters" not in random(objective, norm="layer").describe()
    every = random(objective, include_1d=True).vectors[0]
    assert all(torch.count_nonzero(value) for value in every.values())
    assert float(every["layer_scale"].norm()) == pytest.approx(3**0.5)


def test_nothing_but_what_acts_like_them_is_explained():
    objective = Tokens().objective(params="pos_embed,layer_scale,*original0,bias")
    with pytest.raises(
        LandscapeError, match="nor do other gains and position embeddings; choose weights too"
    ):
        random(objective)
    paper = random(objective, norm="paper").vectors[0]  # as in the authors' code, by dimensions and names
    assert torch.count_nonzero(paper["layer_scale"]) == 3
    assert torch.count_nonzero(paper["pos_embed"]) == torch.count_nonzero(paper["bias"]) == 0


def eigenvectors(objective, **options):
    return hessian.top_eigenvalues(Operator(objective, **options), k=3, vectors=True, seed=0)


def test_directions_along_eigenvectors():
    objective = BY_NAME["conv-bn"].objective()
    saved = eigenvectors(objective)
    directions = from_eigenvectors(saved, objective, ranks=(1, 3))
    assert list(directions.vectors[0]) == list(objective.free)
    for vector, rank in zip(directions.vectors, (1, 3), strict=True):
        product = references.flat(objective.hvp(vector))
        expected = float(saved.eigenvalue.sel(rank=rank)) * references.flat(vector)
        torch.testing.assert_close(product, expected, rtol=0, atol=1e-2)
    assert directions.lengths == pytest.approx((1, 1))
    assert abs(directions.cosine) < 1e-8
    assert (directions.units, directions.labels) == ("‖Δw‖", ("eigenvector 1", "eigenvector 3"))
    scaled = from_eigenvectors(saved, objective, ranks=[2], norm="filter")
    assert scaled.units == "filter norms"
    assert float(scaled.vectors[0]["4.weight"].norm()) == pytest.approx(
        float(objective.free["4.weight"].norm())
    )


def test_eigenvectors_in_filter_coordinates_leave_biases_alone():
    objective = BY_NAME["conv-bn"].objective()
    saved = eigenvectors(objective, coordinates="filter")
    with pytest.raises(LandscapeError, match="in raw coordinates"):
        from_eigenvectors(saved, objective)
    protocol = json.dumps({"options": {"coordinates": "filter"}})
    directions = from_eigenvectors(saved.assign_attrs(protocol=protocol), objective)
    weights = [value for value in directions.vectors[0].values() if value.dim() > 1]
    assert torch.equal(torch.cat([w.flatten() for w in weights]), torch.from_numpy(saved.vector.values[0]))
    assert torch.count_nonzero(directions.vectors[0]["0.bias"]) == 0
    assert directions.units == "lengths in filter coordinates"


def test_eigenvectors_in_filter_coordinates_leave_what_acts_like_biases_alone():
    objective = Tokens().objective(params="!matrix")
    saved = eigenvectors(objective, coordinates="filter")
    protocol = json.dumps({"options": {"coordinates": "filter"}})
    (direction,) = from_eigenvectors(saved.assign_attrs(protocol=protocol), objective, ranks=[1]).vectors
    moved = [name for name, value in direction.items() if torch.count_nonzero(value)]
    assert moved == ["parametrizations.weight.original1"]


def test_eigenvectors_that_do_not_fit_are_explained():
    objective = BY_NAME["conv"].objective()
    saved = eigenvectors(objective)
    with pytest.raises(LandscapeError, match=r"landscape hessian … --vectors"):
        from_eigenvectors(saved.drop_vars("vector"), objective)
    with pytest.raises(LandscapeError, match=r"the ranks \[1, 4\] are asked for; choose different ones of"):
        from_eigenvectors(saved, objective, ranks=(1, 4))
    with pytest.raises(LandscapeError, match=r"\[2, 2\]"):
        from_eigenvectors(saved, objective, ranks=(2, 2))
    with pytest.raises(LandscapeError, match=r"the eigenvectors have 69 entries, .* have 54 in raw"):
        from_eigenvectors(saved, BY_NAME["conv"].objective(params="0.weight"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("moved", [False, True])
def test_directions_go_to_disk_and_back(tmp_path, dtype: torch.dtype, moved: bool):
    objective = BY_NAME["resnet20"].objective(dtype=dtype)
    directions = random(objective, seed=2)
    if moved:
        directions = dataclasses.replace(directions, origin=objective.parameters)
    surface = xr.Dataset({"nll": (("y", "x"), np.ones((2, 2)))}).assign(as_arrays(directions))
    surface.to_zarr(tmp_path / "s", consolidated=False)
    dataset = xr.open_zarr(tmp_path / "s", consolidated=False)
    assert dataset.direction.dims == ("axis", "parameter")
    assert dataset.direction.dtype == str(dtype).removeprefix("torch.")
    for back in (from_arrays(dataset), from_arrays(as_arrays(directions), objective.free)):
        for vector, expected in zip(back.vectors, directions.vectors, strict=True):
            assert list(vector) == list(expected)
            assert all(torch.equal(vector[name], expected[name]) for name in expected)
        assert back.describe() == directions.describe()
        assert back.digest() == directions.digest()
        assert (back.origin is not None) == moved


def test_stored_directions_serve_another_network_of_the_same_shape():
    first, second = (BY_NAME["conv"].objective(dtype=dtype) for dtype in DTYPES)
    lent = from_arrays(as_arrays(random(first)), second.free)
    assert lent.vectors[0]["0.weight"].dtype == torch.float32
    torch.testing.assert_close(
        lent.vectors[0]["0.weight"].double(), random(first).vectors[0]["0.weight"], rtol=1e-6, atol=0
    )


def test_stored_directions_that_do_not_fit_are_explained():
    arrays = as_arrays(random(BY_NAME["conv"].objective()))
    with pytest.raises(LandscapeError, match=r"has a tensor '0.weight' that the network's free parameters"):
        from_arrays(arrays, BY_NAME["resnet20"].objective().free)
    free = BY_NAME["conv"].objective().free
    with pytest.raises(LandscapeError, match=r"'0.bias' has shape \(3,\) in the stored direction, \(4,\) in"):
        from_arrays(arrays, free | {"0.bias": torch.zeros(4)})
    with pytest.raises(LandscapeError, match="lacks the tensor 'more' of the network's free parameters"):
        from_arrays(arrays, free | {"more": torch.zeros(4)})
    with pytest.raises(LandscapeError, match="holds no directions"):
        from_arrays(xr.Dataset())
    arrays["direction"] = arrays["direction"].isel(parameter=slice(5))
    with pytest.raises(LandscapeError, match="damaged"):
        from_arrays(arrays)


def test_a_digest_tells_directions_apart():
    objective = BY_NAME["conv"].objective()
    digests = {random(objective, seed=seed, count=count).digest() for seed in range(2) for count in (1, 2)}
    assert len(digests) == 4
    strided = dataclasses.replace(random(objective), vectors=_channels_last(random(objective).vectors))
    assert strided.digest() == random(objective).digest()


def _channels_last(vectors):
    last = torch.channels_last
    return tuple(
        {n: t.contiguous(memory_format=last) if t.dim() == 4 else t for n, t in v.items()} for v in vectors
    )


W = {"w": torch.ones(2, 2)}


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Directions(()), "one direction makes a line, two make a plane; got 0"),
        (lambda: Directions((W, W, W)), "got 3"),
        (lambda: Directions((W,), kind="magic"), "kind of directions is 'magic'"),
        (lambda: Directions((W, {"v": torch.ones(2, 2)})), "direction 2 has a tensor 'v' that direction 1"),
        (lambda: Directions((W,), {"w": torch.ones(2)}), "(2,) in the origin"),
        (lambda: Directions((W, {"w": torch.full((2, 2), torch.nan)})), "direction 2 has the length nan"),
        (lambda: Directions((W, {"w": -2 * W["w"]})).orthogonalised(), "are parallel"),
        (lambda: random(BY_NAME["conv"].objective(), repeat=-1), "repeat of the directions is -1"),
        (lambda: random(BY_NAME["conv"].objective(), seed=-2), "seed of the directions is -2"),
        (lambda: random(BY_NAME["conv"].objective(), norm="no"), "norm of the directions is 'no'"),
        (lambda: random(BY_NAME["conv"].objective(), count=3), "got 3"),
        (
            lambda: random(BY_NAME["conv"].objective(params="*bias")),
            "names biases and BatchNorm only, which get no filter direction",
        ),
    ],
)
def test_impossible_directions_are_explained(make, text: str):
    with pytest.raises(LandscapeError) as caught:
        make()
    assert text in str(caught.value)
