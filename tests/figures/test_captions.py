import numpy as np
import pytest

from landscape import figures
from landscape.errors import ResultError
from tests.figures import synthetic


@pytest.mark.parametrize("name", list(figures.FIGURES))
def test_every_caption_has_the_protocol(name):
    dataset = synthetic.comparison(["gap"])["gap"][figures.FIGURES[name].kind]
    text = figures.caption(name, dataset)
    assert "1,000 samples (train split of cifar10)" in text
    assert "BatchNorm eval, dropout off, seed 0, float32." in text


def test_cells_that_are_not_finite_are_counted():
    data = {"a": synthetic.surface("a", broken=3), "b": synthetic.surface("b", undone=2)}
    for name in ("contours", "surface3d"):
        text = figures.caption(name, data)
        assert "not finite (3 of 121 in a)" in text
        assert "not computed yet (2 of 121 in b)" in text
    assert "not finite" not in figures.caption("contours", synthetic.surface())


def test_a_wide_range_is_said():
    text = figures.caption("surface3d", synthetic.surface(curvature=50.0))
    assert "logarithmic; nothing is clipped" in text
    assert "logarithmic" in figures.caption("contours", synthetic.surface(curvature=50.0))
    assert "logarithmic" not in figures.caption("contours", synthetic.surface(curvature=50.0), log=False)
    deep = synthetic.surface(curvature=1e5, base=1e-9)
    assert "share the lowest colour" in figures.caption("contours", deep)


def test_values_not_converged_or_not_finite_are_counted():
    dataset = synthetic.spectrum(loose=4)
    dataset["eigenvalue"][0, 0] = np.nan
    text = figures.caption("spectrum", {"gap": dataset})
    assert "Not converged: 4 of 60 in gap." in text
    assert "Not finite, not drawn: 1 in gap." in text
    assert "top 5 Hessian eigenvalues of each of 12 mini-batches of 16 samples" in text


def test_the_interval_of_a_spectrum_is_said_where_there_is_one():
    dataset = synthetic.spectrum()
    interval = dataset.assign(ape_low=90.0, ape_high=140.0, nep_low=0.0, nep_high=0.1)
    assert "positive values (± two standard errors); NEP: share of negative ones (" in figures.caption(
        "spectrum", dataset
    )
    text = figures.caption("spectrum", interval)
    assert "([95 % interval over mini-batches]); NEP: share of negative ones, likewise (" in text
    both = figures.caption("spectrum", {"a": dataset, "b": interval})
    assert "over mini-batches] or ± two standard errors)" in both


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "the Hessian matrix of the mean loss (loss nll, weight decay 0.0005)"),
        ({"operator": "ggn"}, "the Gauss–Newton matrix of the mean loss ("),
        ({"coordinates": "filter"}, "the Hessian matrix of the mean loss in filter-normalised coordinates ("),
        ({"coordinates": "layer"}, "the mean loss in layer-normalised coordinates ("),
    ],
)
def test_operator_and_coordinates_are_said(options, words):
    assert words in figures.caption("density", synthetic.density(options=options))
    assert words in figures.caption("layers", synthetic.layers(options=options))


def test_the_operator_of_a_spectrum_is_said():
    dataset = synthetic.spectrum(options={"operator": "ggn", "coordinates": "filter"})
    text = figures.caption("spectrum", dataset)
    assert (
        "top 5 Gauss–Newton eigenvalues of each of 12 mini-batches of 16 samples in filter-normalised" in text
    )


def test_a_density_says_how_it_was_estimated():
    text = figures.caption("density", synthetic.density(top=100.0))
    assert "5 random probes of 60 steps, each node broadened by a Gaussian of width 0.5." in text
    assert "cut at the lower limit of the axis" in text
    assert "one probe" not in text
    assert "right edge" not in figures.caption("density", synthetic.density(), log=False)
    several = {"a": synthetic.density("a", probes=1), "b": synthetic.density("b", top=20.0)}
    text = figures.caption("density", several)
    assert "1 / 5 random probes" in text
    assert "width 0.1 to 0.85" in text
    assert "No error is known from one probe (a)." in text


def test_layers_not_converged_or_not_finite_are_counted():
    dataset = synthetic.layers(loose=3)
    dataset["trace"][5] = np.nan
    dataset["eigenvalue"][5:7] = np.nan
    text = figures.caption("layers", {"gap": dataset, "mlp": synthetic.layers("mlp")})
    assert "Not converged (open markers): 3 of 39 in gap." in text
    assert "Not finite, not drawn: 3 in gap." in text
    assert "stochastic estimates from 10 random probes, bars Student's 95 % intervals" in text
    assert "Not" not in figures.caption("layers", synthetic.layers())


def test_what_the_layers_figure_shows_is_what_its_caption_says():
    assert "Shading" in figures.caption("layers", synthetic.layers())
    assert "Small markers" in figures.caption("layers", synthetic.layers())
    plain = synthetic.layers(norms=False)
    plain["name"][:] = [str(i) for i in range(plain.sizes["layer"])]
    assert "Shading" not in figures.caption("layers", plain)
    assert "Small markers" not in figures.caption("layers", plain)


def test_small_maps_are_warned_of():
    assert "under 8" not in figures.caption("fourier", synthetic.features())
    text = figures.caption("fourier", synthetic.features("gap", size=16))
    assert "Maps under 8 × 8 (3 layers of gap)" in text


def test_differences_in_protocol_are_named():
    data = {"gap": synthetic.features("gap"), "mcd-gap": synthetic.features("mcd-gap")}
    text = figures.caption("variance", data)
    assert "dropout off / fixed" in text
    assert "The networks differ in protocol: dropout." in text
    assert figures.protocol_differences(data) == ["dropout"]


def test_unknown_figures_are_refused():
    with pytest.raises(ResultError, match=r"'pie'.*contours, surface3d"):
        figures.caption("pie", synthetic.surface())
