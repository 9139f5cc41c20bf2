"""Panels of the papers: which networks are drawn, in which order, and what is said of the rest."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from landscape.comparison.identity import renamed
from landscape.errors import ArgumentError, ResultError
from landscape.figures import papers
from landscape.figures.papers import PANELS
from landscape.figures.papers.networks import select, three
from tests.figures.legible import assert_legible
from tests.figures.paper_results import SPECS, configured, family, sequence
from tests.figures.prediction_results import ensemble, robustness
from tests.figures.synthetic import spectrum

ICML_1, ICML_2 = 3.25, 6.75
FIGURES = [name for name in PANELS if "-fig" in name]
KINDS = (
    "evaluation", "ensemble", "robustness", "features", "noise", "maps", "covariance", "surface", "sequence",
    "spectrum", "density", "trajectory",
)  # fmt: skip


@pytest.fixture(scope="module")
def everything():
    return family(KINDS)


def curves(part):
    """Labels of the legend of a figure."""
    return [text.get_text().partition(":")[0] for text in part.content.legends[0].get_texts()]


def labelled(axis):
    return [line.get_label() for line in axis.lines if not line.get_label().startswith("_")]


@pytest.mark.parametrize("name", FIGURES)
def test_every_panel_is_drawn_legibly_with_a_caption(everything, name):
    parts = papers.draw(name, everything)
    assert parts
    assert len({part.letter for part in parts}) == len(parts)
    panel = PANELS[name]
    for part in parts:
        assert isinstance(part.content, Figure)
        assert part.caption.startswith(f"Counterpart of {panel.number} of Park & Kim")
        assert part.content.get_figwidth() in (pytest.approx(ICML_1), pytest.approx(ICML_2))
        assert_legible(part.content)


@pytest.mark.parametrize("name", ["p1-fig3", "p1-fig6", "p1-fig8", "p1-figc1", "p1-figd2", "p1-figd3"])
def test_panels_fit_one_column(everything, name):
    for part in papers.draw(name, everything, widths=(ICML_1, ICML_1)):
        assert part.content.get_figwidth() == pytest.approx(ICML_1)
        assert_legible(part.content)


def test_deterministic_networks_are_lines_beside_ensembles(everything):
    (part,) = papers.draw("p1-fig3", everything)
    axis = part.content.axes[0]
    roles = ["deterministic", "deterministic + S", "MC dropout", "MC dropout + S"]
    assert labelled(axis) == roles
    flat, curve = axis.lines[0], axis.lines[2]
    np.testing.assert_allclose(flat.get_ydata(), float(everything["gap"]["evaluation"]["mean_nll"]))
    np.testing.assert_allclose(curve.get_ydata(), everything["mcd-gap"]["ensemble"]["nll"])
    assert flat.get_xdata().max() == curve.get_xdata().max() == 12
    assert "deterministic: gap; deterministic + S: gap-blur; MC dropout: mcd-gap" in part.caption
    assert "MC dropout 20 %" in part.caption


def test_the_configuration_decides_and_not_the_name():
    specs = {"a": SPECS["mcd-gap-blur"], "b": SPECS["mcd-mlp"], "c": SPECS["mcd-gap"], "gap": SPECS["mlp"]}
    (part,) = papers.draw("p1-fig8", family(["spectrum"], specs))
    assert "Networks: MLP: b; GAP: c; GAP + S: a (" in part.caption
    assert curves(part) == ["MLP", "GAP", "GAP + S"]


def test_absent_networks_are_said(everything):
    part = {name: everything[name] for name in ("mcd-gap", "mcd-mlp", "gap-blur")}
    (part,) = papers.draw("p1-fig7", part)
    titles = [axis.get_title() for axis in part.content.axes if axis.get_title()]
    assert titles == ["MLP", "GAP"]
    assert "Absent, for want of such a network or result: GAP + S." in part.caption


def test_deterministic_networks_stand_in_where_none_has_dropout(everything):
    part = {name: everything[name] for name in ("mlp", "gap", "gap-blur")}
    (part,) = papers.draw("p1-fig8", part)
    assert "MLP: mlp; GAP: gap; GAP + S: gap-blur" in part.caption
    assert "without dropout" in part.caption


@pytest.mark.parametrize("name", list(PANELS))
def test_what_cannot_be_drawn_is_refused_with_the_command_that_measures_it(name):
    with pytest.raises(ResultError, match=r"takes results .*`landscape [a-z]+ CKPT") as caught:
        papers.draw(name, family(["attack_none"], {}) | {"x": {"lesion": _lesion()}})
    assert "received lesion of x" in str(caught.value)


def _lesion():
    from tests.figures.feature_results import lesion

    return configured(lesion("x"), SPECS["gap"])


def test_an_unknown_panel_is_refused_with_those_near():
    with pytest.raises(ArgumentError, match="no panel is called 'p1-fig88'; did you mean p1-fig8"):
        papers.draw("p1-fig88", {})


def test_networks_of_one_panel_share_architecture_and_rate():
    specs = {
        "other": "resnet18:blur,dropout=0.2",
        "mlp": SPECS["mcd-mlp"],
        "gap": SPECS["mcd-gap"],
        "half": "cifar-resnet20:blur,dropout=0.5",
    }
    selection = select(renamed(family(["spectrum"], specs)), three(("spectrum",)))
    assert selection.found == {"MLP": "mlp", "GAP": "gap"}
    assert selection.absent == ("GAP + S",)
    assert selection.rate == 0.2


def test_networks_without_a_configuration_are_drawn_by_their_names():
    (part,) = papers.draw("p1-fig8", {name: {"spectrum": spectrum(name)} for name in ("mine", "yours")})
    assert curves(part) == ["mine", "yours"]


def test_a_role_looks_alike_in_every_panel(everything):
    colours = set()
    for name in ("p1-fig3", "p1-fig6", "p1-figd2"):
        (part,) = papers.draw(name, everything)
        axis = part.content.axes[1]
        colours.add(next(line.get_color() for line in axis.lines if line.get_label() == "MC dropout + S"))
    assert len(colours) == 1


def test_the_mask_is_the_ring_and_the_panels_have_the_stored_values(everything):
    (part,) = papers.draw("p1-fig6", everything)
    mask, stage, noise = part.content.axes
    outer, inner = mask.patches
    assert outer.get_width() == pytest.approx(2 * 0.6)
    assert inner.get_width() == pytest.approx(2 * 0.5)
    drawn = next(line for line in noise.lines if line.get_label() == "deterministic")
    np.testing.assert_allclose(drawn.get_ydata(), 100 * everything["gap"]["noise"]["accuracy"])
    assert labelled(stage) == labelled(noise)


def test_frequency_panel_without_noise_is_the_spectra_alone(everything):
    part = {name: {"features": everything[name]["features"]} for name in ("gap", "mcd-gap")}
    (part,) = papers.draw("p1-fig6", part)
    assert [axis.get_title() for axis in part.content.axes] == ["end of stage 1"]
    assert "Without a result noise: deterministic, MC dropout." in part.caption


def test_one_smoothing_layer_in_turn_trained_or_inserted():
    plain, rate = "cifar-resnet20:dropout=0.2", "dropout=0.2"
    results = {
        "plain": {"ensemble": configured(ensemble("mcd-plain"), plain)},
        "second": {"ensemble": configured(ensemble("mcd-2"), f"cifar-resnet20:blur,stages=2,{rate}")},
        "second+": {"ensemble": configured(ensemble("mcd-2p"), plain, surgery="blur@smooth2")},
        "third": {"ensemble": configured(ensemble("mcd-3"), plain, surgery="prob-blur@layer3")},
        "relu6": {"ensemble": configured(ensemble("mcd-r"), plain, surgery="relu6@smooth1")},
        "every": {"ensemble": configured(ensemble("mcd-e"), f"cifar-resnet20:blur,{rate}")},
    }
    (part,) = papers.draw("p1-figb5", results)
    assert curves(part) == ["no smoothing", "after stage 2", "after stage 3, inserted", "after every stage"]
    assert "Absent, for want of such a network or result: after stage 1." in part.caption
    assert "weights as they were" in part.caption


def test_corruptions_against_the_size_of_the_ensemble():
    made = {}
    for i, mode in enumerate(("fresh", "ensemble:3")):
        dataset = robustness("mcd-gap", level=1 - 0.3 * i)
        made[f"any-{i}"] = configured(dataset, SPECS["mcd-gap"], dropout=mode)
    first, second = papers.draw("p1-figc1", {"mcd-gap": made})
    assert (first.letter, second.letter) == ("a", "b")
    line = second.content.axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), [1, 3])
    np.testing.assert_allclose(line.get_ydata(), [float(each["mean_nll"]) for each in made.values()])
    assert "not relative to those of AlexNet" in second.caption


def test_dropout_rates_are_in_order_and_those_of_the_paper_missed():
    specs = {"b": "cifar-resnet20:dropout=0.25", "c": "cifar-resnet20:dropout=0.1", "a": "cifar-resnet20"}
    density, spectra = papers.draw("p1-figd3", family(["density", "spectrum"], specs))
    assert curves(spectra) == ["dropout 0 %", "dropout 10 %", "dropout 25 %"]
    assert "Absent, for want of such a network or result: dropout 20 %, dropout 30 %." in density.caption


def test_a_sequence_is_no_surface():
    results = {"mcd-gap": {"surface": configured(sequence("mcd-gap"), SPECS["mcd-gap"])}}
    assert list(renamed(results)["mcd-gap"]) == ["sequence"]
    with pytest.raises(ResultError, match="takes results surface"):
        papers.draw("p1-fig7", results)
    assert papers.draw("p1-figc2", results)


def test_parts_that_are_absent_are_said_once(everything):
    part = {name: {"spectrum": everything[name]["spectrum"]} for name in ("gap", "mlp")}
    (part,) = papers.draw("p2-fig1", part)
    assert part.letter == "c"
    assert "Absent part: a, of results surface (`landscape surface CKPT`); b, of results" in part.caption
