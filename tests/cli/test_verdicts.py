"""verdicts: what factors changed, read from the folders that compare wrote."""

import pytest


@pytest.fixture
def compared(run, tmp_path):
    from landscape.checkpoint import save
    from landscape.zoo import build, parse

    names = {"plain": "cifar-resnet20:width=4", "blurred": "cifar-resnet20:width=4,blur"}
    for name, spec in names.items():
        config = parse(spec)
        save(tmp_path / f"{name}.safetensors", build(config), config=config)
    return run(
        "compare", *(tmp_path / f"{name}.safetensors" for name in names), "--samples", "16", "--steps", "3",
        "--predictions", "16", "--maps", "4", "--spectrum-batch", "4", "--directions", "3", "--draws", "2",
        "--out", "both", "--json",
    )  # fmt: skip


def test_compare_and_verdicts_say_the_same(compared, run):
    first = compared.json["verdicts"]
    again = run("verdicts", "both", "--json").json
    assert again["command"] == "verdicts"
    assert again["verdicts"] == first
    kinds = {row["quantity"] for row in first}
    assert {"largest Hessian eigenvalue", "rise of the NLL at radius 0.2", "NLL", "spatial variance"} <= kinds
    assert {(row["factor"], *row["baseline"], *row["variant"]) for row in first} == {
        ("blur", "plain", "blurred")
    }
    for row in first:
        assert row["low"] <= row["change"] <= row["high"]
    lines = run("verdicts", "both").out.splitlines()
    assert lines == [row["sentence"] for row in first]


def test_the_chain_is_drawn_with_captions(compared, run, tmp_path):
    assert run("verdicts", "both", "--out", "chain").status == 0
    names = {"overview", "chain", "chain-plain-blurred"}
    expected = {f"{name}.{end}" for name in names for end in ("pdf", "svg", "png", "txt")}
    assert {path.name for path in (tmp_path / "chain").iterdir()} == expected
    assert "blurred (blur)" in (tmp_path / "chain" / "overview.txt").read_text(encoding="utf-8")


def test_no_comparison_is_said(run, tmp_path):
    outcome = run("verdicts", tmp_path)
    assert outcome.status == 1
    assert "holds no datasets" in outcome.err
