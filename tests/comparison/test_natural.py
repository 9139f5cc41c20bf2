"""Changes in natural units: factors of amplitudes, per cent, points, nats."""

import math

import pytest

from landscape.comparison import Change
from landscape.comparison.natural import change_in_words, in_words, natural
from landscape.comparison.readings import BY_NAME


def change(baseline, variant, half=math.nan, **more):
    difference = variant - baseline
    return Change(baseline, variant, difference - half, difference + half, "seeds", 3, **more)


def words(name, *numbers):
    return natural(BY_NAME[name], change(*numbers)).both.replace("\N{NO-BREAK SPACE}", " ")


def test_a_logarithm_becomes_a_factor():
    # exp(−0.5) = 0.607, and of the ends exp(−0.7) = 0.497, exp(−0.3) = 0.741; no per cent of a logarithm.
    assert words("high frequencies", -2.0, -2.5, 0.2) == "× 0.607 [0.497, 0.741]"
    assert words("high frequencies", 0.01, -0.5) == f"× {math.exp(-0.51):.3f}"


@pytest.mark.parametrize(
    ("name", "numbers", "expected"),
    [
        ("largest Hessian eigenvalue", (100.0, 58.8, 18.9), "−41 % [−60, −22]"),
        ("largest Hessian eigenvalue", (100.0, 97.0, 1.0), "−3.0 % [−4.0, −2.0]"),
        ("curvature along random directions", (2.0, 3.0, 0.5), "+50 % [+25, +75]"),
        ("variance of the NLL", (0.4, 0.1, 0.1), "−75 % [−100, −50]"),
        ("accuracy", (0.912, 0.924, 0.004), "+1.2 points [+0.8, +1.6]"),
        ("calibration error", (0.0310, 0.0304), "−0.06 points"),
        ("NLL", (0.312, 0.281, 0.011), "−0.031 nats [−0.042, −0.020]"),
        ("rise of the NLL at radius 0.2", (1.0, 1.0, 0.2), "0 nats [−0.20, +0.20]"),
    ],
)
def test_each_quantity_has_its_unit(name, numbers, expected):
    assert words(name, *numbers) == expected


def test_per_cent_of_nothing_is_not_given():
    assert "%" not in words("curvature along random directions", 0.0, 3.0, 0.5)
    assert "%" not in words("curvature along random directions", -1.0, 3.0, 0.5)
    assert "%" not in words("spatial variance", 0.001, 3.0, 0.5)


def test_means_have_their_units():
    accuracy = natural(BY_NAME["accuracy"], change(0.9, 0.95)).means
    assert accuracy == "90.0\N{NO-BREAK SPACE}% → 95.0\N{NO-BREAK SPACE}%"
    assert natural(BY_NAME["high frequencies"], change(-2.0, -2.5)).means.endswith("log amplitude")


def test_only_the_likelihood_and_the_loss_are_in_nats():
    nats = {name: reading for name, reading in BY_NAME.items() if reading.unit == "nats"}
    sharpness = {name for name, reading in nats.items() if reading.kind == "sharpness"}
    assert all("NLL" in name or "curvature" in name for name in nats.keys() - sharpness)


def test_what_is_not_known_says_so():
    text = in_words(BY_NAME["NLL"], change(0.5, 0.4, reason="too few events"))
    assert text.endswith("without an interval: too few events")
    alone = change_in_words(BY_NAME["NLL"], change(1.0, 0.5))
    assert alone == "−0.50 nats, without an interval"
    assert in_words(BY_NAME["NLL"], change(0.5, 0.4, 0.1)).endswith("over 3 seeds")
    assert change_in_words(BY_NAME["NLL"], change(0.5, 0.4, 0.1)) == "−0.10 nats [−0.20, 0] over 3 seeds"
    assert "\N{NO-BREAK SPACE}" not in in_words(BY_NAME["accuracy"], change(0.5, 0.4, 0.1))
