"""Corrections for many comparisons, against hand-worked values and in what verdicts say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from landscape.comparison import verdicts
from landscape.comparison.changes import EXPLORATORY, PRIMARY, corrected, false_discovery, holm
from landscape.comparison.verdicts import SAME
from tests.comparison.test_verdicts import SPECS, spectrum


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    known, none = holm([0.02, math.nan])
    assert known == 0.02
    assert math.isnan(none)


def test_the_false_discovery_rate_by_hand():
    assert false_discovery([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert math.isnan(false_discovery([math.nan, 0.5])[0])


def test_families_do_not_weigh_on_one_another():
    families = [PRIMARY, "landscape", PRIMARY, EXPLORATORY, "landscape"]
    found = corrected(families, [0.02, 0.03, 0.03, 0.04, 0.5])
    assert found == pytest.approx([0.04, 0.06, 0.04, 0.04, 0.5])


def test_a_change_that_one_comparison_would_tell_is_lost_among_many():
    rng = np.random.default_rng(3)
    base = rng.normal(100, 20, 20)
    names = ("gap-blur", "gap-relu6", "gap-preact", "all")
    results = {"gap": {"spectrum": spectrum("gap", base)}}
    for name in names:
        noise = rng.normal(0, 1, 20)
        values = base + (noise - noise.mean()) / noise.std(ddof=1) + 2.3 / 20**0.5 * (name == "gap-blur")
        results[name] = {"spectrum": spectrum(name, values, spec=SPECS[name])}
    (alone,) = verdicts({name: results[name] for name in ("gap", "gap-blur")})
    assert alone.verdict == "sharper"
    among = {each.pair.variant: each for each in verdicts(results)}
    lost = among["gap-blur",]
    assert lost.change == alone.change
    assert (lost.verdict, lost.family) == (SAME, PRIMARY)
    assert lost.adjusted == pytest.approx(4 * alone.adjusted)
    assert "corrected for the 4 primary comparisons (Holm)" in lost.sentence
    exploring = {each.pair.variant: each for each in verdicts(results, exploratory=True)}
    assert exploring["gap-blur",].verdict == "sharper"
    assert exploring["gap-blur",].family == EXPLORATORY
