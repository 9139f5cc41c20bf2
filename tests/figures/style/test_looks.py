"""Looks of networks: the colour tells the factor, the dash MC dropout, alike in every figure."""

import pytest

from landscape import figures
from landscape.errors import ResultError
from landscape.figures.style.groups import MOST, split
from tests.figures import synthetic
from tests.figures.paper_results import SPECS, configured, family


@pytest.fixture(scope="module")
def networks():
    return {name: kinds["trace"] for name, kinds in measured(SPECS).items()}


def measured(specs):
    return {name: {"trace": configured(synthetic.trace(name), spec)} for name, spec in specs.items()}


def test_a_factor_has_one_colour_and_dropout_a_dash(networks):
    looks = figures.looks(networks)
    assert len({(look.colour, str(look.dash), look.marker) for look in looks.values()}) == len(networks)
    for plain, dropout in (("gap", "mcd-gap"), ("mlp", "mcd-mlp"), ("gap-blur", "mcd-gap-blur")):
        assert looks[plain].colour == looks[dropout].colour
        assert looks[plain].marker != looks[dropout].marker
        assert (looks[plain].dropout, looks[dropout].dropout) == (False, True)
    factors = {name.removeprefix("mcd-") for name in networks}
    assert len({look.colour for look in looks.values()}) == len(factors)


def test_the_networks_of_the_papers_look_alike_whatever_is_beside_them(networks):
    every = figures.looks(networks)
    for few in (["mcd-gap"], ["gap-blur", "mlp"], list(reversed(networks))):
        found = figures.looks({name: networks[name] for name in few})
        for name in {"gap", "mcd-gap", "gap-blur", "mcd-gap-blur", "mlp", "mcd-mlp"} & set(few):
            assert found[name] == every[name]


def test_seeds_and_rates_do_not_look_alike():
    rates = {str(rate): f"cifar-resnet20:dropout={rate}" for rate in (0.1, 0.2, 0.3)}
    looks = figures.looks(
        {name: kinds["trace"] for name, kinds in measured({"0": "cifar-resnet20"} | rates).items()}
    )
    assert looks["0"].colour == looks["0.1"].colour
    assert len({look.colour for look in looks.values()}) == 3
    assert [look.dropout for look in looks.values()] == [False, True, True, True]


def test_results_by_kind_will_do_and_names_alone_go_by_order(networks):
    kinds = {name: {"trace": dataset} for name, dataset in networks.items()}
    assert figures.looks(kinds) == figures.looks(networks)
    assert not any(look.dropout for look in figures.looks(networks.keys()).values())


def test_six_curves_share_an_axis_and_more_are_split_by_dropout(networks):
    looks = figures.looks(networks)
    names = list(looks)
    assert [group.names for group in split({name: looks[name] for name in names[:MOST]})] == [
        tuple(names[:MOST])
    ]
    first, second = split(looks)
    assert (first.title, second.title) == ("deterministic", "MC dropout")
    assert second.names == ("mcd-mlp", "mcd-gap", "mcd-gap-blur")
    many = split(figures.looks(str(i) for i in range(23)))
    assert [len(group.names) for group in many] == [5, 6, 6, 6]
    assert [group.title for group in many] == ["part 1", "part 2", "part 3", "part 4"]


def test_no_axis_has_more_than_six_curves():
    results = family(("features", "noise", "ensemble", "density"))
    for name, kind in (
        ("variance", "features"),
        ("noise", "noise"),
        ("density", "density"),
        ("amplitude", "features"),
    ):
        found = {network: kinds[kind] for network, kinds in results.items() if kind in kinds}
        assert len(found) > MOST
        for axis in figures.draw(name, found).axes:
            shown = {each.get_label() for each in (*axis.lines, *axis.containers)} & set(found)
            assert len(shown) <= MOST


def test_fonts_are_those_asked_for_and_others_refused(tmp_path):
    data = synthetic.features("gap")
    with figures.font("serif"):
        figure = figures.variance(data)
    (path,) = figures.save(figure, tmp_path / "serif", formats=["pdf"])
    assert b"STIXGeneral" in path.read_bytes()
    assert (
        b"STIXGeneral"
        not in figures.save(figures.variance(data), tmp_path / "sans", formats=["pdf"])[0].read_bytes()
    )
    with pytest.raises(ResultError, match="no font is called 'comic'; there are sans, serif"):
        figures.font("comic")
