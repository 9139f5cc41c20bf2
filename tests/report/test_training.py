"""Checkpoints of one training run, which a page shows one after the other."""

from landscape import figures
from landscape.report.live import live
from landscape.report.training import epochs
from tests.figures import seeds, synthetic

PLAIN = seeds.CONFIGS["gap"]


def network(name, done, seed=0, config=PLAIN):
    training = {"recipe": {"epochs": 17, "seed": seed}, "done": done, "images": 50000}
    return {"spectrum": seeds.known(synthetic.spectrum(name), name, config, training=training)}


def test_checkpoints_of_a_run_are_found_whatever_their_names():
    results = {
        "half": network("half", 8),
        "whole": network("whole", 17),
        "other seed": network("other seed", 8, seed=1),
        "other network": network("other network", 8, config=seeds.CONFIGS["mlp"]),
        "unknown": {"spectrum": synthetic.spectrum("unknown")},
        "empty": {},
    }
    assert epochs(results) == {"half": {"run": 0, "epoch": 8}, "whole": {"run": 0, "epoch": 17}}
    drawn = live(results, figures.looks(results))["networks"]
    assert [each.get("epoch") for each in drawn] == [8, 17, None, None, None, None]


def test_one_checkpoint_a_run_makes_no_slider():
    assert epochs({"a": network("a", 17), "b": network("b", 17, seed=1)}) == {}
