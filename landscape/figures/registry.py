"""The figures there are: each file of the rooms beside this one registers its own by the decorator `figure`.

    @figure(kind="lesion", title="Lesion study", caption=words)
    def lesion(networks: Datasets, *, width: float, looks: Looks, quantity: str = "nll") -> Figure:
        "Accuracy lost without one block, against the depth of the block."

The function that is registered receives what is the same for all figures already prepared: results by name
that are known to be of the kind, the width in inches, a look for each name if it takes `looks`, and the style
in force. What is called as `landscape.figures.lesion` takes a single result too, and neither width nor looks
have to be given.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, wraps
from math import inf
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from landscape.errors import ResultError, ResultRequestError, meant, printable
from landscape.figures import style
from landscape.figures.captions import joined, left_out, protocol_phrase, seeds_phrase
from landscape.results import attribute

Datasets = Mapping[str, xr.Dataset]
"""Results by network name, as a figure receives them."""
Looks = Mapping[str, style.Look]
"""The look of each network."""
VERDICTS = "verdicts"
"""Kind of figures that draw what `landscape.comparison` found, instead of saved results."""
_WORD = 2000  # characters
_SHARED_ROOMS = ("style", "papers")
"""Rooms beside this file that register no figures."""


@dataclass
class Drawing:
    """One figure of the catalogue, and the decorator that registers the function which draws it.

    Attributes:
        kind: Kind of result it draws, or `VERDICTS`.
        title: Its heading on a page.
        caption: Says what is drawn in two sentences at most, and on a second line what else has to be known,
            given results by name and those options of the figure that it takes.
        width: Usual width in inches of a figure of these results.
        read: Checks what is to be drawn, and returns it by network name. By default results have to be of the
            kind, and a single one goes by its stored name; what `VERDICTS` draw is taken as it is.
        heads: The results whose protocol the caption ends with: by default all, and none of `VERDICTS`.
        suits: Whether a result of the kind can be drawn so on its own.
        further: Whether it draws results of a special form, or several of one network.
        order: Where it stands among all figures; by default after those with a number.
        name: What it is called, as in `landscape.figures.NAME`.
        draw: The function, called with results and options.
        per_network: Whether lines have the look of their network (the function takes `looks`).
    """

    kind: str
    title: str
    caption: Callable[..., str]
    width: Callable[[Any], float] = style.whole_page
    read: Callable[[Any], Any] | None = None
    heads: Callable[[Any], Datasets] = dict
    suits: Callable[[xr.Dataset], bool] = lambda dataset: True
    further: bool = False
    order: float = inf
    name: str = field(init=False)
    draw: Callable[..., Figure] = field(init=False)
    per_network: bool = field(init=False)

    def __call__(self, function: Callable[..., Figure]) -> Callable[..., Figure]:
        """Register a function as the figure of its name, and prepare what it is called with."""
        signature = inspect.signature(function)

        @wraps(function)
        def draw(datasets: Any, **options: Any) -> Figure:
            found = self.checked(datasets)
            options = {name: legible(value) for name, value in options.items()}
            if self.per_network:
                options["looks"] = style.looks_for(found, options.get("looks"))
            if options.get("width") is None:
                options["width"] = self.width(found)
            with style.context():
                return function(found, **options)

        draw.__signature__ = _public(signature)  # type: ignore[attr-defined]
        self.name, self.draw, self.per_network = function.__name__, draw, "looks" in signature.parameters
        _REGISTERED[self.name] = self
        return draw

    @property
    def description(self) -> str:
        """What is to be seen, as alternative text: the first sentence of the function's documentation."""
        return (self.draw.__doc__ or "").partition("\n")[0].removesuffix(".")

    def checked(self, datasets: Any) -> Any:
        """What is to be drawn, by network name."""
        if self.read is not None:
            return self.read(legible(datasets))
        return datasets if self.kind == VERDICTS else named(legible(datasets), self.kind)


figure = Drawing
"""The decorator, as files of figures call it."""
_REGISTERED: dict[str, Drawing] = {}


def _public(signature: inspect.Signature) -> inspect.Signature:
    """The signature that callers see: a single result will do, and width and looks may be left out."""
    first, *others = signature.parameters.values()
    shown = [first.replace(name="datasets", annotation="xr.Dataset | Mapping[str, xr.Dataset]")]
    for parameter in others:
        left = parameter.name in ("width", "looks")
        kind = f"{parameter.annotation} | None" if left else parameter.annotation
        shown.append(parameter.replace(annotation=kind, default=None if left else parameter.default))
    return signature.replace(parameters=shown)


def named(datasets: xr.Dataset | Datasets, kind: str) -> dict[str, xr.Dataset]:
    """The results by network name, in the order given; a single one goes by its stored name.

    Raises:
        ResultError: If there are none, or one is not of the kind asked for.
    """
    if isinstance(datasets, xr.Dataset):
        datasets = {str(attribute(datasets, "network").get("name") or "network"): datasets}
    if not datasets:
        raise ResultError(f"nothing to draw: expected one or more results of kind {kind!r}, received none")
    for name, dataset in datasets.items():
        found = dataset.attrs.get("kind") if isinstance(dataset, xr.Dataset) else type(dataset).__name__
        if found != kind:
            raise ResultError(f"expected a result of kind {kind!r} for {name!r}, received {found!r}")
    return dict(datasets)


