"""Which network a checkpoint is, and which of its tensors are that network's."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from landscape.checkpoint.keys import Fit, find, held_by, readings, renamed
from landscape.checkpoint.statefile import StateFile
from landscape.errors import CheckpointError, LandscapeError, installation, printable
from landscape.samples import Normalisation
from landscape.zoo import ModelConfig, build, parse, skeleton
from landscape.zoo import layouts as zoo_layouts
from landscape.zoo.chains import chain
from landscape.zoo.known import known
from landscape.zoo.libraries import Library, installed
from landscape.zoo.parts import Part, listing, parts_of
from landscape.zoo.spec import PLAIN, Spec, read_spec
from landscape.zoo.user import copied, made, user_network

Model = str | nn.Module | Callable[[], nn.Module]
_SHOWN = 8
_COMPARED = 100  # names among which one is looked for that another should have
_ADAPTED = 3  # networks built to fit what a checkpoint shows
_MOST_TENSORS = 10_000  # in which an architecture is looked for; large language models have a tenth
_ASIDE = 0.1  # share of values that may stand beside a plain chain
_SMOOTHED = re.compile(r"blur|smooth|anti-?alias|lowpass|low_pass", re.IGNORECASE)
_NAMING = re.compile(r"arch|model|net|name|config|args|cfg", re.IGNORECASE)


@dataclass
class Chosen:
    """A network with the tensors that belong into it, not yet filled.

    Attributes:
        module: The network.
        architecture: What to call it.
        tensors: By the network's names.
        notes: What a user should know.
        config: The zoo's configuration, if it is one of the zoo.
        normalisation: As a library states it.
        input_size: Channels, height and width of its images, as far as they are known.
        shaping: How images get that size, where it is known.
        origins: Where classes, input size and normalisation come from.
    """

    module: nn.Module
    architecture: str
    tensors: dict[str, Tensor]
    notes: tuple[str, ...] = ()
    config: ModelConfig | None = None
    normalisation: Normalisation | None = None
    input_size: tuple[int, ...] = ()
    shaping: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)


def choose(state: StateFile, model: Model | None, path: Path) -> Chosen:
    """The network that a checkpoint fits: as the user says, else as stored, else inferred from the tensors.

    Raises:
        CheckpointError: If no network is found, or names and shapes do not fit the one that is named.
    """
    if model is not None and not isinstance(model, str):
        module, name = _given(model)
        return _fitted(module, state.tensors, path, name)
    if model is None:
        stored = state.record.get("config")
        return _of_zoo(ModelConfig.from_dict(stored), state, path) if stored else _inferred(state, path)
    spec = read_spec(model)
    if spec.source == "zoo":
        return _of_zoo(parse(spec.name), state, path)
    if spec.source == PLAIN:
        return _of_chain(state, path, spec.options)
    if spec.source == "factory":
        return _fitted(user_network(spec), state.tensors, path, model)
    if spec.source == "hf" and not spec.name:
        spec = replace(spec, name=str(path if path.is_dir() else path.parent))
    return _of_library(Library(spec, dict(spec.options)), state, path)


def below(state: StateFile, key: str | None, path: Path) -> StateFile:
    """The tensors below one name alone, such as ``state_dict_ema``; all of them where none is asked for.

    Raises:
        CheckpointError: If there are none.
    """
    if key is None:
        return state
    start = key.rstrip(".")
    tensors = {name: value for name, value in state.tensors.items() if name.startswith(f"{start}.")}
    if not tensors:
        places = dict.fromkeys(
            ".".join(name.split(".")[:depth])
            for depth in (1, 2)
            for name in state.tensors
            if name.count(".") >= depth
        )
        close = difflib.get_close_matches(start, places, n=4, cutoff=0.4) or list(places)[:_SHOWN]
        raise CheckpointError(
            f"{path} holds no tensors below {printable(start, 100)!r}; names begin with "
            f"{', '.join(printable(place, 60) for place in close)}"
        )
    return replace(state, tensors=tensors)


def _given(model: nn.Module | Callable[[], nn.Module]) -> tuple[nn.Module, str]:
    """The user's network and what to call it."""
    if isinstance(model, nn.Module):
        return copied(model), type(model).__name__
    name = getattr(model, "__qualname__", type(model).__name__)
    return made(model, name), name


