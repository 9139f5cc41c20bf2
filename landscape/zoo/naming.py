"""Networks of the zoo in words: specifications, read and written."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import Any

from landscape.errors import ArgumentError, LandscapeError
from landscape.zoo.config import ModelConfig
from landscape.zoo.families import DEPTHS, FAMILIES, family_of, has_depth, preset, titled
from landscape.zoo.smoothing import Smoothing

_SMOOTHING_FIELDS = {"kernel", "prob", "temperature", "stages"}
_LISTS = ("kernel", "stages", "blocks", "attend")
_WORDS = ("head", "activation", "stem", "shortcut", "prob", "gate", "dialect")
_FRACTIONS = ("dropout", "head_dropout", "temperature")
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def is_zoo_name(spec: str) -> bool:
    """Whether a specification names an architecture of the zoo and a depth (its options may be wrong)."""
    family, depth, _ = _split(spec)
    return family in FAMILIES and (bool(depth) or has_depth(family))


def parse(spec: str) -> ModelConfig:
    """Read a model specification ``NAME[:key=value,…]``.

    NAME is an architecture and a depth (``resnet18``, ``cifar-resnet20``, ``preresnet18``, ``vgg16``,
    ``resnext50``, ``wideresnet50``, ``seresnet18``, ``cbamresnet18``, ``alternet18``, ``vit12``), or one that
    has its depth by itself (``alexnet``, ``vit_ti``, ``mixer_s``; the key ``depth`` changes it). The keys are
    the fields of `ModelConfig` and of `Smoothing`, lists written with dashes:
    ``resnet18:head=gap,kernel=1-2-1,attend=0-1-1-1,dropout=0.3,classes=100``. The word ``blur`` alone asks
    for the paper's default smoothing.

    Raises:
        LandscapeError: If a name, key or value is not known; the message lists those that are.
    """
    family, digits, options = _split(spec)
    if not is_zoo_name(spec):
        known = ", ".join(
            name if has_depth(name) else f"{name}{DEPTHS[values['architecture']][0]}"
            for name, values in FAMILIES.items()
        )
        raise ArgumentError(
            f"unknown model {spec!r}; zoo names are an architecture and a depth ({known}, …); "
            "for your own network give file.py:factory or package.module:factory"
        )
    values = preset(family, int(digits or 0))
    if digits:
        values["depth"] = int(digits)
    smoothing: dict[str, Any] = {}
    free = {f.name for f in fields(ModelConfig)} - {"architecture", "smoothing"}
    free -= set() if has_depth(family) else {"depth"}
    for item in filter(None, options.split(",")):
        key, _, text = item.partition("=")
        if key == "blur" and not text:
            smoothing.setdefault("kernel", (1, 1))
        elif key in _SMOOTHING_FIELDS:
            smoothing[key] = _parse_value(key, text)
        elif key in free:
            values[key] = _parse_value(key, text)
        else:
            allowed = sorted(free | _SMOOTHING_FIELDS | {"blur"})
            raise ArgumentError(f"unknown option {key!r} in model {spec!r}; known are {', '.join(allowed)}")
    config = ModelConfig.from_dict(values)
    return replace(config, smoothing=Smoothing(**smoothing)) if smoothing else config


def spec_of(config: ModelConfig) -> str:
    """The specification that `parse` reads as this configuration, as short as it can be."""
    family = family_of(config)
    usual = ModelConfig.from_dict(preset(family, config.depth))
    options = {
        field.name: getattr(config, field.name)
        for field in fields(config)
        if field.name not in ("architecture", "depth", "smoothing")
        and getattr(config, field.name) != getattr(usual, field.name)
    }
    if config.smoothing:
        plain = asdict(Smoothing(kernel=config.smoothing.kernel, prob=config.smoothing.prob))
        given = asdict(config.smoothing)
        options |= {
            key: value for key, value in given.items() if key in ("kernel", "prob") or value != plain[key]
        }
    words = [
        f"{key}={'-'.join(map(str, value)) if isinstance(value, tuple) else value}"
        for key, value in options.items()
    ]
    name = titled(family, config.depth)
    return f"{name}:{','.join(words)}" if words else name


def _split(spec: str) -> tuple[str, str, str]:
    """Family, depth and options of ``resnet18:blur``."""
    name, _, options = spec.partition(":")
    family = name.rstrip("0123456789")
    return family.rstrip("-"), name[len(family) :], options


def _parse_value(key: str, text: str) -> Any:
    try:
        if key in _LISTS:
            return tuple(int(part) for part in text.split("-"))
        if key in _WORDS:
            return text
        if key == "preactivation":
            return _TRUTH[text.lower()]
        return float(text) if key in _FRACTIONS else int(text)
    except (ValueError, KeyError) as error:
        raise LandscapeError(f"option {key!r} cannot be {text!r}") from error
