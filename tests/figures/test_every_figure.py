"""What holds for every figure: input is checked, width and looks are kept, and it can be read."""

from __future__ import annotations

import subprocess
import sys
import xml.dom.minidom
from functools import cache
from pathlib import Path

import matplotlib
import matplotlib.colors
import matplotlib.pyplot as plt
import pytest

from landscape import figures
from landscape.errors import ResultError
from tests.figures import connections, planes, synthetic
from tests.figures.legible import assert_legible
from tests.figures.phase_results import phase

ROOT = Path(figures.__file__).parents[2]
DRAWINGS = figures.FIGURES | figures.FURTHER
EACH = pytest.mark.parametrize("name", [name for name in DRAWINGS if name != "sequence"])
WITH_LOOKS = pytest.mark.parametrize("name", [n for n, drawing in DRAWINGS.items() if drawing.per_network])
LONG = ("a-network-with-a-rather-long-name", *synthetic.FAMILY[1:-1], "mcd-gap-blur")
OTHERS = {
    "lines": lambda name: planes.line(name, repeats=3),
    "trace": synthetic.trace,
    "flatness": synthetic.flatness,
    **dict.fromkeys(("phase_map", "phase_quadrants", "phase_trends"), phase),
    "connect": connections.connect,
    "connect_plane": connections.connect,
    "connect_matrix": lambda name: connections.connect(name, others=("other", "third")),
    "sharpness": synthetic.sharpness,
    "generalisation": synthetic.sharpness,
}
"""Results that `synthetic.comparison` does not have."""


@cache
def comparison(networks):
    return synthetic.comparison(networks)


def results(name, networks):
    """What a figure draws, of some networks."""
    if name in OTHERS:
        return {network: OTHERS[name](network) for network in networks}
    return synthetic.of(comparison(networks), DRAWINGS[name].kind)


@EACH
def test_wrong_input_is_named(name):
    with pytest.raises(ResultError, match="received none"):
        figures.draw(name, {})
    other = synthetic.spectrum("gap") if DRAWINGS[name].kind == "evaluation" else synthetic.evaluation("gap")
    with pytest.raises(ResultError, match=f"received '{other.attrs['kind']}'"):
        figures.draw(name, {"gap": other})


@pytest.mark.parametrize("name", ["similarity", "variance", "contours"])
def test_letters_that_no_font_has_crash_no_figure_and_no_xml(tmp_path, name):
    odd = "a\ud800\x1b]0;x\x07\x0b--\u202e<b>\x00"
    found = {
        odd if network == "gap" else network: each for network, each in results(name, ("gap", "mlp")).items()
    }
    if "layer" in found[odd].coords:
        found[odd] = found[odd].assign_coords(layer=[f"{each}\x0b\ud800" for each in found[odd].layer.values])
    figure = figures.draw(name, found, looks=figures.looks(found))
    (path,) = figures.save(figure, tmp_path / "figure", formats=["svg"])
    drawn = xml.dom.minidom.parse(str(path)).toxml()
    said = figures.caption(name, found) + drawn
    assert not any(char in said for char in "\x1b\x07\x0b\ud800\u202e")
    assert "<b>" not in drawn


def test_unknown_figures_are_refused():
    for call in (figures.caption, figures.draw):
        with pytest.raises(ResultError, match=r"'pie'.*contours, surface3d"):
            call("pie", synthetic.surface())
    with pytest.raises(TypeError, match="no_option"):
        figures.caption("contours", synthetic.surface(), no_option=1)


@EACH
@pytest.mark.parametrize(
    ("count", "width"),
    [
        (1, None),
        (9, figures.ONE_COLUMN),
        pytest.param(9, None, marks=pytest.mark.full),
        pytest.param(9, figures.TWO_COLUMN, marks=pytest.mark.full),
        pytest.param(1, figures.ONE_COLUMN, marks=pytest.mark.full),
        pytest.param(1, figures.TWO_COLUMN, marks=pytest.mark.full),
    ],
)
def test_any_number_of_networks_can_be_read(name, count, width):
    networks = LONG[-count:]
    figure = figures.draw(name, results(name, networks), width=width)
    usual = {figures.ONE_COLUMN} if name == "polar" else {figures.ONE_COLUMN, figures.TWO_COLUMN}
    if count > 1 and name != "polar":
        usual = {figures.TWO_COLUMN}
    assert figure.get_figwidth() in ({width} if width else usual)
    assert_legible(figure)