def _fitted(module: nn.Module, tensors: Mapping[str, Tensor], path: Path, architecture: str) -> Chosen:
    """The set of weights that fits; else every disagreement of names and shapes is listed at once."""
    fit, notes = find(tensors, module)
    if not fit.whole:
        raise _misfit(fit, path, architecture)
    return Chosen(module, architecture, {name: tensors[key] for name, key in fit.keys.items()}, notes)


def _of_zoo(config: ModelConfig, state: StateFile, path: Path, notes: tuple[str, ...] = ()) -> Chosen:
    """A network of the zoo, under its own names or anyone's."""
    try:
        # Names and shapes first: a hostile file must not make us ask for memory.
        outline, tensors = skeleton(config), state.tensors
        if not find(tensors, outline)[0].whole:
            for parts in _parts(tensors):
                names = zoo_layouts.renamed(config, parts)
                if names is not None:
                    tensors = renamed(tensors, names)
                    notes = (*notes, _said(names))
                    break
        chosen = _fitted(outline, tensors, path, config.name)
        module = build(config)
    except RuntimeError as error:
        raise CheckpointError(f"{path} asks for a {config.name} that cannot be built: {error}") from error
    size = (3, config.image, config.image) if config.image else ()
    return replace(chosen, module=module, notes=(*chosen.notes, *notes), config=config, input_size=size)