def legible(value: Any) -> Any:
    """Results, or whatever else is kept by network name, without what no letter can be drawn of.

    Control characters and halves of letters (lone surrogates) in names and in words of results are written as
    escapes: fonts have no shape for them, and XML, which SVG is, forbids them.

    Args:
        value: A mapping, or a result; anything else stays as it is.
    """
    if isinstance(value, xr.Dataset):
        return _legible(value)
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        return value
    clear = all(key.isprintable() for key in value)
    return {(key if clear else printable(key)): legible(each) for key, each in value.items()}


def _legible(dataset: xr.Dataset) -> xr.Dataset:
    words = {
        name: held.copy(data=np.vectorize(lambda each: printable(each, _WORD), otypes=[object])(held.values))
        for name, held in dataset.variables.items()
        if held.dtype.kind in "OUT" and held.size and not "".join(map(str, held.values.flat)).isprintable()
    }
    labels = {name: words.pop(name) for name in list(words) if name in dataset.coords}
    return dataset.assign_coords(labels).assign(words) if labels or words else dataset


@cache
def _discover() -> None:
    """Import every file of every room, so that its figures are registered."""
    package = importlib.import_module("landscape.figures")
    for room in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if room.ispkg and room.name.rpartition(".")[2] not in _SHARED_ROOMS:
            files = pkgutil.iter_modules(importlib.import_module(room.name).__path__, f"{room.name}.")
            for file in files:
                importlib.import_module(file.name)


def registered() -> dict[str, Drawing]:
    """Every figure by name, those of verdicts included, in order."""
    _discover()
    return dict(sorted(_REGISTERED.items(), key=lambda item: (item[1].order, item[0])))


def catalogue(*, further: bool | None = None) -> dict[str, Drawing]:
    """The figures of results by name, in order: first those of every comparison, then further ones.

    Args:
        further: Only those of every comparison (False), or only further ones (True).
    """
    drawings = {name: each for name, each in registered().items() if each.kind != VERDICTS}
    parts = (False, True) if further is None else (further,)
    return {name: each for part in parts for name, each in drawings.items() if each.further == part}


def find(name: str) -> Drawing:
    """The figure of a name.

    Raises:
        ResultRequestError: If there is none.
    """
    drawings = registered()
    if name not in drawings:
        others = meant(name, drawings) or f"; there are {', '.join(catalogue())}"
        raise ResultRequestError(f"no figure is called {name!r}{others}")
    return drawings[name]


def suited(datasets: Datasets) -> dict[str, dict[str, xr.Dataset]]:
    """Every figure that can be drawn of some of these results, with those, in the order of the catalogue.

    Args:
        datasets: Results of one kind by network name.
    """
    found = {
        figure: {
            name: dataset
            for name, dataset in datasets.items()
            if dataset.attrs.get("kind") == drawing.kind and drawing.suits(dataset)
        }
        for figure, drawing in catalogue().items()
    }
    return {figure: drawn for figure, drawn in found.items() if drawn}


def draw(name: str, datasets: Any, *, looks: Looks | None = None, **options: Any) -> Figure:
    """Draw a figure by name, with the looks of the whole comparison where it uses them.

    Args:
        name: Of the figure.
        datasets: Results by network name, or a single one.
        looks: Looks by name; by default by order.
        **options: Of the figure, such as `width`.

    Raises:
        ResultError: If no figure has that name, or the results do not suit it.
    """
    drawing = find(name)
    return drawing.draw(datasets, **options, **({"looks": looks} if drawing.per_network else {}))


def caption(figure: str, datasets: Any, **options: Any) -> str:
    """The caption of a figure: two sentences for a paper, then paragraphs of notes and of the protocol.

    Args:
        figure: Its name, such as contours.
        datasets: What was drawn.
        **options: Those the figure was drawn with, such as `quantity`, `log` or `surfaces`.

    Raises:
        ResultError: If the figure is unknown or a result is of another kind.
    """
    return "\n\n".join(filter(None, caption_parts(figure, datasets, **options)))


def caption_parts(figure: str, datasets: Any, **options: Any) -> tuple[str, str, str]:
    """What a caption says: two sentences for a paper, notes, and the protocol; each may be empty.

    Args and Raises: as of `caption`.
    """
    drawing = find(figure)
    inspect.signature(drawing.draw).bind(datasets, **options)  # an option that there is not is refused
    found = drawing.checked(datasets)
    taken = inspect.signature(drawing.caption).parameters
    said = drawing.caption(found, **{name: value for name, value in options.items() if name in taken})
    text, _, notes = said.partition("\n")
    heads = {} if drawing.kind == VERDICTS else drawing.heads(found)
    notes = joined(notes, left_out(heads), seeds_phrase(heads))
    return text, notes, protocol_phrase(heads)
