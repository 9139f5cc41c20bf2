"""Panels of the papers, drawn of one's own measured networks: one row each, by the panel's id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import xarray as xr

from landscape.comparison.identity import Results, record_of, renamed
from landscape.errors import ResultRequestError, meant
from landscape.figures.captions import joined
from landscape.figures.features.depth import is_uncertain
from landscape.figures.papers import composed
from landscape.figures.papers.networks import (
    Selection,
    Wanted,
    dropout_rates,
    first_of_each,
    four,
    has_inserted,
    is_plain,
    select,
    three,
    two,
)
from landscape.figures.papers.parts import (
    ICML,
    Part,
    Widths,
    chosen,
    counterpart,
    drawn,
    measured_by,
    require,
)
from landscape.figures.papers.tables import NEEDS, table
from landscape.figures.surface.grids import is_plane
from landscape.figures.surface.polar import is_polar

P1, P2 = "Park & Kim 2022a", "Park & Kim 2022b"
_FOUR = "deterministic and MC dropout, each without and with smoothing"
_TWO = "MC dropout, without and with smoothing"
_THREE = "MLP head, GAP, GAP + smoothing, with MC dropout if there is any"
_HEADS = "heads GAP, MLP, max, median, with MC dropout if there is any"
_ANY = "any"
COLUMN, PAGE = 0, 1
"""Widths, as places in `Widths`."""

Select = Callable[[Results, tuple[str, ...]], Selection]
"""Which of the networks that have one of these results a panel takes."""


@dataclass(frozen=True)
class Drawing:
    """One figure of the catalogue as a panel shows it.

    Attributes:
        figure: Name in the catalogue.
        kind: Name of the result that is drawn.
        select: Which networks are drawn.
        width: Whether it is as wide as a column or as the page.
        suits: Whether a dataset can be drawn.
        prepare: What is drawn of a dataset.
        options: Of the figure and of its caption.
    """

    figure: str
    kind: str
    select: Select
    width: int = PAGE
    suits: Callable[[xr.Dataset], bool] = lambda dataset: True
    prepare: Callable[[xr.Dataset], xr.Dataset] = lambda dataset: dataset
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Panel:
    """A panel of a paper.

    Attributes:
        paper: Which paper.
        number: Which panel of it.
        title: What it shows.
        kinds: Kinds of results it takes; not all have to be there.
        networks: Which networks, in words.
        drawings: Its figures, lettered where there are several.
        compose: Draws what is more than a figure of the catalogue: its full number, results and widths.
    """

    paper: str
    number: str
    title: str
    kinds: tuple[str, ...]
    networks: str
    drawings: tuple[Drawing, ...] = ()
    compose: Callable[[str, Results, Widths], list[Part]] | None = None

    @property
    def full_number(self) -> str:
        """As in `Fig. 8 of Park & Kim (2022a)`."""
        authors, _, year = self.paper.rpartition(" ")
        return f"{self.number} of {authors} ({year})"

    def draw(self, results: Results, widths: Widths = ICML) -> list[Part]:
        """Its figures or its table, of results as `landscape.comparison.renamed` gives them."""
        if self.compose:
            return self.compose(self.full_number, results, widths)
        return _parts(self, results, widths) if self.drawings else _table(self, results)


def _of(make: Callable[[tuple[str, ...]], list[Wanted]], *, deterministic: bool = False) -> Select:
    """Networks wanted by name; `deterministic` ones where none has MC dropout, if that is allowed."""
    return lambda results, needs: select(results, make(needs), deterministic=deterministic)


def _by_rate(results: Results, needs: tuple[str, ...]) -> Selection:
    """Plain networks by their dropout rate."""
    records = [record_of(kinds) for kinds in results.values() if kinds]
    plain = [each["config"] for each in records if each.get("config") and is_plain(each)]
    rates = {float(config.get("dropout", 0)) for config in plain}
    return select(results, dropout_rates(rates, needs), deterministic=True)


_mc_two = partial(two, plain="MC dropout", smooth="MC dropout + S", head="usual")
_three = _of(three, deterministic=True)

PANELS: dict[str, Panel] = {
    "p1-fig3": Panel(P1, "Fig. 3", "NLL, accuracy and ECE against the size of the ensemble",
        ("ensemble", "evaluation"), _FOUR, compose=composed.ensemble_sizes),
    "p1-fig4": Panel(P1, "Fig. 4", "an image and its feature maps over dropout masks", ("maps",), _TWO,
        (Drawing("maps", "maps", _of(_mc_two), prepare=composed.first_stage),)),
    "p1-fig5": Panel(P1, "Fig. 5", "model and data uncertainty of feature maps by depth", ("features",), _TWO,
        (Drawing("uncertainty", "features", _of(_mc_two), suits=is_uncertain),)),
    "p1-fig6": Panel(P1, "Fig. 6", "mask of frequency noise, spectra after stage 1, accuracy under noise",
        ("features", "noise"), _FOUR, compose=composed.frequency_noise),
    "p1-fig7": Panel(P1, "Fig. 7", "contours of the training NLL", ("surface",), _THREE,
        (Drawing("contours", "surface", _three),)),
    "p1-fig8": Panel(P1, "Fig. 8", "Hessian max-eigenvalue spectra", ("spectrum",), _THREE,
        (Drawing("spectrum", "spectrum", _three, COLUMN),)),
    "p1-figb5": Panel(P1, "Fig. B.5", "ensemble sizes with one smoothing layer after each stage in turn",
        ("ensemble", "evaluation"), "blurred after one stage, trained so or inserted (--smooth blur@smooth2)",
        compose=composed.one_stage_in_turn_sizes),
    "p1-figc1": Panel(P1, "Fig. C.1", "corrupted images by severity and by size of the ensemble",
        ("robustness",), _HEADS, compose=composed.corruptions),
    "p1-figc2": Panel(P1, "Fig. C.2", "contours under one dropout mask after another", ("sequence",),
        "MLP head, GAP, GAP + smoothing, with MC dropout", (Drawing("sequence", "sequence", _of(three)),)),
    "p1-figc3": Panel(P1, "Fig. C.3", "spectral density of the Hessian", ("density",),
        "GAP, GAP + smoothing, with MC dropout if there is any",
        (Drawing("density", "density", _of(two, deterministic=True), COLUMN),)),
    "p1-figd1": Panel(P1, "Fig. D.1", "correlation of feature-map points with the centre, noise inputs",
        ("covariance",), "a plain one", compose=composed.noise_covariance),
    "p1-figd2": Panel(P1, "Fig. D.2", "log amplitude against frequency at the end of every stage",
        ("features",), _FOUR, (Drawing("amplitude", "features", _of(four)),)),
    "p1-figd3": Panel(P1, "Fig. D.3", "spectral density and max-eigenvalue spectra by dropout rate",
        ("density", "spectrum"), "GAP at any dropout rates", (
            Drawing("density", "density", _by_rate, COLUMN),
            Drawing("spectrum", "spectrum", _by_rate, COLUMN),
        )),
    "p1-tableb1": Panel(P1, "Table B.1", "kinds of Prob, without and with blur, and sizes of the blur", NEEDS,
        "one kind of smoothing each, trained so or inserted (--smooth relu6-blur)"),
    "p1-tablec1": Panel(P1, "Table C.1", "heads: NLL on training and on test images, accuracy, ECE",
        (*NEEDS, "evaluation-train", "surface"), _HEADS),
    "p1-tablec2": Panel(P1, "Table C.2", "pre-activation", NEEDS,
        "without and with pre-activation, deterministic and MC dropout"),
    "p1-tablee1": Panel(P1, "Table E.1", "NLL, accuracy and ECE", NEEDS, _FOUR),
    "p2-fig1": Panel(P2, "Fig. 1", "loss surfaces, training seen from its end, max-eigenvalue spectra",
        ("surface", "trajectory", "spectrum"), _ANY, (
            Drawing("surface3d", "surface", first_of_each, suits=is_plane),
            Drawing("polar", "trajectory", first_of_each, COLUMN, suits=is_polar),
            Drawing("spectrum", "spectrum", first_of_each),
        )),
    "p2-fig2": Panel(P2, "Fig. 2",
        "Δ log amplitude by frequency and depth; accuracy drop under frequency noise",
        ("features", "noise"), _ANY, (
            Drawing("fourier", "features", first_of_each),
            Drawing("noise", "noise", first_of_each, COLUMN, options={"quantities": ("accuracy_drop",)}),
        )),
    "p2-fig8": Panel(P2, "Fig. 8", "high frequencies by depth", ("features",), _ANY,
        (Drawing("high_frequency", "features", first_of_each),)),
    "p2-fig9": Panel(P2, "Fig. 9", "variance of feature maps by depth", ("features",), _ANY,
        (Drawing("variance", "features", first_of_each),)),
}  # fmt: skip
"""Every panel, in the order of the papers."""


def find(name: str) -> Panel:
    """The panel of an id, such as `p1-fig8`.

    Raises:
        ResultRequestError: If there is none.
    """
    if name not in PANELS:
        others = meant(name.lower(), PANELS) or f"; there are {', '.join(PANELS)}"
        raise ResultRequestError(f"no panel is called {name!r}{others}")
    return PANELS[name]


def draw(name: str, results: Results, *, widths: Widths = ICML) -> list[Part]:
    """A panel of a paper, of measured networks.

    Args:
        name: Its id.
        results: Network name → name of the result → dataset.
        widths: Of a column and of the page, in inches; of venues they are `figures.PRESETS`.

    Returns:
        One figure or table each, with its caption.

    Raises:
        ResultError: If there is no such panel, or nothing of it can be drawn; the message says what measures
            what it takes.
    """
    return find(name).draw(renamed(results), widths)


def _parts(panel: Panel, results: Results, widths: Widths) -> list[Part]:
    """The parts for which there are results, lettered as in the paper; the first says which are absent."""
    selections = [_selection(each, results) for each in panel.drawings]
    if not any(selection.found for selection in selections):
        require(panel.full_number, selections[0], results, [each.kind for each in panel.drawings])
    letters = "abc" if len(selections) > 1 else [""]
    rows = list(zip(letters, panel.drawings, selections, strict=False))
    missing = "; ".join(
        f"{letter}, of results {drawing.kind} (`{measured_by(drawing.kind)}`)"
        for letter, drawing, selection in rows
        if not selection.found
    )
    said = f"Absent part: {missing}." if missing else ""
    parts: list[Part] = []
    for letter, drawing, selection in rows:
        if selection.found:
            datasets = {
                label: drawing.prepare(results[network][drawing.kind])
                for label, network in selection.found.items()
            }
            words: dict[str, Any] = {
                "letter": letter,
                "width": widths[drawing.width],
                "said": "" if parts else said,
            }
            parts.append(
                drawn(panel.full_number, drawing.figure, selection, datasets, **words, **drawing.options)
            )
    return parts


def _selection(drawing: Drawing, results: Results) -> Selection:
    able = {
        network: {drawing.kind: kinds[drawing.kind]}
        for network, kinds in results.items()
        if drawing.kind in kinds and drawing.suits(kinds[drawing.kind])
    }
    return drawing.select(able, (drawing.kind,))


def _table(panel: Panel, results: Results) -> list[Part]:
    found = table(panel.number, results)
    require(panel.full_number, found.selection, results, NEEDS)
    inserted = "Rows inserted: smoothing was inserted after training, the weights as they were."
    said = inserted if has_inserted(found.selection) else ""
    words = joined(f"{counterpart(panel.full_number)}.", chosen(found.selection), said, found.note)
    return [Part("", found, words)]
