"""The published tables against what the papers' summary says of them (shared/PAPER.md, section 6)."""

import numpy as np
import pytest

from landscape import exchange
from landscape.errors import ResultError
from landscape.exchange import published
from landscape.results import attribute, load, save

R18 = "cifar100_resnet_mcdo_18_x10_losslandscape.csv"
R50 = "cifar100_resnet_dnn_50_losslandscape.csv"
VIT = "cifar100_vit_ti_losslandscape.csv"


@pytest.fixture(scope="module")
def tables(shared_data):
    folder = shared_data / "published-surfaces"
    return {name: exchange.read(folder / name) for name in (R18, R50, VIT)}


@pytest.mark.parametrize(
    ("name", "nll", "accuracy", "ece"),
    [(R18, 0.01278, 0.99934, 0.0125), (R50, 2.194, 0.724, 0.154), (VIT, 2.490, 0.658, 0.163)],
)
def test_the_centre(tables, name, nll, accuracy, ece):
    centre = tables[name].sel(x=0, y=0)
    assert float(centre.nll) == pytest.approx(nll, abs=5e-4 if nll > 1 else 5e-6)
    assert float(centre.accuracy) == pytest.approx(accuracy, abs=5e-4)
    assert float(centre.ece) == pytest.approx(ece, abs=5e-4)


@pytest.mark.parametrize(
    ("name", "value", "x", "y"), [(R18, 0.01233, 0, 0.01), (R50, 2.191, -0.1, 0), (VIT, 2.407, -0.1, 0)]
)
def test_the_minimum_is_where_they_found_it(tables, name, value, x, y):
    nll = tables[name].nll
    place = nll.isel(nll.argmin(("y", "x")))
    assert float(place) == pytest.approx(value, rel=5e-4)
    assert (float(place.x), float(place.y)) == pytest.approx((x, y), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "highest", "infinite"), [(R18, 0.02248, 0), (R50, 24.05, 31), (VIT, 5.390, 0)]
)
def test_the_maximum_and_what_is_infinite(tables, name, highest, infinite):
    nll = tables[name].nll.values
    assert np.isposinf(nll).sum() == infinite
    assert nll[np.isfinite(nll)].max() == pytest.approx(highest, rel=5e-4)
    assert tables[name].done.all()
    finite = next(check for check in attribute(tables[name], "checks") if check["name"] == "finite")
    assert finite["passed"] == (infinite == 0)


@pytest.mark.parametrize(("name", "expected"), [(R18, (0.85, 0.71)), (R50, (45, 20)), (VIT, (28, 16))])
def test_curvature_along_the_principal_axes(tables, name, expected):
    """Eigenvalues of the least-squares quadratic over |x|, |y| ≤ 0.2."""
    near = tables[name].sel(x=slice(-0.21, 0.21), y=slice(-0.21, 0.21))
    x, y = (part.ravel() for part in np.meshgrid(near.x, near.y))
    basis = np.stack([x**0, x, y, x * x / 2, x * y, y * y / 2], axis=1)
    *_, xx, xy, yy = np.linalg.lstsq(basis, near.nll.values.ravel())[0]
    found = np.linalg.eigvalsh([[xx, xy], [xy, yy]])[::-1]
    np.testing.assert_allclose(found, expected, rtol=0.03)


def test_every_column_has_its_name(tables):
    assert set(published.COLUMNS[16]) - {"x", "y"} <= set(tables[R18])
    assert "paper_l2" not in tables[R18]
    assert set(published.COLUMNS[19]) - {"x", "y"} <= set(tables[R50])
    assert (np.abs(tables[R50].signed_ece) <= tables[R50].ece + 1e-12).all()
    assert (tables[VIT].cutoff_90 == 0.9).all()
    for table in tables.values():
        assert np.isnan(table.l2).all()  # Σ‖w‖₂ is no ½·λ·‖w‖²
        assert (table.top5 >= table.accuracy).all()


def test_their_l2_term_is_most_of_their_picture(tables):
    """shared/PAPER.md, section 2: 97 % of the drawn loss of ResNet-50 at the centre, 94 % of ViT-Ti."""
    for name, weight_decay, expected in ((R50, 0.05, 0.97), (VIT, 0.05, 0.94)):
        centre = tables[name].sel(x=0, y=0)
        term = weight_decay * float(centre.paper_l2)
        assert term / (term + float(centre.nll)) == pytest.approx(expected, abs=5e-3)


def test_the_protocol_says_whose_it_is(tables):
    network, protocol = attribute(tables[R18], "network"), attribute(tables[R18], "protocol")
    assert network["name"] == "resnet_mcdo_18_x10"
    assert protocol["data"]["source"] == "cifar100"
    assert protocol["data"]["samples"] == "as published"
    assert protocol["dropout"] == "fresh"
    assert protocol["options"] == {"norm": "paper", "span": 0.1, "steps": 21}
    assert attribute(tables[R18], "provenance")["imported"]["file"] == R18
    assert attribute(tables[VIT], "protocol")["dropout"] == "off"
    assert attribute(tables[VIT], "protocol")["options"]["span"] == 1.0


def test_a_table_becomes_a_result_of_ours(tables, tmp_path):
    stored = load(save(tables[R50], tmp_path / "r50.zarr"))
    for name in tables[R50].data_vars:
        np.testing.assert_array_equal(stored[name], tables[R50][name])
    assert stored.attrs == tables[R50].attrs


def rows(columns=16, x=(-1.0, 0.0, 1.0), y=(-2.0, 0.0), **changes):
    table = [[b, a, *([0.0] * (columns - 2))] for a in y for b in x]
    for index, (row, value) in enumerate(changes.values()):
        table[row][index + 2] = value
    return "\n".join(",".join(map(str, row)) for row in table)


def test_a_small_table_by_hand(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(rows(nll=(1, "inf"), cutoff=(5, "nan")))
    found = published.read(path)
    assert found.nll.shape == (2, 3)
    assert np.isposinf(float(found.nll.sel(x=0, y=-2)))
    assert np.isnan(float(found.cutoff.sel(x=1, y=0)))
    assert attribute(found, "network")["name"] == "mine"
    assert attribute(found, "protocol")["data"]["source"] == "as published"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has 0 bytes"),
        ("\n\n", "columns; published tables have 16 or 19"),
        (rows(columns=17), "17 columns; published tables have 16 or 19"),
        (rows()[:-40] + "\n1,2", "is not a table of numbers"),
        (rows().replace("0.0", "zero", 1), "is not a table of numbers"),
        (rows().split("\n", 1)[1], "are not a grid with x fastest"),
        (rows(x=(0.0, -1.0, 1.0)), "are not a grid with x fastest"),
        (rows(x=(0.0, 0.0)), "are not a grid with x fastest"),
        (rows(x=("nan", 1.0)), "are not a grid with x fastest"),
        (b"\xff\xfe" + rows().encode(), "is not a table of numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_what_is_no_published_table(tmp_path, content, message):
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ResultError, match=message):
        published.read(path)
    with pytest.raises(ResultError, match="no table at"):
        published.read(tmp_path / "none.csv")
