"""The same plane under several dropout masks: frames, their order, the animation."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.animation import PillowWriter
from PIL import Image

from landscape import figures
from landscape.errors import ResultError
from tests.figures import planes, synthetic
from tests.figures.artists import filled
from tests.figures.legible import assert_legible


def panels(figure):
    return [axis for axis in figure.axes if axis.texts]


def numbers(figure):
    return [axis.texts[-1].get_text() for axis in panels(figure)]


def test_frames_stand_in_order_on_one_scale():
    frames = planes.masks(count=7)
    figure = figures.sequence(frames)
    assert numbers(figure) == list("1234567")
    levels = [filled(axis).levels for axis in panels(figure)]
    assert all(np.array_equal(each, levels[0]) for each in levels)
    assert levels[0][-1] >= max(float(frame["nll"].max()) for frame in frames)
    assert len(figure.axes) == 8


def test_each_frame_shows_its_own_data():
    frames = planes.masks(count=2)
    for frame, place in zip(frames, ((0.4, -0.6), (-0.8, 0.2)), strict=True):
        frame["nll"][:] = 1 + (frame.x - place[0]) ** 2 + (frame.y - place[1]) ** 2
    drawn = panels(figures.sequence(frames))
    found = [next(line.get_xydata()[0] for line in axis.lines if line.get_marker() == "o") for axis in drawn]
    np.testing.assert_allclose(found, [(0.4, -0.6), (-0.8, 0.2)])


def test_several_networks_have_a_row_each():
    data = {name: planes.masks(name, 3) for name in ("mcd-mlp", "mcd-gap")}
    data["mcd-gap"] = [frame.assign(x_norm=9.0, y_norm=9.0) for frame in data["mcd-gap"]]
    figure = figures.sequence(data)
    assert numbers(figure) == list("123123")
    titles = [axis.get_title(loc="left") for axis in panels(figure)]
    assert titles == ["mcd-mlp (1 unit: ‖Δw‖ = 12.5)", "", "", "mcd-gap (1 unit: ‖Δw‖ = 9)", "", ""]
    assert figure.get_supxlabel() == "x (filter norms)"


def test_open_cells_are_marked_in_every_frame():
    figure = figures.sequence(planes.masks(count=2, broken=2))
    for axis in panels(figure):
        assert [patch.get_label() for patch in axis.patches] == ["not finite"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.linspace(-2, 2, 11)}, "frame 2 of 'mcd-gap' is another plane than frame 1: coordinates x"),
        ({"x_norm": 3.0}, "lengths of the directions differ"),
    ],
)
def test_frames_of_other_planes_are_refused(change, message):
    one, other = planes.masks(count=2)
    with pytest.raises(ResultError, match=message):
        figures.sequence(
            [one, other.assign(change).assign_coords({k: v for k, v in change.items() if k == "x"})]
        )


def test_frames_along_other_directions_are_refused():
    frames = [planes.stamped(planes.surface(), "surface", "a", options={"direction_seed": n}) for n in (0, 1)]
    with pytest.raises(ResultError, match="options direction_seed differ"):
        figures.sequence(frames)


@pytest.mark.parametrize("data", [[], {}, {"a": planes.masks(count=2), "b": planes.masks(count=1)}])
def test_rows_of_different_length_are_refused(data):
    with pytest.raises(ResultError, match="as many frames of each network"):
        figures.sequence(data)


def test_other_results_are_refused():
    with pytest.raises(ResultError, match="several surfaces in order"):
        figures.sequence(planes.surface())
    with pytest.raises(ResultError, match=r"frame 2.*received 'features'"):
        figures.sequence([planes.surface(), synthetic.features()])


def test_the_animation_has_a_picture_for_each_frame(tmp_path):
    frames = planes.masks(count=3, steps=5)
    path = figures.animate(frames, tmp_path / "masks.gif", dpi=60, frames_per_second=4)
    with Image.open(path) as image:
        assert image.n_frames == 3
        assert image.info["loop"] == 0
        assert image.info["duration"] == 250
        pictures = []
        for index in range(3):
            image.seek(index)
            pictures.append(np.asarray(image.convert("RGB")).astype(int))
    bar = [picture[:, int(0.82 * picture.shape[1]) :] for picture in pictures]
    assert all(
        np.abs(each - bar[0]).max() < 40 for each in bar
    )  # the scale stands still, but for the palette
    assert np.abs(pictures[1] - pictures[0]).max() > 100
    assert sorted(p.name for p in tmp_path.iterdir()) == ["masks.gif"]


def test_nothing_of_a_frame_stays_in_the_next(tmp_path, monkeypatch):
    grabbed = []
    monkeypatch.setattr(
        PillowWriter,
        "grab_frame",
        lambda self: grabbed.append(
            [t.get_text() for t in self.fig.axes[0].texts if t.get_weight() == "bold"]
        ),
    )
    monkeypatch.setattr(PillowWriter, "finish", lambda self: Path(self.outfile).touch())
    figures.animate(planes.masks(count=3), tmp_path / "masks.gif")
    assert grabbed == [["1"], ["2"], ["3"]]


def test_animations_end_in_gif(tmp_path):
    with pytest.raises(ResultError, match=r"ends in \.gif"):
        figures.animate(planes.masks(count=2), tmp_path / "masks.mp4")


@pytest.mark.parametrize("width", [figures.ONE_COLUMN, figures.TWO_COLUMN])
def test_strips_are_legible(width):
    figure = figures.sequence(planes.masks(count=6), width=width)
    assert figure.get_figwidth() == width
    assert_legible(figure)
