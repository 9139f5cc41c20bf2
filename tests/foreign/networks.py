"""The table of networks by other people: torchvision's and timm's at quick sizes, untrained, nothing zero."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import landscape as ls
from tests.foreign.libraries import models, timm

CLASSES = 10
SAMPLES = 6


@dataclass(frozen=True, eq=False)
class Foreign:
    """A network, and what a test has to know to look into it by hand.

    Attributes:
        name: Of the test.
        build: Makes it.
        size: Height and width of its images.
        layers: Submodules that output feature maps or tokens, and which dimension holds the channels: 1, or
            −1 for maps with the channel last, tokens, and windows or patches of tokens.
        place: The same for the submodule behind which blur is put in.
        extra: Tokens in front that belong to no place of the image.
        sample: Whether it is in the sample that every change is tested with.
        double: Whether float32 is too coarse for it: untrained, with BatchNorm in dozens of layers, it makes
            a thousand times as much of rounding.
    """

    name: str
    build: Callable[[], nn.Module]
    size: int
    layers: dict[str, int]
    place: tuple[str, int]
    extra: int = 0
    sample: bool = False
    double: bool = False

    def module(self) -> nn.Module:
        """The network with seeded weights, in training mode but for its first child."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = lively(self.build(), self.data()[0])
        module.train()
        next(module.children()).eval()
        return module

    def objective(self, network: nn.Module | ls.Network, dtype: torch.dtype | None = None) -> ls.Objective:
        """The loss over all samples, in micro-batches of 4 and 2."""
        return ls.Objective(
            network,
            self.data(),
            micro_batch=4,
            dtype=dtype or (torch.float64 if self.double else torch.float32),
        )

    def data(self) -> tuple[Tensor, Tensor]:
        """Images of shape (sample, 3, size, size), and their classes."""
        generator = torch.Generator().manual_seed(1)
        images = torch.randn(SAMPLES, 3, self.size, self.size, generator=generator)
        return images, torch.randint(0, CLASSES, (SAMPLES,), generator=generator)


def lively(module: nn.Module, images: Tensor) -> nn.Module:
    """The module in eval mode, with weights and BatchNorm statistics that let the images through.

    Untrained networks start with residual scales, biases and heads of zero or nearly so, and with statistics
    at which the signal fades: whole branches and their derivatives vanish, and any error in them too.
    """
    module.eval()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.min() == parameter.max():
                parameter += 0.2 * torch.randn_like(parameter)
        for part in module.modules():
            if isinstance(part, nn.Linear | nn.Conv2d):
                part.weight *= max(1.0, part.weight[0].numel() ** -0.5 / float(part.weight.std()))
        for norm in [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]:
            norm.register_forward_pre_hook(_settle)
        module(images)
    return module


def _settle(norm: nn.Module, args: tuple[Tensor, ...]) -> None:
    """Give a BatchNorm statistics near those of what it is about to read, once."""
    maps = args[0].movedim(1, -1).flatten(0, -2)
    variance = maps.var(0)
    variance = variance.clamp_min(0.1 * float(variance.mean()))
    norm.running_mean.copy_(maps.mean(0) + 0.2 * variance.sqrt() * torch.randn_like(variance))
    norm.running_var.copy_(variance * (0.6 + 0.8 * torch.rand_like(variance)))
    norm._forward_pre_hooks.clear()


def _torchvision(name: str, size: int, layers: dict[str, int], place: str, **options: Any) -> Foreign:
    flags = {name: options.pop(name, False) for name in ("sample", "double")}

    def build() -> nn.Module:
        return getattr(models, name)(weights=None, num_classes=CLASSES, **options)

    return Foreign(f"torchvision-{name}", build, size, layers, (place, 1), **flags)


def _own(
    name: str,
    build: Callable[[], nn.Module],
    size: int,
    layers: dict[str, int],
    place: str,
    *,
    extra: int = 0,
    sample: bool = True,
) -> Foreign:
    """One of torchvision's classes at a size that its functions do not offer."""
    return Foreign(f"torchvision-{name}", build, size, layers, (place, 1), extra, sample)


def _timm(
    name: str,
    size: int,
    layers: dict[str, int],
    place: str,
    *,
    at: int = 1,
    extra: int = 0,
    sample: bool = False,
    **options: Any,
) -> Foreign:
    def build() -> nn.Module:
        return timm.create_model(name, num_classes=CLASSES, **options)

    return Foreign(f"timm-{name}", build, size, layers, (place, at), extra, sample)


