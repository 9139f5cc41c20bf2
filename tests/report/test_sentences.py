import math

from landscape.report import sentences
from landscape.report.differences import Differences
from landscape.report.sentences import compare
from landscape.results.estimate import Estimate
from tests.figures import synthetic


def spaced(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_independent_numbers_are_distinguished_by_the_interval_of_their_difference():
    # Half an interval is 1.96·√2·0.1 = 0.277, of two comparisons corrected by Holm 2.24·√2·0.1 = 0.317.
    a, near, far = Estimate(0.0, 0.1), Estimate(0.27, 0.1), Estimate(0.31, 0.1)
    distinguishable = Differences().distinguishable
    assert distinguishable("a", {"a": a, "b": near}) == {"b": False}
    assert distinguishable("a", {"a": a, "c": far}) == {"c": True}
    assert distinguishable("a", {"a": a, "b": near, "c": far}) == {"b": False, "c": False}
    assert distinguishable("a", {"a": a, "d": Estimate(9.0)}) == {"d": None}


def test_overlapping_networks_are_not_ranked():
    text = compare({"a": Estimate(0.50, 0.1), "b": Estimate(0.45, 0.1)}, "mean NLL")
    assert "not distinguishable between the networks" in text
    assert "lowest" not in text


def test_the_lowest_and_those_close_to_it_are_named():
    estimates = {"a": Estimate(0.5, 0.01), "b": Estimate(0.41, 0.01), "c": Estimate(0.4, 0.01)}
    text = spaced(compare(estimates, "mean NLL"))
    assert text.startswith("c has the lowest mean NLL (0.400 ± 0.020), not distinguishable from b")
    assert text.endswith("a has the highest (0.500 ± 0.020).")
    assert compare(estimates, "accuracy", lowest=False).startswith("a has the highest accuracy")


def test_numbers_without_errors_are_stated_not_ranked():
    text = compare({"a": Estimate(1.0), "b": Estimate(2.0)}, "slope")
    assert "not ranked" in text


def test_one_network_is_not_compared():
    assert spaced(compare({"a": Estimate(0.5, 0.01)}, "mean NLL")) == "a: mean NLL 0.500 ± 0.020."


def test_sections_follow_the_results():
    assert set(sentences({"gap": {"evaluation": synthetic.evaluation("gap")}})) == {"evaluation", "seed"}
    found = sentences(synthetic.comparison())
    assert set(found) >= {"contours", "surface3d", "spectrum", "fourier", "high_frequency", "variance"}
    assert not any("because of" in text or "nan" in text.lower().split() for text in found.values())


def test_logarithms_are_said_as_factors():
    found = sentences(synthetic.comparison(["gap"]))["fourier"]
    value = float(synthetic.comparison(["gap"])["gap"]["features"]["high_frequency"][-1])
    assert f"has {math.exp(value):.2g} (gap) times the amplitude" in found


def test_borders_with_cells_that_are_not_finite_are_not_ranked():
    assert "not ranked, because mlp" in sentences(synthetic.comparison())["contours"]
    whole = {name: {"surface": synthetic.surface(name, curvature=c)} for name, c in (("a", 1.0), ("b", 3.0))}
    assert sentences(whole)["contours"].startswith("a has the lowest mean rise")


def test_one_seed_is_said_once_and_several_are_not():
    assert "one seed (0)" in sentences(synthetic.comparison())["seed"]
    several = {f"n{s}": {"evaluation": synthetic.evaluation(f"n{s}", seed=s)} for s in (0, 1)}
    assert "seed" not in sentences(several)


def test_many_networks_are_given_as_a_range():
    estimates = {f"n{i}": Estimate(1.0 + i / 100, 0.5) for i in range(9)}
    text = spaced(compare(estimates, "mean NLL"))
    assert "from n0 1.0 ± 1.0 to n8 1.1 ± 1.0" in text
    assert "n4" not in text
