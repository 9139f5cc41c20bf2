"""What is wrong with the layout of a figure at print size: letters too small, cut, on one another, on data.

The size of a figure is that at which it is printed, so that a point of its letters is a point on paper.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Bbox

SMALLEST, LARGEST = 6.0, 8.0
"""Points that letters have in print; larger ones were made outside the style."""
SLACK = 0.75
"""Pixels at 100 dots an inch by which boxes may overlap: letters do not fill theirs."""


def faults(figure: Figure) -> list[str]:
    """Everything that is wrong with the layout of a figure, in words."""
    figure.draw_without_rendering()
    letters = {text: outline(text) for text in shown(figure)}
    found = [
        f"{text.get_fontsize():.2g} pt: {said(text)}"
        for text in letters
        if not SMALLEST - 1e-6 <= text.get_fontsize() <= LARGEST
    ]
    found += [f"cut off: {said(text)}" for text, box in letters.items() if not within(box, figure.bbox)]
    texts, boxes = [*letters], [*letters.values()]
    found += [
        f"on one another: {said(texts[i])} and {said(texts[j])}"
        for i, j in near(boxes)
        if overlap(boxes[i], boxes[j])
    ]
    found += [f"legend over {what}" for legend in legends(figure) for what in covered(figure, legend)]
    found += [f"label over {what}" for what in covered_by_labels(figure, letters)]
    return found


def assert_legible(figure: Figure) -> None:
    """Nothing is wrong with the layout of a figure."""
    found = faults(figure)
    assert not found, "\n".join(found)


def shown(figure: Figure) -> list[Text]:
    """All letters that are drawn: ticks outside an axis are not, and empty ones."""
    hidden = {text for axes in figure.axes for side in _sides(axes) for text in _outside(side)}
    gone = {text for axes in figure.axes if not axes.axison for side in _sides(axes) for text in _all(side)}
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in hidden | gone and _drawn(text)
    ]


def _drawn(text: Text) -> bool:
    """Whether what a text belongs to is visible."""
    return text.axes is None or text.axes.get_visible()


def _sides(axes: Axes) -> list[Axis]:
    return [getattr(axes, f"{name}axis") for name in "xyz" if hasattr(axes, f"{name}axis")]


def _all(side: Axis) -> Iterator[Text]:
    yield from (side.label, side.offsetText)
    for tick in (*side.get_major_ticks(), *side.get_minor_ticks()):
        yield from (tick.label1, tick.label2)


def _outside(side: Axis) -> Iterator[Text]:
    """Labels of ticks beyond the ends of an axis."""
    inside = set(map(id, side._update_ticks()))
    for tick in (*side.majorTicks, *side.minorTicks):
        if id(tick) not in inside:
            yield from (tick.label1, tick.label2)


def outline(text: Text) -> np.ndarray:
    """Corners of the box of a text in order, turned as it is, shape (4, 2), in pixels."""
    turned = text.get_rotation()
    text.set_rotation(0)  # around the anchor: the box of a turned text is that of its unturned one, turned
    flat = text.get_window_extent()
    text.set_rotation(turned)
    box = text.get_window_extent()
    if turned % 90 < 1e-6:
        return corners(box)
    angle = np.deg2rad(turned)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.array([flat.width, flat.height]) / 2
    return half @ turn.T + np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])


def corners(box: Bbox) -> np.ndarray:
    """Corners of a box in order, shape (4, 2)."""
    return np.array([(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)])


def within(box: np.ndarray, page: Bbox) -> bool:
    """Whether a box lies on the page."""
    return bool((box >= -SLACK).all() and (box <= (page.x1 + SLACK, page.y1 + SLACK)).all())


def near(boxes: list[np.ndarray]) -> Iterator[tuple[int, int]]:
    """Pairs of turned boxes whose upright frames overlap; no others can."""
    corners = np.array(boxes).reshape(-1, 4, 2)
    lows, highs = corners.min(1), corners.max(1)
    meet = ((lows[:, None] < highs) & (lows < highs[:, None])).all(-1)
    yield from np.argwhere(np.triu(meet, 1)).tolist()


def overlap(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two turned boxes overlap: no side of either separates them."""
    for box in (first, second):
        for side in np.roll(box, -1, axis=0) - box:
            normal = np.array([-side[1], side[0]]) / max(np.hypot(*side), 1e-9)
            one, other = first @ normal, second @ normal
            if one.max() - SLACK <= other.min() or other.max() - SLACK <= one.min():
                return False
    return True


def legends(figure: Figure) -> list[Legend]:
    """Those of the figure and of its panels."""
    return [legend for legend in figure.findobj(Legend) if legend.get_visible()]


def covered(figure: Figure, legend: Legend) -> Iterator[str]:
    """What a legend lies on: another panel, or data of its own."""
    box = legend.get_window_extent().padded(-SLACK)
    for axes in figure.axes:
        if axes is legend.axes:
            yield from (f"data of {what}" for what in _data_in(axes, box))
        elif Bbox.intersection(box, axes.patch.get_window_extent()):
            yield f"the panel {axes.get_title() or axes.get_ylabel() or axes}"


def covered_by_labels(figure: Figure, letters: dict[Text, np.ndarray]) -> Iterator[str]:
    """Which data names of curves lie on, that stand in a panel instead of a legend (`gid` is `name`)."""
    for text, box in letters.items():
        if text.get_gid() == "name" and text.axes is not None:
            yield from (
                f"data of {what}: {said(text)}"
                for what in _data_in(text.axes, Bbox([box.min(0), box.max(0)]))
            )


def _data_in(axes: Axes, box: Bbox) -> Iterator[str]:
    """Lines, markers, bars and areas of a panel that come into a box."""
    for line in axes.lines:
        path = line.get_transform().transform_path(line.get_path())
        if line.get_visible() and len(path.vertices) and _comes_into(path, box):
            yield f"the line {line.get_label()}"
    for patch in axes.patches:
        if _comes_into(patch.get_transform().transform_path(patch.get_path()), box):
            yield f"the patch {patch.get_label()}"
    for group in axes.collections:
        if any(box.contains(*place) for place in _places(group)):
            yield f"the collection {group.get_label()}"


def _comes_into(path: Path, box: Bbox) -> bool:
    clean = path.cleaned(remove_nans=True)
    return (
        bool(path.intersects_bbox(box, filled=False))
        if np.isfinite(path.vertices).all()
        else bool(clean.intersects_bbox(box, filled=False))
    )


def _places(group: Collection) -> np.ndarray:
    """Points of markers, and corners of areas and segments, in pixels."""
    offsets = np.ma.filled(np.ma.asarray(group.get_offsets(), dtype=float), np.nan)
    if offsets.size and np.any(offsets):
        return group.get_offset_transform().transform(offsets)
    paths = [group.get_transform().transform_path(path).vertices for path in group.get_paths()]
    return np.concatenate(paths) if paths else np.empty((0, 2))


def said(text: Text) -> str:
    """A text in one line."""
    return repr(text.get_text())
