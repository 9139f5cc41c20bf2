"""Networks of timm, torchvision and transformers: built as a specification and a checkpoint ask.

Nothing here is imported before a user names the library, and nothing named inside of a checkpoint ever is.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import nn

from landscape.errors import DataError, LandscapeError, installation, printable
from landscape.samples import Normalisation
from landscape.zoo import processors
from landscape.zoo.spec import Spec, called

Shape = tuple[int, ...]
_LARGEST_TEXT = 2**24
_TASKS = (
    ("ForImageClassification", "AutoModelForImageClassification"),
    ("ForSemanticSegmentation", "AutoModelForSemanticSegmentation"),
    ("ForSequenceClassification", "AutoModelForSequenceClassification"),
    ("ForTokenClassification", "AutoModelForTokenClassification"),
    ("ForMaskedLM", "AutoModelForMaskedLM"),
    ("LMHeadModel", "AutoModelForCausalLM"),
    ("ForCausalLM", "AutoModelForCausalLM"),
)
"""What the name of an architecture ends with, and the class of transformers that builds such."""


@dataclass
class Library:
    """A network of a library, before it is known what a checkpoint asks of it.

    Attributes:
        spec: As the user wrote it.
        options: Arguments: the user's, then those that the checkpoint asks for.
        origins: Where each of what is known of it comes from.
    """

    spec: Spec
    options: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """The network with random weights, in eval mode; the global random state stays what it was.

        Raises:
            LandscapeError: If the library is missing, or knows no such network.
        """
        make = {"timm": _timm, "torchvision": _torchvision, "hf": _hugging_face}[self.spec.source]
        with torch.random.fork_rng(devices=[]):
            return make(self.spec, self.options).eval()

    def adapt(
        self,
        module: nn.Module,
        apart: Mapping[str, tuple[Shape, Shape]],
        extra: Sequence[str],
        lacking: Sequence[str],
    ) -> bool:
        """Take over what a checkpoint shows: classes, channels, image size, auxiliary heads.

        Args:
            module: The network as it was built.
            apart: Shapes in the file and in the network, by name, where they differ.
            extra: Keys of the file that the network has not.
            lacking: Names of the network that the file has not.

        Returns:
            Whether another network is asked for now.
        """
        found: dict[str, tuple[Any, str]] = {}
        if self.spec.source != "hf":
            found |= _classes(apart)
        if self.spec.source == "timm":
            found |= _channels(apart) | _image_size(module, apart)
        if self.spec.source == "torchvision":
            word = "aux_logits" if hasattr(module, "aux_logits") else "aux_loss"
            if any(part.lower().startswith("aux") for key in extra for part in key.split(".")):
                found[word] = True, "the checkpoint's heads"
            elif word == "aux_logits" and any("aux" in name.lower() for name in lacking):
                found[word] = False, "the checkpoint's heads"
        new = {key: each for key, each in found.items() if key not in self.options}
        for key, (value, origin) in new.items():
            self.options[key], self.origins[key] = value, f"{value}, from {origin}"
        return bool(new)

    def facts(self, module: nn.Module) -> tuple[Normalisation | None, Shape, dict[str, Any]]:
        """What the library or its folder states of inputs: normalisation, shape, and how images get it.

        The last is what `landscape.data.pictures.Shaping` is made of; empty where it is not stated.
        """
        read = {"timm": _facts_of_timm, "torchvision": _facts_of_torchvision, "hf": _facts_of_folder}
        values, size, where = read[self.spec.source](self.spec, module)
        mean, std = (tuple(map(float, values.get(key) or ())) for key in ("mean", "std"))
        try:
            normalisation = Normalisation(mean, std) if mean and std else None
        except DataError as error:
            raise LandscapeError(f"the normalisation in {where} is no usable one: {error}") from error
        if normalisation and size and len(mean) != size[0]:
            normalisation = None  # stated for another number of channels
        if hasattr(module, "transform_input") and "transform_input" not in self.options:
            # GoogLeNet and Inception rescale inputs by it, of which no tensor shows anything.
            self.origins["transform_input"] = "False; the library's own weights need transform_input=true"
        if normalisation:
            self.origins["normalisation"] = where
        if size:
            self.origins["input size"] = f"{'×'.join(map(str, size))}, from {where}"
        return normalisation, size, _shaping(values, size)


def _shaping(values: Mapping[str, Any], size: Shape) -> dict[str, Any]:
    """How images get their size in the usual evaluation: the shorter side, then a square of the middle.

    Some are brought to a square whatever their proportions.
    """
    if len(size) != 3 or size[1] != size[2] or not values.get("shaped", True):
        return {}
    side, resize = size[1], values.get("resize_size") or values.get("shortest_edge")
    resize = resize[0] if isinstance(resize, list | tuple) and resize else resize
    if not isinstance(resize, int) or resize < side:
        share = values.get("crop_pct")
        resize = int(side / share) if isinstance(share, float) and 0 < share <= 1 else side
    kind = values.get("interpolation", "bilinear")
    name = str(getattr(kind, "value", kind)).lower()
    known = name if name in ("nearest", "bilinear", "bicubic", "lanczos") else "bilinear"
    pixels = {"channels": 1 if size[0] == 1 else 3, "interpolation": known}
    return pixels | ({"squash": side} if values.get("squash") else {"resize": resize, "crop": side})


def installed(library: str) -> bool:
    """Whether a library could be imported."""
    return importlib.util.find_spec(library) is not None


def _imported(library: str, extra: str, text: str) -> Any:
    if not installed(library):
        raise LandscapeError(
            f"the model {text!r} needs {library}, which is not installed here: {installation(extra)}"
        )
    try:
        return importlib.import_module(library)
    except Exception as error:  # compiled parts of another version raise anything
        raise LandscapeError(
            f"the model {text!r} needs {library}, which cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _timm(spec: Spec, options: dict[str, Any]) -> nn.Module:
    timm = _imported("timm", "timm", spec.text)
    if not timm.is_model(spec.name.partition(".")[0]):
        raise _unknown(spec, timm.list_models())
    made = called(
        timm.create_model, {"model_name": spec.name, "pretrained": False} | options, spec.text, "it"
    )
    return _module(made, spec)


def _torchvision(spec: Spec, options: dict[str, Any]) -> nn.Module:
    _imported("torchvision", "torchvision", spec.text)
    models = importlib.import_module("torchvision.models")
    dense = models.list_models(module=models.segmentation)
    known = [*models.list_models(module=models), *dense]
    if spec.name not in known:
        raise _unknown(spec, known)
    usual: dict[str, Any] = {"name": spec.name, "weights": None}
    usual |= {"weights_backbone": None} if spec.name in dense else {}
    usual |= {"init_weights": False} if spec.name in ("googlenet", "inception_v3") else {}
    return _module(called(models.get_model, usual | options, spec.text, "it"), spec)


def _hugging_face(spec: Spec, options: dict[str, Any]) -> nn.Module:
    transformers = _imported("transformers", "hf", spec.text)
    folder = _folder(spec)
    named = _json(folder / "config.json").get("architectures") or [""]
    kind = next((auto for end, auto in _TASKS if str(named[0]).endswith(end)), "")
    if not kind:
        raise LandscapeError(
            f"{folder / 'config.json'} names the architecture {printable(named[0], 100)!r}, expected one "
            f"that ends with {', '.join(end for end, _ in _TASKS)}; give file.py:factory for others"
        )
    local = {"local_files_only": True, "trust_remote_code": False}
    read = {"pretrained_model_name_or_path": str(folder)} | local | options
    config = called(transformers.AutoConfig.from_pretrained, read, spec.text, "AutoConfig.from_pretrained")
    auto = getattr(transformers, kind)
    return _module(
        called(auto.from_config, {"config": config, "trust_remote_code": False}, spec.text, kind), spec
    )


def _module(made: Any, spec: Spec) -> nn.Module:
    if not isinstance(made, nn.Module):
        raise LandscapeError(f"{spec.text} gave a {type(made).__name__}, expected a torch.nn.Module")
    return made


def _unknown(spec: Spec, known: Sequence[str]) -> LandscapeError:
    close = difflib.get_close_matches(spec.name, known, n=4, cutoff=0.5)
    kinds = " that classifies or segments images" if spec.source == "torchvision" else ""
    return LandscapeError(
        f"{spec.source} has no network{kinds} called {printable(spec.name, 100)!r}"
        + (f"; perhaps {', '.join(close)}" if close else f"; it has {', '.join(known[:4])}, …")
    )


def _classes(apart: Mapping[str, tuple[Shape, Shape]]) -> dict[str, tuple[Any, str]]:
    """The number of classes, where heads differ in it alone: the last of what differs says it."""
    heads = {
        name: (found[0], expected[0])
        for name, (found, expected) in apart.items()
        if found and expected and len(found) == len(expected) and found[1:] == expected[1:]
    }
    if not heads or len(set(heads.values())) != 1:
        return {}
    name, (classes, _) = list(heads.items())[-1]
    return {"num_classes": (classes, f"the checkpoint's {name}")}


def _channels(apart: Mapping[str, tuple[Shape, Shape]]) -> dict[str, tuple[Any, str]]:
    for name, (found, expected) in apart.items():
        if len(found) == len(expected) == 4 and found[1] != expected[1] == 3 and found[2:] == expected[2:]:
            return {"in_chans": (found[1], f"the checkpoint's {name}")}
    return {}


def _image_size(module: nn.Module, apart: Mapping[str, tuple[Shape, Shape]]) -> dict[str, tuple[Any, str]]:
    """The size of the images that position embeddings of another length belong to."""
    patch = getattr(getattr(module, "patch_embed", None), "patch_size", None)
    for name, (found, expected) in apart.items():
        if "pos_embed" in name and patch and len(found) == len(expected) == 3 and found[2] == expected[2]:
            places = found[1] - int(getattr(module, "num_prefix_tokens", 0))
            if places > 0 and isqrt(places) ** 2 == places:
                return {"img_size": (isqrt(places) * int(patch[0]), f"the checkpoint's {name}")}
    return {}


def _facts_of_timm(spec: Spec, module: nn.Module) -> tuple[dict[str, Any], Shape, str]:
    stated = dict(getattr(module, "pretrained_cfg", None) or {})
    size = tuple(stated.get("input_size") or ())
    own = getattr(getattr(module, "patch_embed", None), "img_size", None)
    channels = next((part.in_channels for part in module.modules() if isinstance(part, nn.Conv2d)), 3)
    size = (channels, *(own if isinstance(own, tuple) else size[1:])) if size else ()
    return stated, size, f"timm's pretrained_cfg of {spec.name}"


def _facts_of_torchvision(spec: Spec, module: nn.Module) -> tuple[dict[str, Any], Shape, str]:
    models = importlib.import_module("torchvision.models")
    transforms = models.get_model_weights(spec.name).DEFAULT.transforms()
    side = list(getattr(transforms, "crop_size", None) or getattr(transforms, "resize_size", None) or [])
    size = (3, side[0], side[-1]) if side else ()
    return vars(transforms), size, f"the transforms of torchvision's weights of {spec.name}"


def _facts_of_folder(spec: Spec, module: nn.Module) -> tuple[dict[str, Any], Shape, str]:
    path = _folder(spec) / "preprocessor_config.json"
    values, size = processors.stated(_json(path) if path.is_file() else {}, str(path))
    return values, size, path.name


def _folder(spec: Spec) -> Path:
    folder = Path(spec.name)
    if not folder.is_dir() or not (folder / "config.json").is_file():
        raise LandscapeError(
            f"{printable(spec.text, 200)} names no folder with a config.json on this machine; save one with "
            "model.save_pretrained(FOLDER), nothing is fetched"
        )
    return folder


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_TEXT:
            raise ValueError("it is too large")
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise LandscapeError(f"{path} cannot be read as JSON: {printable(error, 200)}") from error
    return content if isinstance(content, dict) else {}