def _said(names: Mapping[str, str]) -> str:
    other = [(new, old) for new, old in names.items() if new != old]
    some = ", ".join(f"{old!r} as {new!r}" for new, old in other[:: max(1, len(other) // 3)][:3])
    return f"names matched by shapes and order: {len(other)} of {len(names)} differ, such as {some}"


def _of_library(library: Library, state: StateFile, path: Path) -> Chosen:
    """A network of a library, with the classes and sizes that the checkpoint shows."""
    module = library.build()
    for _ in range(_ADAPTED):
        fit, _ = find(state.tensors, module)
        held = held_by(module)
        apart = {
            name: (tuple(state.tensors[key].shape), tuple(held[name].shape))
            for name, key in fit.keys.items()
            if state.tensors[key].shape != held[name].shape
        }
        if fit.whole or not library.adapt(module, apart, fit.unexpected, fit.missing):
            break
        module = library.build()
    chosen = _fitted(module, state.tensors, path, library.spec.text)
    normalisation, size, shaping = library.facts(module)
    said = ", ".join(f"{name} {value}" for name, value in library.origins.items())
    notes = (f"taken over: {said}; --mean and --std come first",) if said else ()
    return replace(
        chosen,
        notes=(*chosen.notes, *notes),
        normalisation=normalisation,
        input_size=size,
        shaping=shaping,
        origins=dict(library.origins),
    )


def _of_chain(state: StateFile, path: Path, options: Mapping[str, Any] | None = None) -> Chosen:
    """A plain chain of layers; that of the largest reading that is one."""
    total = _weights(state.tensors)
    for reading in readings(state.tensors):
        found = chain(_layers(state.tensors, reading), options)
        if found is None:
            continue
        made_of, words = found
        names = {new: old for new, old in made_of.names().items() if old in reading}
        tensors = renamed(state.tensors, names)
        chosen = _fitted(made_of.skeleton(), tensors, path, made_of.spec)
        used = _weights(chosen.tensors)
        copies = sum(set(names.values()) <= set(other) for other in readings(state.tensors))
        if options is None and total - used * copies > _ASIDE * used:
            continue  # the head of something larger
        size = (made_of.channels, made_of.size, made_of.size) if made_of.size else ()
        return replace(chosen, module=made_of.build(), notes=(*chosen.notes, words), input_size=size)
    raise CheckpointError(f"{path} holds no plain chain of layers: {_contents(state.tensors)}")


def _weights(tensors: Mapping[str, Tensor]) -> int:
    return sum(value.numel() for value in tensors.values() if value.is_floating_point() and value.dim() > 1)


def _inferred(state: StateFile, path: Path) -> Chosen:
    """The network that names, shapes and order betray."""
    if len(state.tensors) > _MOST_TENSORS:
        raise CheckpointError(
            f"cannot tell which architecture {path} of {len(state.tensors):,} tensors is; name it (--model)"
        )
    for parts in _parts(state.tensors):
        inferred = zoo_layouts.infer(parts)
        if inferred is not None:
            config, _ = inferred
            unseen = zoo_layouts.invisible(config)
            said = f"architecture inferred from names and shapes: {config.name}; {unseen}"
            return _of_zoo(config, state, path, (said, *_warned(state, config, path)))
    for reading in readings(state.tensors):
        spec = known({name: tuple(state.tensors[key].shape) for name, key in reading.items()})
        if spec:
            return _of_known(spec, state, path)
    try:
        return _of_chain(state, path)
    except CheckpointError as error:
        folder = path if path.is_dir() else path.parent
        hugging = f"; {folder} looks like a Hugging Face folder: {path.name}@hf:{folder}"
        raise CheckpointError(
            f"cannot tell which architecture {path} is (layers: {_contents(state.tensors)}); name it, as "
            f"{path.name}@SPEC or with --model: a zoo specification such as resnet18, timm:NAME, "
            "torchvision:NAME, hf:FOLDER, or file.py:factory for your own network"
            + (hugging if (folder / "config.json").is_file() else "")
        ) from error


def _of_known(spec: str, state: StateFile, path: Path) -> Chosen:
    """A network of torchvision or timm that its names tell; where neither is here, it is named."""
    source, _, name = spec.partition(":")
    usable = next(
        (one for one in (source, "timm") if installed(one) and (one == source or "res" in name)), None
    )
    if usable is None:
        raise CheckpointError(
            f"{path} holds what {spec} has, by its names and shapes: install {source} "
            f"({installation(source)}) and load it as {path.name}@{spec}, or give file.py:factory"
        )
    text = f"{usable}:{name}"
    chosen = _of_library(Library(Spec(usable, name, text=text)), state, path)
    return replace(chosen, notes=(f"architecture inferred from names and shapes: {text}", *chosen.notes))


def _warned(state: StateFile, config: ModelConfig, path: Path) -> tuple[str, ...]:
    """A loud word where a file calls itself smoothed, but opens without smoothing."""
    named = [str(value) for key, value in state.beside.items() if _NAMING.search(key)]
    words = next((word for word in (path.name, *named) if _SMOOTHED.search(word)), None)
    if config.smoothing or words is None:
        return ()
    spec = zoo_layouts.spec_of(config)
    return (
        f"WARN: {printable(words, 100)!r} speaks of smoothing, which leaves no trace in names and shapes, "
        "and the network opens WITHOUT it; if it was trained with it, say --model "
        f"{spec}{',' if ':' in spec else ':'}blur",
    )


def _parts(tensors: Mapping[str, Tensor]) -> list[list[Part]]:
    """The layers of every reading of the file, the largest first."""
    return [_layers(tensors, reading) for reading in readings(tensors)]


def _layers(tensors: Mapping[str, Tensor], reading: Mapping[str, str]) -> list[Part]:
    return parts_of({name: tuple(tensors[key].shape) for name, key in reading.items()})


def _contents(tensors: Mapping[str, Tensor]) -> str:
    return printable(listing(parts_of({name: tuple(value.shape) for name, value in tensors.items()})), 3000)


def _misfit(fit: Fit, path: Path, architecture: str) -> LandscapeError:
    said = []
    for label, found in (
        ("missing", fit.missing),
        ("unexpected", fit.unexpected),
        ("wrong shape", fit.wrong),
    ):
        if found:
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            said.append(f"{label}: {', '.join(found[:_SHOWN])}{more}")
    if fit.missing and fit.unexpected:
        close = difflib.get_close_matches(fit.missing[0], fit.unexpected[:_COMPARED], n=1)
        said += [f"perhaps {close[0]} is what {fit.missing[0]} should be"] if close else []
    return CheckpointError(
        f"{path} does not fit {architecture}: {'; '.join(said)}; name the right network with --model"
    )
