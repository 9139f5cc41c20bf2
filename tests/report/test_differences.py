"""A page never says of the same two networks that they are distinguishable, and that they are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from landscape.comparison import pooled, verdicts
from landscape.comparison.readings import APE
from landscape.comparison.verdicts import SAME
from landscape.report.differences import Differences
from landscape.report.sentences import sentences
from landscape.results.estimate import Estimate
from tests.comparison.test_verdicts import SPECS, spectrum


def networks(shift: float, spread: float, seeds: int = 1) -> dict:
    """`gap` and `gap-blur` on the same twelve mini-batches, which differ far more than the networks do."""
    rng = np.random.default_rng(0)
    base = rng.normal(100, 30, 12)
    found = {}
    for seed in range(seeds):
        name = f"-seed{seed}" if seeds > 1 else ""
        own = base + rng.normal(0, 1, 12)
        for label, values in {"gap": own, "gap-blur": own + shift + rng.normal(0, spread, 12)}.items():
            found[label + name] = {"spectrum": measured(spectrum(label + name, values, spec=SPECS[label]))}
    return found


def measured(dataset):
    values = dataset["eigenvalue"].values
    error = float(values.std(ddof=1)) / len(values) ** 0.5
    return dataset.assign(ape=((), values.mean()), ape_standard_error=((), error), nep=((), 0.0))


@pytest.mark.parametrize(("shift", "spread", "seeds"), [(8, 3, 1), (1, 9, 1), (20, 3, 3), (0.2, 1, 3)])
def test_sentences_say_what_verdicts_say(shift: float, spread: float, seeds: int):
    every = networks(shift, spread, seeds)
    (verdict,) = verdicts(every)
    shown = pooled(every)
    said = sentences(shown, differences=Differences(shown, every, [verdict]))["spectrum"]
    assert ("not distinguishable" in said) == (verdict.verdict == SAME)
    # Without the verdicts at hand the sentence comes to the same, from the same rule.
    assert sentences(shown, differences=Differences(shown, every))["spectrum"] == said


def test_pairs_are_seen_that_unpaired_errors_hide():
    every = networks(8, 3)
    estimates = {
        name: Estimate(float(kinds["spectrum"].ape), float(kinds["spectrum"].ape_standard_error))
        for name, kinds in every.items()
    }
    first, second = estimates
    assert Differences().distinguishable(first, estimates) == {second: False}
    assert Differences(every, every).distinguishable(first, estimates, APE) == {second: True}


def test_a_corrected_verdict_is_what_the_sentence_says():
    every = networks(8, 3)
    (verdict,) = verdicts(every)
    corrected = replace(verdict, verdict=SAME, adjusted=0.2)
    said = sentences(every, differences=Differences(every, every, [corrected]))["spectrum"]
    assert "not distinguishable" in said
