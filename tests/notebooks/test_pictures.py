"""Pictures of the documentation are what their sources draw; every figure of the gallery has a page."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from docs import catalogue
from docs.formulas import picture, typeset
from docs.ideas import amplitude, normalisation
from docs.ideas.__main__ import IMAGES, pictures
from docs.ideas.paper import ALIKE, difference, drawing
from landscape.samples import Samples

DOCS = Path(catalogue.DOCS)
FEW = ("reliability", "overview")


@pytest.fixture(scope="module")
def drawn() -> dict[str, Figure]:
    return pictures()


def test_stored_pictures_are_those_that_are_drawn(drawn):
    """Run `python -m docs.ideas` after a change of measurements, styles or pictures."""
    assert {name.removeprefix("ideas/") for name in drawn} - {"opening.png"} == {
        path.name for path in (IMAGES / "ideas").iterdir()
    }
    with drawing():
        apart = {name: difference(figure, IMAGES / name) for name, figure in drawn.items()}
    assert all(value < ALIKE for value in apart.values()), apart


def test_another_picture_is_told_from_a_stored_one(drawn):
    with drawing():
        figure = drawn["ideas/spectrum.webp"]
        figure.axes[0].set_visible(False)
        assert difference(figure, IMAGES / "ideas" / "spectrum.webp") > ALIKE


def test_the_toy_loss_depends_on_the_direction_of_the_weights_alone():
    weights = np.random.default_rng(0).normal(size=(50, 2))
    assert np.allclose(normalisation.loss(weights), normalisation.loss(3 * weights))
    assert normalisation.loss(normalisation.BEST) == pytest.approx(0)


def test_a_periodic_blur_follows_the_formula_exactly():
    image = np.random.default_rng(0).normal(size=(32, 32)) + 5
    before, after = (amplitude.along_diagonal(amplitude.spectrum(x)) for x in (image, amplitude.box(image)))
    frequency = np.arange(16) / 16
    assert after == pytest.approx(before + 2 * np.log(np.cos(np.pi * frequency / 2)), abs=1e-3)


@pytest.mark.parametrize("name", catalogue.drawn())
def test_every_figure_of_the_gallery_has_a_page(name):
    page = catalogue.page(name)
    assert len(catalogue.reading(name)) > 40, "docs/figures.md has no paragraph on it"
    assert f"ls.figures.{name}(results)" in page
    gallery = (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert f"images/gallery/{name}.webp)](figures.md#{name})" in gallery
    assert f"<figcaption>{name}</figcaption>" in gallery


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in FEW else [pytest.mark.full])
        for name in catalogue.drawn()
        if name != "robustness" and name != "corruptions"  # need a package of their own
    ],
)
def test_the_code_of_a_page_runs(name, tmp_path, monkeypatch):
    take = Samples.take
    monkeypatch.setattr(Samples, "take", lambda self, count, **kw: take(self, min(count, 32), **kw))
    monkeypatch.chdir(tmp_path)
    exec(compile(catalogue.code(name), name, "exec"), {})
    assert (tmp_path / f"{name}.png").stat().st_size > 2000


def test_formulas_are_typeset_and_code_stays():
    page = (
        "A $x^2$ and $\\theta$, `a $b$`:\n\n$$\n\\frac{1}{2}\n$$\n\n```sh\necho $HOME $PATH\n```\nfor 5$ each"
    )
    shown = typeset(page)
    assert shown.count("<svg") == 3
    assert shown.count('class="formula"') == 1
    assert "echo $HOME $PATH" in shown
    assert "`a $b$`" in shown
    assert 'aria-label="x^2"' in shown


def test_a_formula_stands_on_the_line():
    plain, deep = picture("x"), picture(r"\frac{1}{2}")
    heights = [float(re.search(r";height:([\d.]+)em", each)[1]) for each in (plain, deep)]
    drops = [float(re.search(r"vertical-align:(-?[\d.]+)em", each)[1]) for each in (plain, deep)]
    assert heights[0] < 0.7 < heights[1]
    assert drops[1] < -0.2 < drops[0] <= 0


def test_a_formula_that_cannot_be_read_is_an_error():
    with pytest.raises(ValueError, match="frac"):
        picture(r"\frac{1}")
