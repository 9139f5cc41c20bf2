"""Every notebook runs from its first cell to its last, and its controls do something."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.tools import need

nbformat, *_ = (need(name, "notebooks") for name in ("nbformat", "nbclient", "ipykernel", "ipywidgets"))
execution = importlib.import_module("notebooks.execution")

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
STATE = "application/vnd.jupyter.widget-state+json"
SECONDS = 240  # a cell; generous, as other work may share the machine

# Of each set of images the first ones are enough to see that a cell runs.
FEWER = """
from landscape.samples import Samples
whole = Samples.take
Samples.take = lambda self, count, **options: whole(self, min(count, 32), **options)
"""

# Moves every control of the notebook by one step, as a reader would.
NUDGE = """
import gc
from ipywidgets import interactive
moved = 0
for each in [found for found in gc.get_objects() if type(found) is interactive]:
    for control in each.kwargs_widgets:
        if hasattr(control, "options"):
            control.index = (control.index + 1) % len(control.options)
        else:
            control.value = control.value + control.step
        moved += 1
print("moved", moved)
"""


def executed(path: Path, folder: Path, *, first: str = "", last: str = "") -> Any:
    """The notebook with its outputs, run in a folder of its own, between these two cells."""
    notebook = nbformat.read(path, as_version=4)
    before, after = ([nbformat.v4.new_code_cell(code)] if code else [] for code in (first, last))
    notebook.cells = [*before, *notebook.cells, *after]
    execution.execute(notebook, folder, seconds=SECONDS, allow_errors=True)
    return notebook


def outputs(notebook: Any) -> list[Any]:
    """Of the cells, and of the controls, which catch errors of their own."""
    found = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return found + drawn(notebook)


def drawn(notebook: Any) -> list[Any]:
    """What the controls show."""
    state = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    return [output for each in state.values() for output in each["state"].get("outputs", [])]


SAMPLE = ("01_tour", "06_your_own_network")
CASES = [
    pytest.param(
        path,
        first,
        id=f"{path.stem}-{'few' if first else 'all'}",
        marks=[] if first and path.stem in SAMPLE else pytest.mark.full,
    )
    for path in NOTEBOOKS
    for first in (FEWER, "")
]


@pytest.mark.parametrize(("path", "first"), CASES)
def test_a_notebook_runs(path, first, tmp_path):
    notebook = executed(path, tmp_path, first=first, last=NUDGE)
    found = outputs(notebook)
    errors = ["\n".join(output["traceback"]) for output in found if output["output_type"] == "error"]
    assert not errors, errors[0]
    said = "".join(
        output["text"] for output in found if output["output_type"] == "stream" and output["name"] == "stderr"
    )
    assert "landscape" not in said, said
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert notebook.cells[-1].outputs[-1]["text"].split()[:1] == ["moved"]
    assert int(notebook.cells[-1].outputs[-1]["text"].split()[1]) >= 2
    assert drawn(notebook), "the controls show nothing"


def test_there_is_one_for_each_subject():
    assert [path.stem for path in NOTEBOOKS] == [
        "01_tour",
        "02_hessian",
        "03_surface",
        "04_features",
        "05_explanation",
        "06_your_own_network",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_with_small_outputs(path):
    """Run `python -m notebooks.store` after a change."""
    assert path.stat().st_size < 700_000
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    found = [output for cell in code for output in cell["outputs"]]
    assert code[-1]["outputs"], "the last control shows nothing"
    assert any("image/png" in output.get("data", {}) for output in found)
    said = json.dumps(found)
    assert "widget-view" not in said
    assert "Traceback" not in said
    assert str(ROOT) not in said


def test_an_error_behind_a_control_is_found(tmp_path):
    broken = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                "import ipywidgets\n\n\ndef draw(x: int) -> None:\n    assert x < 1\n\n\n"
                "ipywidgets.interact(draw, x=ipywidgets.IntSlider(0, 0, 5));"
            )
        ]
    )
    place = tmp_path / "broken.ipynb"
    nbformat.write(broken, place)
    assert not [output for output in outputs(executed(place, tmp_path)) if output["output_type"] == "error"]
    found = outputs(executed(place, tmp_path, last=NUDGE))
    assert [output["ename"] for output in found if output["output_type"] == "error"] == ["AssertionError"]
