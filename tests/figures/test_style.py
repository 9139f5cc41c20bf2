import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest

from landscape import figures
from landscape.errors import ResultError
from landscape.figures import style
from tests.figures import synthetic

ROOT = Path(figures.__file__).parents[2]


def test_looks_follow_the_order_and_differ():
    looks = style.looks(synthetic.FAMILY)
    assert looks == style.looks(synthetic.FAMILY)
    assert len({look.colour for look in looks.values()}) == 9
    assert len({look.marker for look in looks.values()}) == 9
    many = style.looks(str(i) for i in range(40))
    assert len({(look.colour, str(look.dash), look.marker) for look in many.values()}) == 40


def test_a_look_survives_where_a_network_is_missing():
    looks = figures.looks(synthetic.FAMILY)
    spectra = {name: synthetic.spectrum(name) for name in ("gap-blur", "mcd-gap")}
    figure = figures.spectrum(spectra, looks=looks)
    assert [line.get_color() for line in figure.axes[0].lines] == [looks[name].colour for name in spectra]


def test_looks_chosen_for_other_names_are_refused():
    with pytest.raises(ResultError, match="no look for gap"):
        figures.spectrum(synthetic.spectrum("gap"), looks=figures.looks(["mlp"]))


def test_save_writes_every_format_and_the_same_bytes_twice(tmp_path):
    paths = []
    for attempt in ("a", "b"):
        figure = figures.variance(synthetic.features("gap"))
        paths.append(figures.save(figure, tmp_path / attempt / "variance.v1"))
    assert [path.name for path in paths[0]] == ["variance.v1.pdf", "variance.v1.svg", "variance.v1.png"]
    for first, second in zip(*paths, strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert b"/FontFile2" in paths[0][0].read_bytes()  # TrueType outlines embedded
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == sorted(p.name for p in paths[0])


def test_save_refuses_other_formats(tmp_path):
    with pytest.raises(ResultError, match=r"unknown format jpg.*pdf, svg, png"):
        figures.save(figures.variance(synthetic.features()), tmp_path / "x", formats=["jpg"])


@pytest.mark.parametrize("name", list(figures.FIGURES))
def test_drawing_leaves_no_trace(name, tmp_path):
    import matplotlib.pyplot as plt

    before = dict(matplotlib.rcParams)
    results = synthetic.of(synthetic.comparison(), figures.FIGURES[name].kind)
    figures.save(figures.draw(name, results), tmp_path / name, formats=["svg"])
    assert dict(matplotlib.rcParams) == before
    assert plt.get_fignums() == []


@pytest.mark.parametrize("count", [1, 3, 9])
@pytest.mark.parametrize("name", list(figures.FIGURES))
def test_widths_are_those_of_a_page(name, count):
    results = synthetic.of(synthetic.comparison(synthetic.FAMILY[:count]), figures.FIGURES[name].kind)
    width = figures.draw(name, results).get_size_inches()[0]
    assert width in (figures.ONE_COLUMN, figures.TWO_COLUMN)
    assert count == 1 or width == figures.TWO_COLUMN


@pytest.mark.parametrize("name", list(figures.FIGURES))
def test_a_single_dataset_goes_by_its_stored_name(name, tmp_path):
    dataset = synthetic.comparison(["ga$p_{"])["ga$p_{"][figures.FIGURES[name].kind]
    figure = figures.draw(name, dataset)
    figures.save(figure, tmp_path / "hostile", formats=["png"])
    words = [text.get_text() for room in (figure, *figure.axes) for text in room.texts]
    words += [axis.get_title() for axis in figure.axes]
    words += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert any("ga$p_{" in word for word in words)


@pytest.mark.parametrize("name", list(figures.FIGURES))
def test_wrong_input_is_named(name):
    with pytest.raises(ResultError, match="received none"):
        figures.draw(name, {})
    with pytest.raises(ResultError, match="received 'evaluation'"):
        figures.draw(name, {"gap": synthetic.evaluation("gap")})


def test_drawing_and_reporting_never_import_torch(tmp_path):
    code = f"""
import sys
from tests.figures import synthetic
from landscape import figures, report
report.write_report(synthetic.comparison(["gap"]), {str(tmp_path)!r})
loaded = [m for m in sys.modules if m == "torch" or m.startswith(("torch.", "landscape.analyses"))]
assert not loaded, loaded[:5]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
