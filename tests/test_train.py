"""Training: the loss falls, runs resume bit for bit, and nothing random comes from outside the seed."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

import landscape.results.schema
from landscape.checkpoint import load, read
from landscape.errors import LandscapeError
from landscape.samples import Normalisation, Samples
from landscape.train import Recipe, train
from landscape.zoo import build, parse

TINY = parse("cifar-resnet20:width=4,dropout=0.1")
RECIPE = Recipe(epochs=3, batch_size=16, learning_rate=0.05)


def synthetic(count: int = 64, classes: int = 4, size: int = 8, channels: int = 3) -> Samples:
    """Noise on one brightness a class: learnable in a few steps."""
    rng = np.random.default_rng(0)
    targets = np.arange(count) % classes
    images = rng.integers(0, 64, (count, channels, size, size)) + (targets * 48)[:, None, None, None]
    return Samples(
        torch.from_numpy(images.astype(np.uint8)),
        torch.from_numpy(targets),
        source="synthetic",
        split="train",
        normalisation=Normalisation((0.5,) * channels, (0.25,) * channels),
    )


def weights(path) -> dict[str, torch.Tensor]:
    return read(path).tensors


def same(first, second) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("train") / "net.safetensors"
    rows: list[dict] = []
    train(TINY, synthetic(), RECIPE, out, keep_every=1, report=rows.append)
    return out, rows


def test_the_loss_falls(finished):
    _, rows = finished
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["loss"] < 0.75 * rows[0]["loss"]
    assert rows[-1]["accuracy"] > 0.25


def test_the_checkpoint_holds_the_record(finished):
    out, rows = finished
    network = load(out)
    assert network.architecture == TINY.name
    assert network.normalisation == synthetic().normalisation
    assert network.training["recipe"]["batch_size"] == 16
    assert network.training["data"]["source"] == "synthetic"
    assert network.training["data"]["samples"] == 64
    assert network.training["history"] == rows


def test_kept_checkpoints_tell_the_way(finished):
    out, _ = finished
    names = [f"net-epoch{i:03d}.safetensors" for i in range(4)]
    assert sorted(p.name for p in out.parent.iterdir()) == sorted([*names, "net.safetensors"])
    states = [weights(out.with_name(name)) for name in names]
    assert same(states[0], build(TINY, seed=0).state_dict())
    assert same(states[3], weights(out))
    assert not same(states[1], states[2])
    assert len(load(out.with_name(names[2])).training["history"]) == 2


def test_keeping_checkpoints_changes_no_weight(finished, tmp_path):
    out = train(TINY, synthetic(), RECIPE, tmp_path / "net.safetensors")
    assert same(weights(out), weights(finished[0]))
    assert [p.name for p in tmp_path.iterdir()] == ["net.safetensors"]


class Stop(Exception):
    pass


@pytest.mark.parametrize("after", [1, 2])
def test_an_interrupted_run_goes_on_bit_for_bit(finished, tmp_path, after):
    def stopping(row):
        if row["epoch"] == after:
            raise Stop

    out, seen = tmp_path / "net.safetensors", []
    with pytest.raises(Stop):
        train(TINY, synthetic(), RECIPE, out, keep_every=1, report=stopping)
    assert not out.exists()
    assert out.with_name("net.safetensors.training.pt").is_file()
    train(TINY, synthetic(), RECIPE, out, keep_every=1, report=seen.append)
    assert [row["epoch"] for row in seen] == list(range(after + 1, 4))
    assert same(weights(out), weights(finished[0]))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in finished[0].parent.iterdir())
    for path in tmp_path.iterdir():
        assert same(weights(path), weights(finished[0].with_name(path.name)))
    strip = [{**row, "seconds": 0} for row in load(out).training["history"]]
    assert strip == [{**row, "seconds": 0} for row in finished[1]]


def test_a_state_that_takes_long_to_write_is_written_less_often(finished, tmp_path, monkeypatch):
    monkeypatch.setattr("landscape.train._LONG", -1.0)
    monkeypatch.setattr("landscape.train._PAUSE", 1e9)
    out, seen = tmp_path / "net.safetensors", []

    def stopping(row):
        if row["epoch"] == 2:
            raise Stop

    with pytest.raises(Stop):
        train(TINY, synthetic(), RECIPE, out, report=stopping)
    train(TINY, synthetic(), RECIPE, out, report=seen.append)
    assert [row["epoch"] for row in seen] == [2, 3]  # only the first epoch had been written
    assert same(weights(out), weights(finished[0]))


def test_a_run_stopped_within_an_epoch_repeats_that_epoch_only(finished, tmp_path):
    steps = iter(range(6))

    def breaking(items, label="", total=None):
        for item in items:
            if next(steps, None) is None:
                raise KeyboardInterrupt
            yield item

    out = tmp_path / "net.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train(TINY, synthetic(), RECIPE, out, progress=breaking)
    train(TINY, synthetic(), RECIPE, out)
    assert same(weights(out), weights(finished[0]))


@pytest.mark.parametrize(
    ("config", "recipe", "count"),
    [
        (parse("cifar-resnet20:width=4"), RECIPE, 64),
        (TINY, Recipe(epochs=3, batch_size=16, learning_rate=0.06), 64),
        (TINY, RECIPE, 60),
    ],
    ids=["network", "recipe", "data"],
)
def test_the_state_of_another_run_is_refused(tmp_path, config, recipe, count):
    def stopping(row):
        raise Stop

    out = tmp_path / "net.safetensors"
    with pytest.raises(Stop):
        train(TINY, synthetic(), RECIPE, out, report=stopping)
    with pytest.raises(LandscapeError, match="unfinished run with another network, recipe or data set"):
        train(config, synthetic().take(count), recipe, out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("change", "unlike"),
    [({"ARITHMETIC": 10**6}, "arithmetic"), ({"installed_version": lambda package: "99.0"}, "torch")],
)
def test_the_state_of_another_version_is_not_gone_on_with(finished, tmp_path, change, unlike):
    def stopping(row):
        raise Stop

    out, rows, notes = tmp_path / "net.safetensors", [], []
    with pytest.MonkeyPatch.context() as other:
        for name, value in change.items():
            other.setattr(landscape.results.schema, name, value)
        with pytest.raises(Stop):
            train(TINY, synthetic(), RECIPE, out, report=stopping)
    train(TINY, synthetic(), RECIPE, out, report=rows.append, note=notes.append)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert same(weights(out), weights(finished[0]))
    (sentence,) = notes
    assert f"another version ({unlike} differs); training begins anew" in sentence


@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_a_damaged_state_is_refused(tmp_path, content):
    state = tmp_path / "net.safetensors.training.pt"
    if content is None:
        torch.save([1, 2], state)
    else:
        state.write_bytes(content)
    with pytest.raises(LandscapeError, match=r"training\.pt is damaged; delete it"):
        train(TINY, synthetic(), RECIPE, tmp_path / "net.safetensors")


def test_a_finished_checkpoint_of_the_same_run_is_left_alone(finished):
    out, _ = finished
    before = out.stat().st_mtime_ns
    assert train(TINY, synthetic(), RECIPE, out, report=lambda row: pytest.fail("trained again")) == out
    assert out.stat().st_mtime_ns == before


def test_what_kills_left_beside_a_finished_checkpoint_goes(tmp_path):
    out = tmp_path / "net.safetensors"
    short = replace(RECIPE, epochs=1)
    train(TINY, synthetic(), short, out)
    for name in (".net.safetensors.abcdefgh", ".net.safetensors.training.pt.abcdefgh"):
        (tmp_path / name).mkdir()
    (tmp_path / "net.safetensors.training.pt").write_bytes(b"killed before it was deleted")
    train(TINY, synthetic(), short, out)
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]


def test_a_finished_checkpoint_of_another_run_is_kept(finished):
    out, _ = finished
    before = out.read_bytes()
    for config, recipe, samples, what in [
        (parse("cifar-resnet20:width=4"), RECIPE, synthetic(), r"config\.dropout"),
        (TINY, Recipe(epochs=3, batch_size=16, learning_rate=0.05, seed=1), synthetic(), r"recipe\.seed"),
        (TINY, Recipe(epochs=5, batch_size=16, learning_rate=0.05), synthetic(), "epochs"),
        (TINY, RECIPE, synthetic().take(30), r"data\.samples"),
    ]:
        with pytest.raises(LandscapeError, match=rf"is there already, from another run \(.*{what}"):
            train(config, samples, recipe, out)
    with pytest.raises(LandscapeError, match=r"differs in epochs"):
        train(TINY, synthetic(), RECIPE, out.with_name("net-epoch002.safetensors"))
    assert out.read_bytes() == before


def test_something_else_in_the_place_is_kept(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(LandscapeError):
        train(TINY, synthetic(), RECIPE, tmp_path / "thesis.tex")
    with pytest.raises(LandscapeError):
        train(TINY, synthetic(), RECIPE, tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def short(tmp_path, name: str, samples=None, **changes):
    recipe = Recipe(**{"epochs": 1, "batch_size": 16, "learning_rate": 0.05, **changes})
    return weights(train(TINY, samples or synthetic(), recipe, tmp_path / f"{name}.safetensors"))


def test_the_seed_and_nothing_else_decides(tmp_path):
    torch.manual_seed(1)
    first = short(tmp_path, "a")
    torch.manual_seed(2)
    assert same(first, short(tmp_path, "b"))
    assert not same(first, short(tmp_path, "c", seed=1))


def test_the_global_random_state_is_untouched(tmp_path):
    random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    short(tmp_path, "a")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert random.getstate() == before[2]


def test_every_switch_of_the_recipe_matters(tmp_path, monkeypatch):
    monkeypatch.setattr("landscape.train.has_bfloat16", lambda: True)
    plain = short(tmp_path, "plain")
    for name, value in [
        ("augment", False),
        ("precision", "bfloat16"),
        ("schedule", "step"),
        ("weight_decay", 0.1),
        ("momentum", 0.0),
        ("batch_size", 17),
        ("optimizer", "adamw"),
        ("randaugment", 9),
        ("mixup", 0.8),
        ("cutmix", 1.0),
        ("label_smoothing", 0.1),
    ]:
        assert not same(plain, short(tmp_path, name, **{name: value})), name


def test_a_processor_without_bfloat16_trains_in_float32_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("landscape.train.has_bfloat16", lambda: False)
    with pytest.warns(UserWarning, match="this processor has no bfloat16"):
        assert same(short(tmp_path, "bf", precision="bfloat16"), short(tmp_path, "plain"))
    assert read(tmp_path / "bf.safetensors").record["training"]["arithmetic"] == "float32"
    assert "arithmetic" not in read(tmp_path / "plain.safetensors").record["training"]


def test_bfloat16_is_for_the_arithmetic_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("landscape.train.has_bfloat16", lambda: True)
    for name, value in short(tmp_path, "bf", precision="bfloat16").items():
        assert value.dtype in (torch.float32, torch.int64), name


def test_images_in_floating_point_train_like_bytes(tmp_path):
    samples = synthetic()
    floats = Samples(
        samples.inputs.float() / 255,
        samples.targets,
        source="synthetic",
        split="train",
        normalisation=samples.normalisation,
    )
    assert same(short(tmp_path, "bytes"), short(tmp_path, "floats", floats))


@pytest.mark.parametrize("rate", [1e8, 1e30])
def test_a_run_that_diverges_writes_no_checkpoint(tmp_path, rate):
    recipe = Recipe(epochs=2, batch_size=16, learning_rate=rate)
    with pytest.raises(LandscapeError, match=r"not finite after epoch 1; lower the learning rate"):
        train(TINY, synthetic(), recipe, tmp_path / "net.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_not_finite_end_the_run(tmp_path, monkeypatch):
    step = torch.optim.SGD.step

    def spoiling(self, *args, **options):
        step(self, *args, **options)
        with torch.no_grad():
            self.param_groups[0]["params"][0][0, 0, 0, 0] = torch.inf

    monkeypatch.setattr(torch.optim.SGD, "step", spoiling)
    with pytest.raises(LandscapeError, match="weights are not finite"):
        train(TINY, synthetic(16), Recipe(epochs=1, batch_size=16), tmp_path / "net.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (synthetic(24, classes=12), "target 11 of synthetic is none of the 10 classes"),
        (synthetic(8, channels=1), r"fails on inputs of shape \(1, 8, 8\) from synthetic"),
    ],
)
def test_samples_that_do_not_fit_are_said_first(tmp_path, samples, message):
    with pytest.raises(LandscapeError, match=message):
        train(TINY, samples, RECIPE, tmp_path / "net.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_images_too_small_for_the_network_are_said(tmp_path):
    with pytest.raises(LandscapeError, match=r"fails on inputs of shape \(3, 8, 8\)"):
        train(parse("vgg11:width=2,head=gap"), synthetic(), RECIPE, tmp_path / "net.safetensors")


# Schedules


def test_one_cycle_rises_for_a_fifth_and_falls_to_almost_nothing():
    recipe = Recipe(epochs=10, learning_rate=0.2)
    rates = np.array([recipe.rate(step, 50) for step in range(500)])
    peak = int(rates.argmax())
    assert peak in (99, 100)
    assert rates.max() == pytest.approx(0.2, rel=0.01)
    assert np.allclose(np.diff(rates[:99]), 0.2 / 100)
    falling = np.diff(rates[101:])
    assert np.allclose(falling, falling[0])
    assert (falling < 0).all()
    assert 0 < rates[-1] < 0.2 / 390


def test_steps_warm_up_for_one_epoch_and_fall_three_times():
    recipe = Recipe(epochs=10, learning_rate=0.5, schedule="step")
    rates = [recipe.rate(step, 20) for step in range(200)]
    assert rates[:20] == pytest.approx([0.5 * (i + 1) / 20 for i in range(20)])
    for start, stop, rate in [(20, 60, 0.5), (60, 120, 0.1), (120, 160, 0.02), (160, 200, 0.004)]:
        assert rates[start:stop] == pytest.approx([rate] * (stop - start))


def test_a_warm_up_can_take_longer():
    step = Recipe(epochs=20, schedule="step", warm_up=4)
    assert [step.rate(each, 5) for each in range(20)] == pytest.approx(
        [0.1 * (i + 1) / 20 for i in range(20)]
    )
    assert step.rate(20, 5) == pytest.approx(0.1)
    assert step.rate(30, 5) == pytest.approx(0.02)
    cosine = Recipe(epochs=20, schedule="cosine", warm_up=8)
    assert cosine.rate(39, 5) == pytest.approx(0.1)
    assert cosine.rate(69, 5) == pytest.approx(0.05, rel=0.05)


def test_half_a_cosine_after_five_epochs_of_warming_up():
    recipe = Recipe(epochs=100, schedule="cosine", optimizer="adamw")
    rates = [recipe.rate(step, 4) for step in range(400)]
    assert (recipe.learning_rate, recipe.weight_decay) == (1.25e-4, 0.05)
    assert rates[:20] == pytest.approx([1.25e-4 * (i + 1) / 20 for i in range(20)])
    assert rates[209] == pytest.approx(1.25e-4 / 2, rel=0.01)
    assert rates[-1] < 1e-8


def test_mixtures_keep_what_they_are_made_of():
    rng, inputs = np.random.default_rng(0), torch.rand(6, 1, 8, 8)
    targets = torch.arange(6) % 3
    mixed, shares = Recipe(mixup=0.8).mixed(inputs, targets, 3, rng)
    torch.testing.assert_close(mixed.mean(), inputs.mean())
    torch.testing.assert_close(shares.sum(1), torch.ones(6))
    cut, shares = Recipe(cutmix=1.0).mixed(inputs, targets, 3, rng)
    own = (cut == inputs).flatten(1).double().mean(1)  # a sample may have been cut into itself
    kept = shares.double().gather(1, targets[:, None])[:, 0]
    assert bool((kept >= own.min() - 1e-6).all())
    assert 0 < float(own.min()) < 1
    assert Recipe().mixed(inputs, targets, 3, rng)[1] is targets


def test_randaugment_is_decided_by_its_seed():
    images = synthetic(8, size=16).inputs
    first, again, other = (
        Recipe(randaugment=9).changed(images, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == images.shape
    assert first.dtype == torch.uint8
    with pytest.raises(LandscapeError, match="RGB images of bytes"):
        Recipe(randaugment=9).changed(images.float(), np.random.default_rng(0))


def test_a_record_of_the_plain_recipe_is_that_of_version_0_1():
    assert set(Recipe().to_dict()) == {
        *("epochs", "batch_size", "learning_rate", "momentum", "weight_decay"),
        *("schedule", "augment", "precision", "seed"),
    }
    assert Recipe(mixup=0.2).to_dict()["mixup"] == 0.2


@pytest.mark.parametrize("schedule", ["one-cycle", "step", "cosine"])
@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (1, 2), (2, 1), (3, 1), (1, 7)])
def test_every_rate_of_the_shortest_runs_is_positive(schedule, epochs, steps):
    recipe = Recipe(epochs=epochs, learning_rate=0.2, schedule=schedule)
    rates = [recipe.rate(step, steps) for step in range(epochs * steps)]
    assert all(0 < rate <= 0.2 for rate in rates)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs and batch size must be at least 1, got 0 and 128"),
        ({"batch_size": 0}, "epochs and batch size"),
        ({"learning_rate": 0.0}, "learning rate must be positive"),
        ({"learning_rate": -1.0}, "learning rate must be positive"),
        ({"learning_rate": float("nan")}, "learning rate must be positive and finite, got nan"),
        ({"momentum": 1.0}, "momentum must lie in"),
        ({"momentum": -0.1}, "momentum must lie in"),
        ({"weight_decay": -1e-4}, "weight decay must be finite and not negative"),
        ({"weight_decay": float("inf")}, "weight decay must be finite"),
        ({"seed": -1}, "seed must be finite and not negative"),
        ({"schedule": "linear"}, "schedule is 'linear'; choose one of one-cycle, step, cosine"),
        ({"warm_up": 2}, "step or cosine schedule, and fewer than all 15; got 2 with one-cycle"),
        ({"warm_up": 15, "schedule": "step"}, "fewer than all 15; got 15 with step"),
        ({"optimizer": "adam"}, "optimizer is 'adam'; choose one of sgd, adamw"),
        ({"label_smoothing": 1.0}, r"label smoothing must lie in \[0, 1\)"),
        ({"mixup": -1.0}, "mixup must be finite and not negative"),
        ({"randaugment": 31}, "magnitude of RandAugment goes from 0 to 30"),
        ({"precision": "float16"}, "precision is 'float16'; choose one of float32, bfloat16"),
    ],
)
def test_recipes_out_of_range_are_refused(changes, message):
    with pytest.raises(LandscapeError, match=message):
        Recipe(**changes)


def test_the_record_is_json(finished):
    json.dumps(load(finished[0]).training, allow_nan=False)


def test_a_transformer_trains(tmp_path):
    spec = "vit1:width=8,heads=2,patch=4,image=8"
    recipe = Recipe(epochs=1, batch_size=8, learning_rate=0.01)
    out, rows = tmp_path / "net.safetensors", []
    train(parse(spec), synthetic(16), recipe, out, report=rows.append)
    assert np.isfinite(rows[0]["loss"])
    network = load(out)
    assert network.config == parse(spec).to_dict()
    assert not same(weights(out), build(parse(spec), seed=0).state_dict())
    with pytest.raises(LandscapeError, match="is there already, from another run"):
        train(parse(f"{spec},classes=5"), synthetic(16), recipe, out)
    assert train(parse(spec), synthetic(16), recipe, out) == out


def test_images_of_another_size_are_refused_before_training(tmp_path):
    with pytest.raises(
        LandscapeError, match=r"fails on inputs of shape \(3, 8, 8\).*takes images of 32×32, got 8×8"
    ):
        train(parse("vit1:width=8,heads=2"), synthetic(8), RECIPE, tmp_path / "net.safetensors")
