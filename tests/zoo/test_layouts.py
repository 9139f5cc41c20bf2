"""Networks of the zoo under names that others give their layers."""

import re

import pytest
import torch

from landscape.zoo import build, parse
from landscape.zoo.layouts import infer, invisible, renamed, spec_of
from landscape.zoo.parts import parts_of

SPECS = [
    "cifar-resnet14:width=4",
    "cifar-resnet20:width=4,shortcut=B",
    "cifar-preresnet20:width=4,shortcut=conv",
    "resnet18:width=4",
    "resnet18:width=4,head=mlp,hidden=8",
    "resnet50:width=4,stem=imagenet",
    "preresnet18:width=4",
    "vgg11:width=4,head=gap",
    "prevgg11:width=4,hidden=8",
    "cifar-resnet20:width=4,kernel=1-2-1,prob=tanh,stages=1-3",
    "seresnet18:width=4",
    "cbamresnet18:width=4",
    "resnext50:width=4,cardinality=4",
    "wideresnet50:width=4",
    "alexnet:width=4,hidden=8",
    "alexnet:width=4,head=gap,stem=imagenet",
]
STYLES = {
    "own": [],
    "torchvision": [
        (r"^layer0\.0", "conv1"),
        (r"^layer0\.1", "bn1"),
        ("shortcut", "downsample"),
        (r"classifier\.0\.dense|linear$", "fc"),
    ],
    "wrapped": [(r"(conv\d)\.weight", r"\1.0.weight"), (r"bn(\d)\.", r"conv\1.1.")],
    "words": [(r"layer(\d)\.(\d)", r"stages.\1.units.\2"), ("shortcut", "skip"), (r"classifier\.\d", "head")],
}


def shapes(spec, style="own", order=list):
    named = {}
    for name, value in build(parse(spec)).state_dict().items():
        for old, new in STYLES[style]:
            name = re.sub(old, new, name)
        named[name] = tuple(value.shape)
    return {name: named[name] for name in order(named)}


def styled():
    """Specifications with styles; only a convolution in front of its BatchNorm is wrapped with it."""
    return [
        (spec, style)
        for spec in SPECS
        for style in STYLES
        if style != "wrapped" or spec.startswith(("cifar-resnet", "resnet", "se", "cbam", "wide", "resnext"))
    ]


@pytest.mark.parametrize("order", [list, sorted])
@pytest.mark.parametrize(("spec", "style"), styled())
def test_any_names_tell_the_network(spec, style, order):
    found = infer(parts_of(shapes(spec, style, order)))
    assert found is not None
    config, names = found
    assert config == parse(spec)
    expected = dict(zip(shapes(spec), shapes(spec, style), strict=True))
    assert names == expected


@pytest.mark.parametrize("spec", [*SPECS[:3], "resnet18:width=4"])
def test_counters_may_stand_first(spec):
    """As in files of safetensors, which are in the order of types."""

    def by_type(names):
        return sorted(names, key=lambda name: (not name.endswith("num_batches_tracked"), name))

    assert infer(parts_of(shapes(spec, order=by_type)))[0] == parse(spec)


@pytest.mark.parametrize("where", [0, 1])
def test_shortcuts_may_stand_first_or_last_and_need_no_name(where):
    """In the first block of a bottleneck network, the shortcut looks like the last convolution."""
    own = shapes("resnet50:width=4")
    blocks: dict[str, list[str]] = {}
    for name in own:
        blocks.setdefault(".".join(name.split(".")[:2]), []).append(name)
    rows = []
    for names in blocks.values():
        cut = [name for name in names if "shortcut" in name]
        main = [name for name in names if name not in cut]
        rows += [*cut, *main] if where == 0 else [*main, *cut]
    other = {name.replace("shortcut", "extra"): own[name] for name in rows}
    names = renamed(parse("resnet50:width=4"), parts_of(other))
    assert names == {name: name.replace("shortcut", "extra") for name in own}


@pytest.mark.parametrize(
    "change",
    [
        lambda named: named | {"layer1.0.conv1.bias": (4,)},
        lambda named: named | {"extra.weight": (4, 4, 3, 3)},
        lambda named: {k: v for k, v in named.items() if not k.startswith("layer3.2.bn2")},
        lambda named: named | {"conv1.weight": (4, 5, 3, 3)},
        lambda named: named | {"smooth1.0.filter": (4, 1, 3, 3), "smooth2.0.filter": (4, 1, 3, 3)},
    ],
)
def test_other_layers_are_no_network_of_the_zoo(change):
    named = shapes("cifar-resnet20:width=4")
    assert infer(parts_of(change(named))) is None
    assert infer(parts_of(named)) is not None


