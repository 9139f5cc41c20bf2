"""What notebooks show of networks, objectives, results and figures."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib.figure import Figure
from torch import nn

from landscape import Network, Normalisation, Objective, Samples
from landscape.display import show
from landscape.errors import ResultError
from landscape.results import Check, stamp

HOSTILE = '<script>alert("x")</script>'


class Outline(HTMLParser):
    """Balanced tags, and the text of each cell."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in ("img", "input", "br"):
            self.open.append(tag)
        if tag in ("th", "td"):
            self.cells.append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("th", "td"):
            self.cells[-1] += data

    def rows(self) -> dict[str, str]:
        assert not self.open
        return dict(zip(self.cells[::2], self.cells[1::2], strict=True))


def network(name: str = "small", **options) -> Network:
    return Network(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), name=name, **options)


def result(*checks: Check, name: str = "small") -> xr.Dataset:
    return stamp(
        xr.Dataset({"nll": ("sample", np.arange(3.0)), "accuracy": ((), 0.5)}),
        kind="evaluation",
        network={"name": name, "architecture": "mlp"},
        protocol={"data": {"source": "tensors", "samples": 3}, "dropout": "off", "weight_decay": None},
        provenance={"seconds": 1.5, "created": "2022-01-01"},
        checks=checks,
    )


def test_a_network_says_what_it_is():
    html = network(normalisation=Normalisation((0.5,), (0.25,)), notes=("a note",))._repr_html_()
    assert Outline(html).rows() == {
        "architecture": "Sequential",
        "parameters": "39",
        "normalisation": "mean 0.5, std 0.25",
        "note": "a note",
    }


def test_an_objective_says_what_its_numbers_depend_on():
    samples = Samples(
        torch.zeros(4, 3, 2, 2), torch.zeros(4, dtype=torch.int64), source="demo", split="train"
    )
    objective = Objective(
        network(), samples, weight_decay=5e-4, dropout="fixed", seed=7, params="*.weight", dtype=torch.float64
    )
    rows = Outline(objective._repr_html_()).rows()
    assert rows["samples"] == "4 of demo (train split), as they are"
    assert rows["weight decay"] == "0.0005"
    assert rows["dropout"] == "fixed, seed 7"
    assert rows["free parameters"] == "36 that match *.weight"
    assert rows["arithmetic"] == "float64, cpu"
    augmented = Objective(network(), samples.augmented(0))
    assert "augmented, frozen" in Outline(augmented._repr_html_()).rows()["samples"]


def test_a_result_shows_its_trust_report_before_its_data():
    good, bad = Check("a", True, "All is well."), Check("b", False, "Take more samples.")
    shown = show(result(good, bad))
    assert repr(shown) == "evaluation of small\nok All is well.\nWARN Take more samples."
    html = shown._repr_html_()
    assert "<li>WARN Take more samples.</li>" in html
    assert "<strong>1 of 2 checks failed.</strong>" in html
    assert html.index("1 of 2 checks failed") < html.index("All is well.") < html.index("xarray")
    assert "data.source" in html
    assert "checks failed" not in show(result(good))._repr_html_()


@pytest.mark.parametrize(
    "html",
    [
        network(HOSTILE, architecture=HOSTILE, notes=(HOSTILE,))._repr_html_(),
        Objective(
            network(HOSTILE), Samples(torch.zeros(1, 12), torch.zeros(1, dtype=torch.int64), source=HOSTILE)
        )._repr_html_(),
        show(result(Check("a", False, HOSTILE), name=HOSTILE))._repr_html_(),
        show(Figure(), f'{HOSTILE}" onerror="alert(1)')._repr_html_(),
    ],
    ids=["network", "objective", "result", "figure"],
)
def test_names_from_outside_are_never_markup(html):
    found = Outline(html)
    assert "script" not in found.tags
    assert 'onerror="' not in html
    assert "&lt;script&gt;" in html


def test_a_figure_is_an_image_with_its_caption():
    shown = show(Figure(figsize=(3, 2)), "What is drawn.")
    html = shown._repr_html_()
    found = re.search(r'alt="What is drawn\." src="data:image/png;base64,([^"]+)"', html)
    assert found
    image = base64.b64decode(found[1])
    assert image.startswith(b"\x89PNG")
    width, height = (int.from_bytes(image[start : start + 4], "big") for start in (16, 20))
    assert width / height == pytest.approx(1.5, abs=0.01)
    assert f"width:{width // 2}px" in html
    assert "<figcaption" in html
    assert repr(shown) == "What is drawn."
    assert "figcaption" not in show(Figure())._repr_html_()


def test_a_dataset_of_somebody_else_is_refused():
    with pytest.raises(ResultError, match="not written by landscape"):
        show(xr.Dataset({"nll": ((), 1.0)}))
