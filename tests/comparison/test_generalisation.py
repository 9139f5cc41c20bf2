"""Measures of sharpness against the gap: known ranks, groups of recipes, and what the command answers."""

import json
import math

import numpy as np
import pytest

from landscape.comparison.generalisation import answer, rank_correlations
from tests.figures import synthetic


def networks(levels, gaps, recipes=()):
    found = {}
    for i, (level, gap) in enumerate(zip(levels, gaps, strict=True)):
        dataset = synthetic.sharpness(f"net{i}", level=level, gap=gap)
        record = json.loads(dataset.attrs["network"])
        if recipes:
            record["training"] = {"recipe": {"lr": recipes[i], "seed": i}}
        found[f"net{i}"] = dataset.assign_attrs(network=json.dumps(record))
    return found


def at(table, scope, measure="trace"):
    return table.sel(measure=measure, scope=scope)


def test_ranks_that_agree_with_an_interval():
    table = rank_correlations(networks([1, 2, 3, 4, 5, 6], [0.1, 0.2, 0.4, 0.3, 0.5, 0.6]))
    found = at(table, "overall")
    assert float(found.correlation) == pytest.approx(1 - 6 * 2 / (6 * 35))
    assert float(found.low) < float(found.correlation) < float(found.high) < 1
    z, error = math.atanh(float(found.correlation)), math.sqrt((1 + float(found.correlation) ** 2 / 2) / 3)
    assert float(found.low) == pytest.approx(math.tanh(z - 1.959964 * error))
    assert math.isnan(float(at(table, "within").correlation))
    assert int(found.networks) == 6


def test_within_recipes_the_sign_can_turn():
    # Sharper recipes generalise worse, and within each recipe sharper networks better.
    levels = [1, 2, 3, 11, 12, 13]
    gaps = [0.3, 0.2, 0.1, 1.3, 1.2, 1.1]
    table = rank_correlations(networks(levels, gaps, ["a"] * 3 + ["b"] * 3))
    assert float(at(table, "overall").correlation) > 0.4
    assert float(at(table, "within").correlation) == pytest.approx(-1)
    assert int(at(table, "within").networks) == 6


def test_too_few_networks_and_what_never_changes_have_none():
    assert np.isnan(rank_correlations(networks([1, 2, 3], [1, 2, 3])).correlation).all()
    assert np.isnan(rank_correlations(networks([1, 2, 3, 4], [1, 1, 1, 1])).correlation).all()
    assert np.isnan(rank_correlations(networks([1, 2, 3, 4], [math.nan, 1, 2, 3])).correlation).all()


def test_the_interval_of_no_correlation_holds():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(60):
        found = at(rank_correlations(networks(rng.lognormal(size=8), rng.random(8))), "overall")
        hits += float(found.low) <= 0 <= float(found.high)
    assert hits > 50


def test_the_answer_has_every_measure_with_its_audit():
    each, together, lines = answer(networks([1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4]))
    measures = {row["name"]: row for row in each[0]["measures"]}
    row = measures["largest_eigenvalue"]
    assert set(row) >= {"name", "value", "interval", "units", "audit", "moves"}
    assert set(row["audit"]) == {"filter_scale", "relu_rescale", "permute", "fold_batchnorm", "split_unit"}
    assert row["audit"]["filter_scale"] == pytest.approx(0.25, rel=0.05)
    assert row["moves"]
    assert not measures["trace_filter"]["moves"]
    assert each[0]["gap"]["value"] == 0.1
    assert together["correlations"][0]["overall"]["networks"] == 4
    text = "\n".join(lines)
    assert "for the same function (filters scaled behind BatchNorm)" in text
    assert "does not move" in text
    few = answer(networks([1], [0.1]))
    assert few[1] == {"correlations": []}
    assert "take at least 4 networks" in few[2][-1]


def test_damaged_words_of_a_result_are_left_out():
    (dataset,) = networks([1], [0.1]).values()
    each, _, _ = answer({"net": dataset.assign_attrs(reasons="[1", changes="3", llc="[]")})
    assert each[0]["changes"] == {}