def _wide_resnet() -> nn.Module:
    return models.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1], CLASSES, width_per_group=128)


def _resnext() -> nn.Module:
    return models.ResNet(
        models.resnet.Bottleneck, [1, 2, 1, 1], num_classes=CLASSES, groups=32, width_per_group=4
    )


def _densenet() -> nn.Module:
    return models.DenseNet(12, (3, 3, 3, 3), 24, num_classes=CLASSES, memory_efficient=True)


def _vgg() -> nn.Module:
    """With a head for ten classes, as its users put one on."""
    module = models.vgg11_bn(weights=None)
    module.classifier = nn.Sequential(
        nn.Linear(25088, 64), nn.ReLU(True), nn.Dropout(), nn.Linear(64, CLASSES)
    )
    return module


def _vit() -> nn.Module:
    return models.VisionTransformer(32, 8, 3, 3, 48, 96, num_classes=CLASSES)


def _swin() -> nn.Module:
    return models.SwinTransformer([4, 4], 48, [2, 2, 2], [2, 4, 8], [4, 4], num_classes=CLASSES)


def _maxvit() -> nn.Module:
    return models.MaxVit((64, 64), 32, 2, [32, 64], [2, 2], 16, 0.2, num_classes=CLASSES)


NETWORKS = [
    _torchvision("resnet18", 32, {"layer1.0": 1, "layer2.1": 1}, "layer2", sample=True),
    _own("wide_resnet", _wide_resnet, 32, {"maxpool": 1, "layer2.0": 1}, "layer1", sample=False),
    _own("resnext", _resnext, 32, {"layer1.0": 1, "layer3.0": 1}, "layer2.0", sample=False),
    _own(
        "densenet",
        _densenet,
        32,
        {"features.pool0": 1, "features.denseblock2.denselayer3": 1},
        "features.transition1",
    ),
    _own("vgg11_bn", _vgg, 32, {"features.3": 1, "features.10": 1}, "features.6", sample=False),
    _torchvision("googlenet", 64, {"inception3a": 1, "inception4e": 1}, "inception3b", init_weights=False),
    _torchvision("inception_v3", 96, {"Mixed_5b": 1, "Mixed_6e": 1}, "Mixed_5d", init_weights=False),
    _torchvision("mobilenet_v2", 32, {"features.2": 1, "features.9": 1}, "features.3"),
    _torchvision("mobilenet_v3_small", 32, {"features.1": 1, "features.6": 1}, "features.3", sample=True),
    _torchvision("mnasnet0_5", 32, {"layers.7": 1, "layers.9.2": 1}, "layers.8", double=True),
    _torchvision("efficientnet_b0", 32, {"features.1.0": 1, "features.3.1": 1}, "features.2", double=True),
    _torchvision("shufflenet_v2_x0_5", 32, {"maxpool": 1, "stage3.3": 1}, "stage2", sample=True),
    _torchvision("squeezenet1_1", 64, {"features.3": 1, "features.10": 1}, "features.4"),
    _torchvision(
        "regnet_y_400mf",
        32,
        {"trunk_output.block1": 1, "trunk_output.block3.block3-3": 1},
        "trunk_output.block2",
        double=True,
    ),
    _torchvision("convnext_tiny", 32, {"features.1.0": 1, "features.5.2": 1}, "features.3"),
    _own("swin", _swin, 64, {"features.1.0": -1, "features.3.0.mlp": -1}, "features.0.0"),
    _own(
        "vit",
        _vit,
        32,
        {"encoder.layers.encoder_layer_0": -1, "encoder.layers.encoder_layer_2.mlp": -1},
        "conv_proj",
        extra=1,
    ),
    _own(
        "maxvit",
        _maxvit,
        64,
        {
            "blocks.0.layers.0.layers.MBconv": 1,
            "blocks.1.layers.1.layers.grid_attention.mlp_layer": -1,
        },
        "blocks.0.layers.1",
        sample=False,
    ),
    _timm("resnetblur50", 64, {"maxpool": 1, "layer3.0": 1}, "layer2"),
    _timm("resnet10t", 64, {"layer1.0": 1, "layer4.0": 1}, "layer3"),
    _timm("skresnet18", 64, {"layer1.0": 1, "layer3.1": 1}, "layer1"),
    _timm("ecaresnet26t", 64, {"layer1.1": 1, "layer4.0": 1}, "layer2"),
    _timm("resnetv2_50x1_bit", 64, {"stem": 1, "stages.2.blocks.0": 1}, "stages.1"),
    _timm("res2net50_26w_4s", 64, {"layer1.0": 1, "layer3.0": 1}, "layer2"),
    _timm(
        "vit_tiny_patch16_224",
        64,
        {"blocks.0": -1, "blocks.5.mlp": -1},
        "patch_embed.proj",
        extra=1,
        img_size=64,
    ),
    _timm(
        "deit_tiny_distilled_patch16_224",
        64,
        {"blocks.0.attn": -1, "blocks.11": -1},
        "patch_embed.proj",
        extra=2,
        sample=True,
        img_size=64,
    ),
    _timm(
        "vit_small_patch16_dinov3",
        64,
        {"blocks.0": -1, "blocks.11.mlp": -1},
        "patch_embed.proj",
        extra=5,
        img_size=64,
    ),
    _timm(
        "eva02_tiny_patch14_224",
        56,
        {"blocks.0": -1, "blocks.11": -1},
        "patch_embed.proj",
        extra=1,
        img_size=56,
    ),
    _timm(
        "swin_tiny_patch4_window7_224",
        64,
        {"layers.0.blocks.0": -1, "layers.1.blocks.1.attn": -1},
        "layers.1",
        at=-1,
        img_size=64,
        window_size=4,
    ),
    _timm("convnext_atto", 32, {"stages.0.blocks.0": 1, "stages.2.blocks.1": 1}, "stages.1", sample=True),
    _timm("mobilevit_xxs", 64, {"stem": 1, "stages.3.1.transformer.1": -1}, "stages.2"),
    _timm("mixer_s16_224", 64, {"blocks.0": -1, "blocks.7": -1}, "stem.proj", img_size=64),
    _timm(
        "pit_ti_224",
        64,
        {"transformers.0.blocks.0": -1, "transformers.1.blocks.3.mlp": -1},
        "patch_embed.conv",
        extra=1,
        img_size=64,
    ),
    _timm(
        "coat_lite_tiny",
        64,
        {"serial_blocks1.1": -1, "serial_blocks3.1": -1},
        "patch_embed2.proj",
        extra=1,
        img_size=64,
    ),
    _timm(
        "levit_128s",
        64,
        {"stages.0.blocks.0": -1, "stages.1.blocks.2.attn": -1},
        "stem",
        sample=True,
        img_size=64,
    ),
    _timm(
        "efficientformerv2_s0", 64, {"stages.0.blocks.0": 1, "stages.2.blocks.3": 1}, "stages.1", img_size=64
    ),
    _timm("poolformer_s12", 64, {"stages.0.blocks.1": 1, "stages.2.blocks.1": 1}, "stages.1"),
    _timm("hrnet_w18_small", 64, {"layer1.0": 1, "stage2.0.branches.0.0": 1}, "layer1"),
    _timm("nfnet_l0", 64, {"stem": 1, "stages.2.2": 1}, "stages.1"),
    _timm("repvgg_a0", 32, {"stages.0.0": 1, "stages.2.4": 1}, "stages.1"),
    _timm("ghostnet_050", 32, {"blocks.0.0.ghost1": 1, "blocks.6.0.ghost2": 1}, "blocks.3", sample=True),
    _timm("lcnet_035", 32, {"blocks.0.0": 1, "blocks.3.1": 1}, "blocks.2", sample=True),
    _timm("tresnet_m", 64, {"body.layer1.0": 1, "body.layer3.3": 1}, "body.layer2"),
    _timm("xcit_nano_12_p16_224", 64, {"blocks.0": -1, "blocks.6.mlp": -1}, "patch_embed.proj.0"),
    _timm(
        "maxvit_rmlp_pico_rw_256",
        64,
        {"stages.0.blocks.0.conv": 1, "stages.1.blocks.0.attn_block": -1},
        "stages.1",
        img_size=64,
    ),
    _timm("pvt_v2_b0", 64, {"patch_embed": -1, "stages.1.blocks.1": -1}, "stages.0"),
    _timm(
        "nest_tiny",
        64,
        {"levels.0.transformer_encoder.0": -1, "levels.1.transformer_encoder.1": -1},
        "levels.1",
        img_size=64,
    ),
]
"""Networks of both libraries: residual, dense, inverted, re-parametrised, normaliser-free, gated, shuffled,
windowed; with class, distillation and register tokens, with the channel last, with gradient checkpoints, with
modules under several names, with caches of computed weights."""
