"""plan: lines for people, JSON for programs, and times that are given instead of measured."""

import pytest

from landscape.analyses.scaling import Plan

SMALL = ("--samples", "16", "--batch-size", "16", "--steps", "5")


def test_a_plan_for_people(run, checkpoint):
    found = run("plan", checkpoint, *SMALL, "--on", "1,8,64", "--item-seconds", "20")
    assert found.status == 0, found.err
    head, *lines = found.out.splitlines()
    assert head.startswith("25 items of 20 s (as given); ")
    assert [line.split()[0] for line in lines] == ["workers", "1", "8", "64"]
    assert lines[0].split() == ["workers", "time", "hours", "of", "workers"]


def test_a_plan_for_programs(run, checkpoint):
    found = run("plan", checkpoint, *SMALL, "--on", "1,8", "--item-seconds", "20", "--json").json
    plan = Plan(**{name: found[name] for name in Plan.__dataclass_fields__})
    assert (found["command"], found["kind"], plan.items, plan.measured) == ("plan", "surface", 25, 0)
    assert found["plans"] == [{"workers": n, "seconds": plan.seconds(n)} for n in (1, 8)]
    assert 25 * 20 < plan.seconds(1) < 30 * 20


@pytest.mark.parametrize(
    ("of", "options", "items"),
    [
        ("surface", ("--steps", "7"), 49),
        ("spectrum", ("--spectrum-batch", "4"), 4),
        ("flatness", ("--directions", "3"), 3),
        ("trace", ("--probes", "5"), 5),
    ],
)
def test_each_kind_takes_its_own_sizes(run, checkpoint, of, options, items):
    few = ("--samples", "16", "--batch-size", "16")
    found = run("plan", checkpoint, *few, "--of", of, *options, "--json").json
    assert (found["kind"], found["items"]) == (of, items)
    assert found["measured"] > 0
    assert found["item_seconds"] > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--on", "0"), "--on takes whole numbers of workers, 1 or more"),
        (("--on", "1.5"), "--on takes whole numbers of workers, 1 or more"),
        (("--item-seconds", "0"), "--item-seconds"),
        (("--of", "eigenvalues"), "--of"),
    ],
)
def test_what_is_no_plan_is_wrong_usage(run, checkpoint, options, words):
    found = run("plan", checkpoint, *SMALL, *options)
    assert found.status == 2
    assert words in found.err
