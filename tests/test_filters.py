"""What each parameter is taken for, layer by layer, and the norms of its filters against loops."""

import copy
import itertools
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm

from landscape import analyses
from landscape.comparison.pairs import apart
from landscape.errors import LandscapeError
from landscape.filters import Role, assumptions, role_of, roles, with_filters
from landscape.objective import Objective
from landscape.parameters import filter_norms


def kinds(module: nn.Module) -> dict[str, str]:
    """Kind of each parameter, and the dimension of its filters."""
    return {
        name: f"{role.kind} {role.dim}/{role.groups}" if role.kind == "filters" else role.kind
        for name, role in roles(module).items()
    }


def one(name: str, *shape: int, **more: tuple[int, ...]) -> nn.Module:
    """A layer of somebody's own."""
    module = nn.Module()
    for each, size in ({name: shape} | more).items():
        module.register_parameter(each, nn.Parameter(torch.randn(size)))
    return module


ROWS = "filters 0/1"
AFFINE = {"weight": "gain", "bias": "bias"}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.Conv1d(2, 4, 3), {"weight": ROWS, "bias": "bias"}),
        (nn.Conv3d(2, 4, 3, groups=2), {"weight": ROWS, "bias": "bias"}),
        (nn.ConvTranspose1d(2, 4, 3), {"weight": "filters 1/1", "bias": "bias"}),
        (nn.ConvTranspose2d(4, 6, 3, groups=2), {"weight": "filters 1/2", "bias": "bias"}),
        (nn.ConvTranspose3d(4, 4, 3, groups=4), {"weight": "filters 1/4", "bias": "bias"}),
        (nn.Linear(3, 1), {"weight": ROWS, "bias": "bias"}),
        (nn.Bilinear(2, 3, 4), {"weight": ROWS, "bias": "bias"}),
        (nn.Embedding(5, 1), {"weight": ROWS}),
        (nn.EmbeddingBag(5, 2), {"weight": ROWS}),
        (nn.GRUCell(2, 3, bias=False), {"weight_ih": ROWS, "weight_hh": ROWS}),
        (
            nn.LSTM(2, 3, proj_size=2),
            {"weight_ih_l0": ROWS, "weight_hh_l0": ROWS, "bias_ih_l0": "bias", "bias_hh_l0": "bias"}
            | {"weight_hr_l0": ROWS},
        ),
        (
            nn.MultiheadAttention(4, 2, add_bias_kv=True),
            {"in_proj_weight": ROWS, "in_proj_bias": "bias", "bias_k": "bias", "bias_v": "bias"}
            | {"out_proj.weight": ROWS, "out_proj.bias": "bias"},
        ),
        (
            nn.MultiheadAttention(4, 2, kdim=3, bias=False),
            dict.fromkeys(("q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight"), ROWS),
        ),
        (nn.BatchNorm2d(3), AFFINE),
        (nn.InstanceNorm1d(3, affine=True), AFFINE),
        (nn.GroupNorm(1, 3), AFFINE),
        (nn.LayerNorm((3, 4, 4)), AFFINE),
        (nn.RMSNorm((3, 4)), {"weight": "gain"}),
        (nn.PReLU(3), {"weight": "gain"}),
        (one("gamma", 3), {"gamma": "gain"}),
        (one("layer_scale", 3, 1, 1), {"layer_scale": "gain"}),
        (one("gamma", 1, 3, 1, 1), {"gamma": "gain"}),
        (one("logit_scale"), {"logit_scale": "gain"}),
        (one("cls_token", 1, 1, 4), {"cls_token": "gain"}),
        (one("reg_tokens", 1, 2, 4), {"reg_tokens": "position"}),
        (one("pos_embed", 1, 5, 4), {"pos_embed": "position"}),
        (one("positional_embedding", 5, 4), {"positional_embedding": "position"}),
        (one("rel_pos_h", 5, 4), {"rel_pos_h": "position"}),
        (one("learned", 1, 2, 4, 4), {"learned": "position"}),
        (one("relative_position_bias_table", 9, 2), {"relative_position_bias_table": "bias"}),
        (one("attention_biases", 2, 9), {"attention_biases": "bias"}),
        (one("matrix", 2, 9, row=(1, 4)), {"matrix": ROWS, "row": ROWS}),
        (one("decomposition", 3, 4, token_mixer=(3, 3)), {"decomposition": ROWS, "token_mixer": ROWS}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_roles_by_layer(module: nn.Module, expected: dict[str, str]):
    expected = {name: expected[name] for name, _ in module.named_parameters()}
    assert kinds(module) == expected
    assert list(roles(module)) == list(expected)


class OwnConv(nn.Conv2d):
    """A convolution with a gain, as weight standardisation has it."""

    def __init__(self) -> None:
        super().__init__(2, 3, 1)
        self.gain = nn.Parameter(torch.ones(3, 1, 1, 1))


def test_a_subclass_keeps_the_role_of_its_weight():
    assert kinds(OwnConv()) == {"weight": ROWS, "bias": "bias", "gain": "gain"}
    assert assumptions(roles(OwnConv()), ["weight", "bias", "gain"]) == {}


def test_filters_that_are_only_assumed_are_named():
    module = nn.Sequential(nn.Linear(2, 2), one("matrix", 2, 2, scale=(2,)))
    found = roles(module)
    assert assumptions(found, found) == {"assumed_filters": ["1.matrix"]}
    assert assumptions(found, ["0.weight"]) == {}
    assert role_of("elsewhere", torch.ones(2, 2), found).kind == "filters"
    assert role_of("elsewhere", torch.ones(2), found).kind == "bias"


def test_shared_parameters():
    embedding, linear, transposed = nn.Embedding(4, 4), nn.Linear(4, 4), nn.ConvTranspose1d(4, 4, 1)
    linear.weight = embedding.weight
    assert assumptions(roles(nn.Sequential(embedding, linear)), ["0.weight"]) == {}
    embedding.weight.data = torch.randn(4, 4, 1)
    transposed.weight = embedding.weight
    found = roles(nn.Sequential(embedding, transposed))
    assert (found["0.weight"].dim, found["0.weight"].disputed) == (0, True)
    assert assumptions(found, found) == {"disputed_filters": ["0.weight"]}
    module = nn.Sequential(transposed)
    module.register_parameter("again", transposed.weight)  # named first, by a layer that is not known
    assert (roles(module)["again"].dim, roles(module)["again"].known) == (1, True)


def test_a_layer_under_two_names():
    layer = nn.ConvTranspose2d(2, 2, 1)
    assert kinds(nn.Sequential(layer, nn.ReLU(), layer)) == {"0.weight": "filters 1/1", "0.bias": "bias"}


def test_assumptions_are_in_protocols_and_keep_no_networks_apart():
    objectives = [
        Objective(
            nn.Sequential(nn.Flatten(), nn.Linear(4, 2), *more), (torch.ones(2, 4), torch.tensor([0, 1]))
        )
        for more in ([], [Mixing()])
    ]
    for analysis in (
        partial(analyses.flatness, radii=(0.1,), repeats=1),
        partial(analyses.plane, span=0.1, steps=3, axes=1),
        partial(analyses.trace, probes=2, coordinates="filter"),
    ):
        results = [analysis(objective) for objective in objectives]
        assert ["2.matrix" in result.attrs["protocol"] for result in results] == [False, True]
        assert apart(results) == []


class Mixing(nn.Module):
    """A layer of somebody's own that is used."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.eye(2))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("kernel", [(), (3,), (2, 3)])
def test_norms_of_transposed_filters_against_a_loop(groups: int, kernel: tuple[int, ...]):
    weight = torch.randn(8, 3, *kernel, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = filter_norms(weight, 1, groups)
    assert found.shape == (8, 3, *(1 for _ in kernel))
    each = 8 // groups
    for group, out in itertools.product(range(groups), range(3)):
        part = weight[group * each : (group + 1) * each, out]
        expected = sum(x * x for x in part.flatten().tolist()) ** 0.5
        torch.testing.assert_close(
            found[group * each : (group + 1) * each, out].flatten(), torch.full((each,), expected).double()
        )


def test_norms_of_pairs_of_reals_are_those_of_complex_filters():
    weight = torch.randn(4, 6, 3, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    for dim, groups in ((0, 1), (1, 2)):
        pairs = filter_norms(torch.view_as_real(weight), dim, groups)
        torch.testing.assert_close(pairs.squeeze(-1), filter_norms(weight, dim, groups))
    module = one("bias", 3)
    module.bias.data = module.bias.data.to(torch.complex64)
    assert not with_filters({"bias": torch.view_as_real(module.bias)}, roles(module))


NORMALISERS = {
    "hooks": (weight_norm, ("weight_g", "weight_v")),
    "parametrized": (
        parametrizations.weight_norm,
        ("parametrizations.weight.original0", "parametrizations.weight.original1"),
    ),
}
LAYERS = {
    "conv": lambda: nn.Conv2d(4, 6, 3, groups=2),
    "transposed": lambda: nn.ConvTranspose2d(4, 6, 3, groups=2),
    "linear": lambda: nn.Linear(4, 6),
}


@pytest.mark.parametrize("style", NORMALISERS)
@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("layer", LAYERS)
def test_a_normalised_weight_turns_as_far_as_a_plain_one(layer: str, dim: int | None, style: str):
    """Small changes of v in units of its scale change w as in units of the norms of w's own filters."""
    torch.manual_seed(0)
    plain = LAYERS[layer]().double()
    normalise, (g, v) = NORMALISERS[style]
    module = normalise(copy.deepcopy(plain), dim=dim)
    found = roles(module)
    assert (found[g].kind, found[v].kind, found[v].gain) == ("gain", "filters", g)
    assert roles(nn.Sequential(module))[f"0.{v}"].gain == f"0.{g}"
    weights = {name: p.detach().clone() for name, p in module.named_parameters()}
    weights[v] *= 1 + torch.rand_like(weights[g]) if dim is not None else 3  # the same function
    scale = found[v].scale(v, weights).expand_as(weights[v])

    dims = tuple(i for i in range(weights[v].dim()) if i != dim)

    def weight(value: Tensor) -> Tensor:
        return weights[g] * value / value.square().sum(dims, keepdim=True).sqrt()

    w = plain.weight.detach()
    torch.testing.assert_close(weight(weights[v]), w)
    step = torch.randn_like(w)
    _, moved = torch.func.jvp(weight, (weights[v],), (step * scale,))
    wanted = step * roles(plain)["weight"].scale("weight", {"weight": w})
    along = (w * wanted).sum(dims, keepdim=True) / w.square().sum(dims, keepdim=True)  # only g could do that
    torch.testing.assert_close(moved, wanted - along * w)


def test_weights_normalised_to_nothing_have_no_scale():
    module = parametrizations.weight_norm(nn.Linear(3, 2))
    weights = {name: p.detach().clone() for name, p in module.named_parameters()}
    weights["parametrizations.weight.original0"][1] = 0
    name = "parametrizations.weight.original1"
    scale = roles(module)[name].scale(name, weights)
    assert torch.isfinite(scale).all()
    assert float(scale[0]) > 0 == float(scale[1])


def test_v_without_its_g_is_explained():
    with pytest.raises(LandscapeError, match="the norms of weight_v need weight_g too; give every parameter"):
        Role(gain="weight_g").scale("weight_v", {"weight_v": torch.ones(2, 2)})


def test_spectral_norm_keeps_the_layers_filters():
    for layer, expected in (("conv", ROWS), ("transposed", "filters 1/2"), ("linear", ROWS)):
        old, new = spectral_norm(LAYERS[layer]()), parametrizations.spectral_norm(LAYERS[layer]())
        assert kinds(old)["weight_orig"] == kinds(new)["parametrizations.weight.original"] == expected


def test_a_pruned_weight_is_what_its_mask_leaves():
    layer = nn.Conv2d(2, 3, 2)
    prune.random_unstructured(layer, "weight", 0.5)
    prune.random_unstructured(layer, "bias", 1)
    role = roles(layer)["weight_orig"]
    weight = layer.weight_orig.detach()
    scale = role.scale("weight_orig", {"weight_orig": weight})
    mask = layer.weight_mask
    torch.testing.assert_close(scale, filter_norms(weight * mask) * mask)
    whole = role.scale("weight_orig", {"weight_orig": weight}, whole=True)
    torch.testing.assert_close(whole, (weight * mask).norm() * mask)
    assert torch.equal(role.masked(weight), weight * mask)
    pairs = torch.randn(*weight.shape, 2)
    assert torch.equal(role.masked(pairs), pairs * mask[..., None])
    assert (roles(layer)["bias_orig"].kind, torch.equal(role.mask, mask)) == ("bias", True)


def test_pruned_and_normalised_at_once():
    layer = weight_norm(nn.Linear(4, 3))
    prune.random_unstructured(layer, "weight_v", 0.5)
    role = roles(layer)["weight_v_orig"]
    assert (role.kind, role.gain, role.known) == ("filters", "weight_g", True)
    assert torch.equal(role.mask, layer.weight_v_mask)


class Masking(nn.Module):
    """A parametrization that multiplies."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask


def test_masks_of_other_makers():
    mask = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Masking(mask))
    assert torch.equal(roles(layer)["parametrizations.weight.original"].mask, mask)
    masked = nn.Linear(2, 2)
    masked.register_buffer("mask", mask)
    assert torch.equal(roles(masked)["weight"].mask, mask)
    assert roles(masked)["bias"].mask is None
    masked.mask = torch.tensor([[0.0, -torch.inf], [0.0, 0.0]])  # of attention: it is added
    assert roles(masked)["weight"].mask is None


def test_one_of_several_unknown_originals_is_assumed():
    class Product(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return a @ b

        def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
            return weight, torch.eye(2)

    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Product())
    names = ["parametrizations.weight.original0", "parametrizations.weight.original1"]
    assert assumptions(roles(layer), ["bias", *names]) == {"assumed_filters": names}


def test_names_that_only_look_like_weight_normalisation():
    assert kinds(one("mix_g", 3, 4, mix_v=(3, 4))) == {"mix_g": ROWS, "mix_v": ROWS}
    found = roles(one("mix_g", 3, 1, mix_v=(3, 4)))
    assert (found["mix_g"].kind, found["mix_v"].gain) == ("gain", "mix_g")


def test_a_role_without_filters_takes_the_whole_tensor():
    value = torch.tensor([[3.0], [4.0]])
    assert float(Role("gain").lengths(value)) == 5