@EACH
def test_a_single_dataset_goes_by_its_stored_name_and_leaves_no_trace(name, tmp_path):
    before = dict(matplotlib.rcParams)
    hostile = "ga$p_{-blur"
    figure = figures.draw(name, results(name, (hostile,))[hostile])
    figures.save(figure, tmp_path / "hostile", formats=["svg", "png"])
    words = [text.get_text() for room in (figure, *figure.axes) for text in room.texts]
    words += [axis.get_title() for axis in figure.axes]
    words += [label.get_text() for axis in figure.axes for label in axis.get_yticklabels()]
    words += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert any(hostile in word for word in words)
    assert dict(matplotlib.rcParams) == before
    assert plt.get_fignums() == []


def drawn_in(figure, label):
    """Colours of what has a label."""
    lines = [line for axis in figure.axes for line in axis.lines]
    groups = [group for axis in figure.axes for group in axis.containers if group.get_label() == label]
    lines = [line for line in lines if line.get_label() == label]
    lines += [group.lines[0] for group in groups if hasattr(group, "lines")]
    bars = [group.patches[0] for group in groups if hasattr(group, "patches")]
    return [line.get_color() for line in lines] + [bar.get_facecolor() for bar in bars]


@WITH_LOOKS
def test_networks_look_alike_in_every_figure(name):
    chosen, looks = (LONG[-1], LONG[2], LONG[4]), figures.looks(LONG)
    figure = figures.draw(name, results(name, chosen), looks=looks)
    drawn = [network for network in chosen if drawn_in(figure, network)]
    assert drawn == [network for network in chosen if name != "smoothing_effect" or "blur" in network]
    for network in drawn:
        for colour in drawn_in(figure, network):
            assert matplotlib.colors.same_color(colour, looks[network].colour)
    with pytest.raises(ResultError, match=f"no look for {chosen[0]}"):
        figures.draw(name, results(name, chosen), looks=figures.looks(["other"]))


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
    with pytest.raises(ResultError, match=r"unknown format jpg.*pdf, svg, png"):
        figures.save(figure, tmp_path / "x", formats=["jpg"])


@pytest.mark.parametrize(
    ("name", "dataset", "emptied"),
    [
        ("contours", synthetic.surface(), ("nll",)),
        ("surface3d", synthetic.surface(), ("nll",)),
        ("density", synthetic.density(), ("density", "standard_error", "node", "trace")),
        ("spectrum", synthetic.spectrum(batches=2, k=2), ("eigenvalue",)),
        ("layers", synthetic.layers(), ("eigenvalue", "trace", "trace_standard_error")),
        ("eigenvalues", synthetic.eigenvalues(), ("eigenvalue",)),
        ("trace", synthetic.trace(), ("trace", "trace_standard_error", "trace_low", "trace_high")),
        ("flatness", synthetic.flatness(), ("rise", "rise_mean", "rise_interval")),
        ("sharpness", synthetic.sharpness(), ("value", "value_low", "value_high", "ratio")),
    ],
)
def test_nothing_finite_is_no_failure(name, dataset, emptied, tmp_path):
    dataset = dataset.copy(deep=True)
    for variable in emptied:
        dataset[variable] = dataset[variable] * float("nan")
    figures.save(figures.draw(name, dataset), tmp_path / "none", formats=["png"])


FEATURES = ("high_frequency", "spatial_variance", "spatial_variance_standard_error")


@pytest.mark.parametrize(
    ("names", "dataset", "emptied", "where"),
    [
        (("fourier", "high_frequency", "variance", "amplitude", "uncertainty"), "features", FEATURES, 3),
        (("layers",), "layers", ("eigenvalue", "trace", "trace_standard_error"), slice(2, 4)),
        (("noise",), "noise", ("accuracy", "accuracy_standard_error", "accuracy_drop"), 0),
    ],
)
def test_missing_values_leave_gaps(names, dataset, emptied, where, tmp_path):
    found = comparison(("gap",))["gap"][dataset].copy(deep=True)
    for variable in emptied:
        found[variable][where] = float("nan")
    for name in names:
        figures.save(figures.draw(name, found), tmp_path / name, formats=["png"])


@pytest.mark.full  # draws a whole report in a process of its own
def test_names_load_on_first_use_and_drawing_never_imports_torch(tmp_path):
    code = f"""
import sys
from landscape import figures
assert not [m for m in sys.modules if m.startswith(("torch", "matplotlib", "landscape.figures."))]
for name in figures.__all__:
    assert getattr(figures, name) is not None, name
try:
    figures.nonsense
except AttributeError as error:
    assert "no attribute 'nonsense'" in str(error)
from tests.figures import synthetic
from landscape import report
report.write_report(synthetic.comparison(["gap"]), {str(tmp_path)!r})
loaded = [m for m in sys.modules if m == "torch" or m.startswith(("torch.", "landscape.analyses"))]
assert not loaded, loaded[:5]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
