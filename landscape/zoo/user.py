"""A user's own network, from a factory in a file or an installed package."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from landscape.errors import LandscapeError
from landscape.zoo.spec import Spec, called


def user_network(spec: Spec) -> nn.Module:
    """Call ``file.py:factory`` or ``package.module:factory`` and return the network it builds.

    The code is the user's own, named on the command line; checkpoint files never reach this function.

    Raises:
        LandscapeError: If file, module or factory is missing, the factory fails, or returns no module.
    """
    place, _, attribute = spec.name.rpartition(":")
    if place.endswith(".py"):
        with _on_path(Path(place).parent):
            return _made(_import_file(place), place, attribute, spec)
    with _on_path(Path.cwd()):
        return _made(_import_module(place, spec.text), place, attribute, spec)


def made(factory: Callable[..., Any], spec: str, options: Mapping[str, Any] | None = None) -> nn.Module:
    """What a callable builds.

    Args:
        factory: The callable.
        spec: What to call it in messages.
        options: Its arguments.

    Raises:
        LandscapeError: If it fails, or returns no module.
    """
    if not callable(factory):
        raise LandscapeError(
            f"the model is a {type(factory).__name__}, expected a specification (text), a torch.nn.Module "
            "or a callable that builds one"
        )
    module = called(factory, dict(options or {}), spec, "a factory")
    if not isinstance(module, nn.Module):
        raise LandscapeError(f"{spec} returned a {type(module).__name__}, expected a torch.nn.Module")
    return module


def named(spec: str) -> Any:
    """What ``file.py:NAME`` names; the file's code is run.

    Raises:
        LandscapeError: If file or name is missing, or the code fails.
    """
    place, _, attribute = spec.rpartition(":")
    with _on_path(Path(place).parent):
        source = _import_file(place)
    if not hasattr(source, attribute):
        raise LandscapeError(f"{place} has no {attribute!r}")
    return getattr(source, attribute)


def copied(module: nn.Module) -> nn.Module:
    """A copy to load weights into, so that the user's own network stays as it is.

    Raises:
        LandscapeError: If it cannot be copied.
    """
    try:
        return copy.deepcopy(module)
    except Exception as error:  # whatever the module holds
        raise LandscapeError(
            f"the {type(module).__name__} cannot be copied ({type(error).__name__}: {error}); give a "
            "function that builds it"
        ) from error


def _made(source: ModuleType, place: str, attribute: str, spec: Spec) -> nn.Module:
    factory = getattr(source, attribute, None)
    if not callable(factory):
        public = [n for n in dir(source) if not n.startswith("_") and callable(getattr(source, n))]
        raise LandscapeError(
            f"{place} has no callable {attribute!r}; it has {', '.join(public[:8]) or 'none'}"
        )
    return made(factory, spec.name, spec.options)


@contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    """Let the user's code import what lies beside it; after all else, so that nothing installed is hidden."""
    _forget_others(folder)
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _forget_others(folder: Path) -> None:
    """Forget modules that would hide those of a folder because another such folder has some of that name.

    Runs often keep copies of their code, in which ``model.py`` is another file each time.
    """
    if not folder.is_dir():
        return
    here, usual = folder.resolve(), {Path(place or ".").resolve() for place in sys.path}
    names = {path.stem for path in folder.iterdir() if path.is_dir() or path.suffix == ".py"}
    for name in names & sys.modules.keys():
        file = getattr(sys.modules[name], "__file__", None)
        parents = Path(file).resolve().parents if file else ()
        place = parents[1] if file and Path(file).stem == "__init__" else next(iter(parents), here)
        if place != here and place not in usual:
            for other in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
                del sys.modules[other]


def _import_file(place: str) -> ModuleType:
    path = Path(place)
    if not os.path.isfile(path):
        raise LandscapeError(f"no Python file at {path}; --model file.py:factory names a file of yours")
    name = f"landscape_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LandscapeError(f"{path} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise LandscapeError(f"importing {path} raised {type(error).__name__}: {error}") from error
    return module


def _import_module(place: str, spec: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise LandscapeError(
            f"cannot import {place!r} for --model {spec}: {type(error).__name__}: {error}; "
            "zoo names are an architecture and a depth, such as resnet18 or cifar-resnet20:blur"
        ) from error
