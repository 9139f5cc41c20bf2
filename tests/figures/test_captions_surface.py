import pytest

from landscape import figures
from tests.figures import planes, synthetic

OPTIONS = {"lines": planes.line, "trajectory": planes.trajectory, "polar": planes.trajectory}


@pytest.mark.parametrize("name", list(figures.FURTHER))
def test_captions_of_further_figures_have_the_protocol(name):
    if name == "sequence":
        data = planes.masks("gap", 2)
    elif name in OPTIONS:
        data = OPTIONS[name]("gap")
    else:
        data = synthetic.comparison(["gap-blur"])["gap-blur"][figures.FURTHER[name].kind]
    text = figures.caption(name, data)
    assert "1,000 samples (train split of cifar10)" in text
    assert "BatchNorm eval, dropout off, seed 0, float32." in text


def test_a_plane_says_norm_units_and_error():
    text = figures.caption("contours", {"a": planes.surface("a"), "b": planes.surface("b", base=1.0)})
    assert "each filter of a direction scaled to the norm of that filter" in text
    assert "filter norms (at 1, every filter has moved by its own norm); ‖Δw‖ is the Euclidean length" in text
    assert "Standard error of the NLL over samples at w: 0.0004 (a), 0.02 (b)." in text
    assert "+ marks w, ○ the lowest value" in text
    assert "○" not in figures.caption("contours", planes.surface(), quantity="accuracy")
    unknown = planes.stamped(planes.surface(), "surface", "a", options={})
    assert "their normalisation is not recorded" in figures.caption("contours", unknown)
    assert "What one unit of the axes is, is not recorded." in figures.caption("contours", unknown)


def test_planes_through_checkpoints_are_named_by_their_axes():
    path = planes.trajectory()
    text = figures.caption("contours", planes.under(path))
    assert "along: first principal component and second principal component" in text
    assert "‖Δw‖ (the Euclidean length of the step)." in text


def test_samples_that_vary_are_said_with_what_is_left_out():
    dataset = planes.surface()
    assert "Samples a point" not in figures.caption("contours", dataset)
    dataset["samples"][0, 0] = 200
    assert "Samples a point: 200 to 1,000." in figures.caption("contours", dataset)
    dataset = dataset.assign(sampling_error=0.04 * dataset["nll"])
    said = "200 to 1,000, whose standard error is at most 4 % of the NLL (95 % interval ± 16 %)."
    assert said in figures.caption("contours", dataset)


def test_fresh_masks_are_said_to_roughen():
    dataset = planes.surface()
    assert "roughens" not in figures.caption("contours", dataset)
    dataset.attrs["protocol"] = dataset.attrs["protocol"].replace('"dropout": "off"', '"dropout": "fresh"')
    assert "Under fresh dropout each point has a mask of its own" in figures.caption("surface3d", dataset)


def test_lines_say_what_their_bands_are():
    one, several = planes.line("one", broken=2), planes.line("several", repeats=5, undone=3)
    text = figures.caption("lines", {"one": one})
    assert "on the line w + x·δ" in text
    assert "± two standard errors over samples" in text
    assert "over directions" not in text
    assert "Points not finite (2 of 21 in one) are gaps, with a cross" in text
    text = figures.caption("lines", {"several": several})
    assert "Of several directions (5) each is a thin line" in text
    assert "two standard errors" not in text
    assert "not computed yet (15 of 105 in several) are left out" in text
    assert "two standard errors" in figures.caption("lines", {"one": one, "several": several})


def test_a_sequence_says_in_what_its_frames_differ():
    text = figures.caption("sequence", planes.masks(count=4, broken=2))
    assert "4 frames of the same plane" in text
    assert "The frames differ in seed." in text
    assert "Cells not finite (2 of 121 in each)" in text
    same = [planes.surface(), planes.surface()]
    assert "what is drawn afresh" in figures.caption("sequence", same)


def test_a_trajectory_says_how_far_off_the_plane_it_lies():
    data = {"a": planes.trajectory("a"), "b": planes.trajectory("b", shares=(0.6, 0.2))}
    text = figures.caption("trajectory", data)
    assert "They explain 83 % and 11 % (a), 60 % and 20 % (b) of the sum" in text
    away, far = (float(data["a"][key].max()) for key in ("off_plane", "distance"))
    assert f"Largest distance off the plane, and from the origin: {away:.3g} and {far:.3g}." in text
    assert "loss under a checkpoint" not in text
    over = figures.caption("trajectory", data, surfaces={"a": planes.under(data["a"])})
    assert "Training over contours of NLL" in over
    assert "The loss under a checkpoint is that of the plane, not its own." in over


def test_without_data_there_is_no_protocol_of_samples():
    dataset = planes.trajectory()
    dataset.attrs["protocol"] = '{"options": {}}'
    assert "Protocol" not in figures.caption("trajectory", dataset)
    assert "Protocol" not in figures.caption("polar", dataset)
