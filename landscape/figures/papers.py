"""Panels of the papers, drawn of one's own measured networks: one function each, by the panel's id."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from landscape.comparison.identity import Results
from landscape.errors import ResultError
from landscape.figures import papers_appendix, papers_smoothing, papers_tables, papers_transformers
from landscape.figures.plates import ICML, Plate, Widths

P1, P2 = "Park & Kim 2022a", "Park & Kim 2022b"
_FOUR = "deterministic and MC dropout, each without and with smoothing"
_THREE = "MLP head, GAP, GAP + smoothing, with MC dropout if there is any"
_ANY = "any"


@dataclass(frozen=True)
class PaperPanel:
    """A panel of a paper.

    Attributes:
        paper: Which paper.
        number: Which panel of it.
        title: What it shows.
        kinds: Kinds of results it takes; not all have to be there.
        networks: Which networks, in words.
        draw: The function: results, and `widths` of a column and of the page in inches.
    """

    paper: str
    number: str
    title: str
    kinds: tuple[str, ...]
    networks: str
    draw: Callable[..., list[Plate]]


PANELS: dict[str, PaperPanel] = {
    "p1-fig3": PaperPanel(
        P1,
        "Fig. 3",
        "NLL, accuracy and ECE against the size of the ensemble",
        ("ensemble", "evaluation"),
        _FOUR,
        papers_smoothing.fig3,
    ),
    "p1-fig4": PaperPanel(
        P1,
        "Fig. 4",
        "an image and its feature maps over dropout draws",
        ("maps",),
        "MC dropout, without and with smoothing",
        papers_smoothing.fig4,
    ),
    "p1-fig5": PaperPanel(
        P1,
        "Fig. 5",
        "model and data uncertainty of feature maps by depth",
        ("features",),
        "MC dropout, without and with smoothing",
        papers_smoothing.fig5,
    ),
    "p1-fig6": PaperPanel(
        P1,
        "Fig. 6",
        "mask of frequency noise, spectra after stage 1, accuracy under noise",
        ("features", "noise"),
        _FOUR,
        papers_smoothing.fig6,
    ),
    "p1-fig7": PaperPanel(
        P1, "Fig. 7", "contours of the training NLL", ("surface",), _THREE, papers_smoothing.fig7
    ),
    "p1-fig8": PaperPanel(
        P1, "Fig. 8", "Hessian max-eigenvalue spectra", ("spectrum",), _THREE, papers_smoothing.fig8
    ),
    "p1-figb5": PaperPanel(
        P1,
        "Fig. B.5",
        "ensemble sizes with one smoothing layer after each stage in turn",
        ("ensemble", "evaluation"),
        "blurred after one stage, trained so or put in (--smooth blur@smooth2)",
        papers_appendix.figb5,
    ),
    "p1-figc1": PaperPanel(
        P1,
        "Fig. C.1",
        "corrupted images by severity and by size of the ensemble",
        ("robustness",),
        "heads GAP, MLP, max, median, with MC dropout if there is any",
        papers_appendix.figc1,
    ),
    "p1-figc2": PaperPanel(
        P1,
        "Fig. C.2",
        "contours under one draw of dropout masks after another",
        ("sequence",),
        "MLP head, GAP, GAP + smoothing, with MC dropout",
        papers_appendix.figc2,
    ),
    "p1-figc3": PaperPanel(
        P1,
        "Fig. C.3",
        "spectral density of the Hessian",
        ("density",),
        "GAP, GAP + smoothing, with MC dropout if there is any",
        papers_appendix.figc3,
    ),
    "p1-figd1": PaperPanel(
        P1,
        "Fig. D.1",
        "correlation of feature-map points with the centre, noise inputs",
        ("covariance",),
        "a plain one",
        papers_appendix.figd1,
    ),
    "p1-figd2": PaperPanel(
        P1,
        "Fig. D.2",
        "log amplitude against frequency at the end of every stage",
        ("features",),
        _FOUR,
        papers_appendix.figd2,
    ),
    "p1-figd3": PaperPanel(
        P1,
        "Fig. D.3",
        "spectral density and max-eigenvalue spectra by dropout rate",
        ("density", "spectrum"),
        "GAP at any dropout rates",
        papers_appendix.figd3,
    ),
    "p1-tableb1": PaperPanel(
        P1,
        "Table B.1",
        "kinds of Prob, without and with blur, and sizes of the blur",
        ("ensemble", "evaluation"),
        "one kind of smoothing each, trained so or put in (--smooth relu6-blur)",
        papers_tables.tableb1,
    ),
    "p1-tablec1": PaperPanel(
        P1,
        "Table C.1",
        "heads: NLL on training and on test images, accuracy, ECE",
        ("ensemble", "evaluation", "evaluation-train", "surface"),
        "heads GAP, MLP, max, median, with MC dropout if there is any",
        papers_tables.tablec1,
    ),
    "p1-tablec2": PaperPanel(
        P1,
        "Table C.2",
        "pre-activation",
        ("ensemble", "evaluation"),
        "without and with pre-activation, deterministic and MC dropout",
        papers_tables.tablec2,
    ),
    "p1-tablee1": PaperPanel(
        P1, "Table E.1", "NLL, accuracy and ECE", ("ensemble", "evaluation"), _FOUR, papers_tables.tablee1
    ),
    "p2-fig1": PaperPanel(
        P2,
        "Fig. 1",
        "loss surfaces, training seen from its end, max-eigenvalue spectra",
        ("surface", "trajectory", "spectrum"),
        _ANY,
        papers_transformers.fig1,
    ),
    "p2-fig2": PaperPanel(
        P2,
        "Fig. 2",
        "Δ log amplitude by frequency and depth; accuracy drop under frequency noise",
        ("features", "noise"),
        _ANY,
        papers_transformers.fig2,
    ),
    "p2-fig8": PaperPanel(
        P2, "Fig. 8", "high frequencies by depth", ("features",), _ANY, papers_transformers.fig8
    ),
    "p2-fig9": PaperPanel(
        P2, "Fig. 9", "variance of feature maps by depth", ("features",), _ANY, papers_transformers.fig9
    ),
}
"""Every panel, in the order of the papers."""


def find(name: str) -> PaperPanel:
    """The panel of an id, such as `p1-fig8`.

    Raises:
        ResultError: If there is none.
    """
    if name not in PANELS:
        close = difflib.get_close_matches(name.lower(), PANELS, n=3, cutoff=0.5) or PANELS
        raise ResultError(f"no panel is called {name!r}; there are {', '.join(close)}")
    return PANELS[name]


def draw(name: str, results: Results, *, widths: Widths = ICML) -> list[Plate]:
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
    return find(name).draw(results, widths=widths)
