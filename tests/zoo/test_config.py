"""Specifications and configurations: what they mean, their round trips, and their errors."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape.errors import LandscapeError
from landscape.zoo import ModelConfig, Smoothing, is_zoo_name, parse
from landscape.zoo.naming import spec_of


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("cifar-resnet20", {"architecture": "cifar-resnet", "depth": 20, "width": 16, "shortcut": "A"}),
        ("cifar-resnet110", {"depth": 110, "head": "gap", "smoothing": None, "dropout": 0.0}),
        ("cifar-preresnet20", {"architecture": "cifar-resnet", "preactivation": True, "shortcut": "A"}),
        (
            "resnet18",
            {"architecture": "resnet", "width": 64, "shortcut": "B", "stem": "cifar", "head": "gap"},
        ),
        ("preresnet18", {"architecture": "resnet", "preactivation": True, "shortcut": "conv"}),
        ("vgg16", {"architecture": "vgg", "head": "mlp", "hidden": 4096, "head_dropout": 0.5}),
        ("prevgg19", {"architecture": "vgg", "depth": 19, "preactivation": True}),
        ("resnet50:classes=100,stem=imagenet", {"classes": 100, "stem": "imagenet"}),
        ("resnet18:width=8,dropout=0.3", {"width": 8, "dropout": 0.3}),
        ("vgg11:head=gap,hidden=16,head_dropout=0", {"head": "gap", "hidden": 16, "head_dropout": 0.0}),
        ("resnet18:activation=relu6,shortcut=conv", {"activation": "relu6", "shortcut": "conv"}),
        ("resnet18:preactivation=yes", {"preactivation": True, "shortcut": "conv"}),
        ("resnet18:blur", {"smoothing": Smoothing((1, 1), "tanh", 10.0)}),
        ("resnet18:kernel=1-2-1", {"smoothing": Smoothing((1, 2, 1), "tanh", 10.0)}),
        ("resnet18:blur,kernel=1-4-6-4-1", {"smoothing": Smoothing((1, 4, 6, 4, 1))}),
        ("resnet18:kernel=1-2-1,blur", {"smoothing": Smoothing((1, 2, 1))}),
        ("resnet18:prob=relu6", {"smoothing": Smoothing((1, 1), "relu6", 0.0)}),
        ("resnet18:prob=scale", {"smoothing": Smoothing((1, 1), "scale", 5.0)}),
        ("resnet18:blur,temperature=3", {"smoothing": Smoothing(temperature=3.0)}),
        ("resnet18:blur,stages=3-1", {"smoothing": Smoothing(stages=(1, 3))}),
        ("resnet18:kernel=1,prob=none", {"smoothing": Smoothing((1,), "none")}),
        ("resnext50", {"architecture": "resnet", "depth": 50, "cardinality": 32, "widening": 2}),
        ("resnext101", {"cardinality": 32, "widening": 4}),
        ("resnext50:cardinality=8,dropout=0.3", {"cardinality": 8, "widening": 2, "dropout": 0.3}),
        ("wideresnet50", {"cardinality": 1, "widening": 2}),
        ("seresnet18", {"architecture": "resnet", "gate": "se", "stage_blocks": (2, 2, 2, 2)}),
        ("cbamresnet34:blur", {"gate": "cbam", "smoothing": Smoothing()}),
        ("alexnet", {"architecture": "alexnet", "depth": 8, "head": "mlp", "width": 64}),
        (
            "alternet18",
            {"preactivation": True, "attend": (0, 1, 1, 1), "heads": 3, "head_dim": 64, "window": 4},
        ),
        ("alternet50:stem=imagenet", {"stage_blocks": (3, 4, 6, 4), "attend": (0, 1, 3, 2), "window": 7}),
        ("resnet18:attend=0-0-0-1,heads=2", {"preactivation": False, "attend": (0, 0, 0, 1), "heads": 2}),
        ("resnet18:attend=0-0-0-0", {"attend": (), "heads": 0}),
        ("resnet34:blocks=3-4-6-3", {"blocks": ()}),
        ("vit_ti", {"depth": 12, "width": 192, "heads": 3, "image": 32, "patch": 2, "head": "token"}),
        ("vit_s:stem=imagenet", {"width": 384, "heads": 6, "image": 224, "patch": 16, "mlp_ratio": 4}),
        ("vit_ti:depth=2", {"depth": 2, "width": 192}),
        ("vit5:width=96,heads=4,patch=4", {"architecture": "vit", "depth": 5, "heads": 4, "patch": 4}),
        ("mixer_ti:dialect=p2", {"depth": 8, "width": 256, "dialect": "p2"}),
    ],
)
def test_specifications(spec: str, expected: dict):
    config = parse(spec)
    assert {name: getattr(config, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("spec", "stages"),
    [
        ("resnet18", ()),
        ("resnet18:blur", (1, 2, 3, 4)),
        ("preresnet18:blur", (1, 2, 3)),
        ("vgg16:blur", (1, 2, 3, 4, 5)),
        ("prevgg16:blur", (1, 2, 3, 4, 5)),
        ("cifar-resnet20:blur", (1, 2, 3)),
        ("cifar-preresnet20:blur", (1, 2)),
        ("resnet18:stages=3", (3,)),
        ("preresnet18:stages=4", (4,)),
        ("resnext50:blur", (1, 2, 3, 4)),
        ("wideresnet50:blur", (1, 2, 3, 4)),
        ("seresnet18:blur", (1, 2, 3)),
        ("cbamresnet18:blur", (1, 2, 3)),
        ("alternet18:blur", (1, 2, 3)),
        ("alexnet:blur", (1, 2, 3)),
    ],
)
def test_smoothing_sits_where_the_paper_puts_it(spec: str, stages: tuple[int, ...]):
    assert parse(spec).smoothed_stages == stages


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("resnet", "unknown model 'resnet'"),
        ("lenet5", "zoo names are an architecture and a depth"),
        ("alexnet12", "the depth of alexnet is 12; choose one of 8"),
        ("vit", "unknown model 'vit'"),
        ("", "unknown model ''"),
        ("18", "unknown model '18'"),
        ("resnet19", "the depth of resnet is 19; choose one of 18, 34, 50, 101, 152"),
        ("vit65", "the depth of vit is 65; choose one of 1 to 64"),
        ("cifar-resnet18", "8, 14, 20, 26, 32, 38, 44, 50, 56, 110"),
        ("resnet18:head=mean", "the head is 'mean'; choose one of gap, mlp, max, median"),
        ("resnet18:pool=gap", "unknown option 'pool'"),
        ("resnet18:depth=34", "unknown option 'depth'"),
        ("resnet18:smoothing=1", "unknown option 'smoothing'"),
        ("resnet18:width=wide", "option 'width' cannot be 'wide'"),
        ("resnet18:width=-1", "width must be"),
        ("resnet18:classes=0", "classes must be"),
        ("resnet18:dropout=1", "dropout must lie in [0, 1), got 1.0"),
        ("resnet18:dropout=nan", "dropout must lie in [0, 1)"),
        ("resnet18:dropout", "option 'dropout' cannot be ''"),
        ("resnet18:kernel=1-3-1", "kernel"),
        ("resnet18:kernel=", "option 'kernel' cannot be ''"),
        ("resnet18:prob=softmax", "tanh, relu6, scale, none"),
        ("resnet18:temperature=-1", "temperature must be from"),
        ("resnet18:stages=5", "resnet has stages 1 to 4"),
        ("resnet18:stages=0", "resnet has stages 1 to 4"),
        ("resnet18:preactivation=maybe", "option 'preactivation' cannot be 'maybe'"),
        ("resnet18:shortcut=C", "the shortcut is 'C'; choose one of A, B, conv"),
        ("vgg16:stem=imagenet", "vgg has no stem, got 'imagenet'; resnet, alexnet, vit, mixer have"),
        ("vit_ti:blur", "vit has no smoothing"),
        ("alexnet:preactivation=yes", "alexnet has no preactivation"),
        ("mixer_ti:heads=2", "mixer has no heads"),
        ("vit_ti:head=gap", "the head is 'gap'; choose one of token"),
        ("vit_ti:activation=relu6", "vit has GELU everywhere, not relu6"),
        ("vit_ti:patch=3", "images of 32 pixels cannot be cut into patches of 3"),
        ("vit_ti:heads=5", "192 channels (width) cannot be parted among 5 heads"),
        ("vit_ti:dialect=jax", "the dialect is 'jax'; choose one of timm, p2"),
        ("vit_ti:image=99999", "image must be an integer from 1 to 4,096"),
        (
            "resnext18",
            "widening and cardinality are of bottlenecks, which begin at resnet50, not of resnet18",
        ),
        ("resnext50:width=8", "16 inner channels cannot be parted into 32 groups"),
        ("resnet50:cardinality=0", "cardinality must be"),
        ("resnet18:gate=eca", "the gate is 'eca'; choose one of se, cbam"),
        ("resnet18:heads=2", "resnet has heads, head_dim and window where stages attend"),
        ("resnet18:attend=0-1-1", "attend lists a whole number from 0 to 1,000 for each of the 4 stages"),
        ("resnet18:attend=0-2-1-1", "of 2 blocks of a stage at most 1 can attend"),
        ("resnet18:attend=0-1-1-1,window=999", "window must be an integer from 1 to 256"),
        ("resnet18:blocks=0-1-1-1", "blocks lists a whole number from 1 to 1,000"),
        ("vgg16:attend=0-1", "vgg has no attend"),
        ("resnet18:activation=gelu", "the activation is 'gelu'; choose one of relu, relu6"),
    ],
)
def test_wrong_specifications_are_explained(spec: str, text: str):
    with pytest.raises(LandscapeError) as caught:
        parse(spec)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "spec",
    ["resnet18", "cifar-resnet20:blur", "vgg16:no-such-option", "prevgg11", "alexnet", "vit_ti", "vit3"],
)
def test_zoo_names(spec: str):
    assert is_zoo_name(spec)


@pytest.mark.parametrize(
    "spec", ["models.py:resnet", "package.module:factory", "lenet", "vit", "", ":resnet18"]
)
def test_other_names(spec: str):
    assert not is_zoo_name(spec)


SMOOTHINGS = (
    None,
    *(
        Smoothing(kernel, prob, stages=stages)
        for kernel, prob, stages in itertools.product(
            [(1,), (1, 1), (1, 2, 1)], ["tanh", "relu6", "scale", "none"], [None, (1, 3)]
        )
    ),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    architecture=st.sampled_from([("cifar-resnet", 20), ("resnet", 18), ("resnet", 50), ("vgg", 11)]),
    head=st.sampled_from(["", "gap", "mlp", "max", "median"]),
    smoothing=st.sampled_from(SMOOTHINGS),
    activation=st.sampled_from(["relu", "relu6"]),
    preactivation=st.booleans(),
    dropout=st.sampled_from([0.0, 0.3]),
    shortcut=st.sampled_from(["", "A", "B", "conv"]),
    width=st.sampled_from([0, 3]),
)
def test_round_trip_through_json(architecture: tuple[str, int], **values):
    config = ModelConfig(architecture=architecture[0], depth=architecture[1], **values)
    assert ModelConfig.from_dict(config.to_dict()) == config
    again = ModelConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert again.smoothed_stages == config.smoothed_stages
    assert hash(again) == hash(config)
    assert parse(specification(config)) == config


def specification(config: ModelConfig) -> str:
    """The configuration as a user would write it, every option spelled out."""
    family = config.architecture.replace("resnet", "preresnet").replace("vgg", "prevgg")
    name = family if config.preactivation else config.architecture
    options = {
        key: getattr(config, key)
        for key in ("width", "head", "hidden", "head_dropout", "activation", "dropout", "classes", "shortcut")
    }
    if config.smoothing:
        smoothing = config.smoothing.__dict__ | {"kernel": "-".join(map(str, config.smoothing.kernel))}
        stages = smoothing.pop("stages")
        options |= smoothing | ({"stages": "-".join(map(str, stages))} if stages else {})
    return f"{name}{config.depth}:" + ",".join(f"{key}={value}" for key, value in options.items())


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"architektur": "resnet"}, "unknown model field 'architektur'"),
        ({"smoothing": {"kernels": [1, 1]}}, "kernels"),
        ({"smoothing": {"kernel": 2}}, "kernel"),
        ({"smoothing": "blur"}, "smoothing|fit"),
        ({"width": "wide"}, "width"),
        ({"dropout": "much"}, "fit|dropout"),
        ({"depth": None}, "depth"),
    ],
)
def test_wrong_dictionaries_are_explained(values: dict, text: str):
    with pytest.raises(LandscapeError, match=text):
        ModelConfig.from_dict(values)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("cifar-resnet20", "cifar-resnet20-gap"),
        ("preresnet18:blur,dropout=0.3", "preresnet18-gap-tanh+blur11-mcd0.3"),
        ("cifar-preresnet20:kernel=1", "cifar-preresnet20-gap-tanh"),
        ("prevgg16:activation=relu6", "prevgg16-mlp-relu6"),
        ("resnext50:gate=se", "resnext50-gap-gatese"),
        ("resnet18:attend=0-0-0-1", "resnet18-gap-attend0.0.0.1"),
        ("alternet18:dropout=0.3", "alternet18-gap-mcd0.3"),
        ("vit_ti", "vit_ti-token"),
        ("alexnet:dropout=0.1,blur", "alexnet-mlp-tanh+blur11-mcd0.1"),
    ],
)
def test_short_names(spec: str, name: str):
    assert parse(spec).name == name


NEW = (
    "resnext50:blur",
    "wideresnet101",
    "seresnet18",
    "cbamresnet18:dropout=0.3",
    "resnet50:gate=se,cardinality=32,widening=2",
    "alexnet:kernel=1-2-1,stem=imagenet",
    "alternet34:heads=1,window=8",
    "cifar-resnet20:attend=0-1-1,gate=se",
    "resnet18:attend=0-1-1-1,head_dim=16,stages=2-3",
    "vit_s:depth=3,dialect=p2",
    "vit5:width=96,heads=4,patch=4,mlp_ratio=2",
    "mixer_s:classes=7",
)


@pytest.mark.parametrize("spec", NEW)
def test_configurations_and_specifications_say_the_same(spec: str):
    config = parse(spec)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert parse(spec_of(config)) == config


def test_networks_of_version_0_1_are_described_as_it_did():
    fields = (
        "architecture depth width head hidden head_dropout smoothing activation preactivation dropout classes"
    )
    assert list(parse("resnet18:blur").to_dict()) == [*fields.split(), "stem", "shortcut"]
    assert ModelConfig.from_dict({"architecture": "resnet", "depth": 18, "width": 8}) == parse(
        "resnet18:width=8"
    )
