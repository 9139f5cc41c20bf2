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