@pytest.mark.parametrize(
    "spec", [*SPECS, "resnet18:blur,prob=relu6", "vgg16:kernel=1,prob=scale,temperature=3.0"]
)
def test_specifications_read_back(spec):
    assert parse(spec_of(parse(spec))) == parse(spec)


def test_a_renamed_network_computes_the_same():
    spec = "cifar-resnet20:width=4,shortcut=B"
    module = build(parse(spec), seed=3)
    theirs = dict(zip(shapes(spec, "torchvision"), module.state_dict().values(), strict=True))
    _, names = infer(parts_of({name: tuple(value.shape) for name, value in theirs.items()}))
    other = build(parse(spec), seed=4)
    other.load_state_dict({new: theirs[old] for new, old in names.items()})
    image = torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32)
    assert torch.equal(other(image), module(image))


P2_TOKENS = {
    "vit": [
        (r"^patch_embed\.proj", "embedding.0.patch_embedding.1"),
        (r"^cls_token", "embedding.1.cls_token"),
        (r"^pos_embed$", "embedding.2.pos_embedding"),
        (r"^norm\.", "classifier.1."),
    ],
    "mixer": [(r"^stem\.proj", "embedding.0.patch_embedding.1"), (r"^norm\.", "classifier.0.")],
    "both": [
        (r"^blocks", "transformers"),
        (r"attn\.qkv", "attn.to_qkv"),
        (r"attn\.proj", "attn.to_out.0"),
        (r"mlp(_\w+)?\.fc1", r"ff\1.net.0"),
        (r"mlp(_\w+)?\.fc2", r"ff\1.net.3"),
        ("ff_tokens", "ff1"),
        ("ff_channels", "ff2"),
        (r"^head", "classifier.2"),
    ],
}


@pytest.mark.parametrize(
    "spec", ["vit2:width=64,patch=4,dialect=p2,classes=100", "mixer2:width=8,patch=2,image=8,dialect=p2"]
)
def test_the_second_papers_transformers_and_mixers_open_under_its_names(spec):
    config = parse(spec)
    named = {}
    for name, value in build(config).state_dict().items():
        new = name
        for old, word in (*P2_TOKENS[config.architecture], *P2_TOKENS["both"]):
            new = re.sub(old, word, new)
        named[new] = (name, tuple(value.shape))
    found, names = infer(parts_of({new: shape for new, (_, shape) in named.items()}))
    assert found == config
    assert names == {name: new for new, (name, _) in named.items()}
    wrong = {new: shape for new, (_, shape) in named.items()} | {"classifier.2.bias": (3,)}
    assert infer(parts_of(wrong)) is None


def test_the_second_papers_alternet_opens_with_its_specification():
    """Its blocks hold `bn`, `conv1` and Sequentials of BatchNorm, activation and convolution."""
    own = shapes("alternet18:width=4,heads=1,head_dim=2")
    named = {}
    for name in own:
        new = re.sub(r"bn1\.", "bn.", re.sub(r"bn2\.", "conv2.0.", name)) if "layer" in name else name
        named[re.sub(r"conv2\.weight", "conv2.2.weight", new)] = own[name]
    assert len(named) == len(own)
    names = renamed(parse("alternet18:width=4,heads=1,head_dim=2"), parts_of(named))
    assert names == dict(zip(own, named, strict=True))
    assert renamed(parse("alternet18:width=4,heads=2,head_dim=2"), parts_of(named)) is None
    config, found = infer(parts_of(named))
    assert (spec_of(config), found) == ("alternet18:width=4,heads=1,head_dim=2", names)


@pytest.mark.parametrize(
    "spec",
    [
        "alternet18:width=8,heads=2",
        "resnet18:width=4,attend=0-0-1-1,heads=1,head_dim=3,window=2",
        pytest.param("alternet34:width=4,heads=1", marks=pytest.mark.full),
        pytest.param("alternet50:width=4,heads=1,stem=imagenet", marks=pytest.mark.full),
    ],
)
def test_an_alternet_is_inferred_from_its_names_and_shapes(spec):
    own = shapes(spec)
    config, names = infer(parts_of(own))
    assert config == parse(spec)
    assert names == dict(zip(own, own, strict=True))
    assert "heads=N,head_dim=N" in invisible(config)
