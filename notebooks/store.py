"""Runs every notebook and stores it with its outputs, small enough to be shown by a code host.

    python -m notebooks.store [NAME …]

Figures become images of few colours with their captions beneath. Controls, which need a running kernel, are
replaced by what they show at first.
"""

from __future__ import annotations

import base64
import html
import io
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from PIL import Image

from notebooks.execution import execute

FOLDER = Path(__file__).resolve().parent
STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
PIXELS, COLOURS = 1100, 48
SECONDS = 1200

_FIGURE = re.compile(
    r'<img [^>]*src="data:image/png;base64,([^"]+)".*?(?:<figcaption[^>]*>(.*?)</figcaption>)?</figure>',
    re.DOTALL,
)


def executed(path: Path) -> Any:
    """The notebook with its outputs, run in an empty folder."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        execute(notebook, Path(folder), seconds=SECONDS)
    return notebook


def small(notebook: Any) -> Any:
    """The notebook without controls, times and other people's state, its figures as small images."""
    state = notebook.metadata.pop("widgets", {}).get(STATE, {}).get("state", {})
    notebook.metadata = {name: notebook.metadata[name] for name in ("kernelspec", "language_info")}
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata = {}
            cell.outputs = _joined([kept for each in cell.outputs for kept in _outputs(each, state)])
    return notebook


def _joined(outputs: list[Any]) -> list[Any]:
    """Outputs, those of one stream that follow each other as one."""
    found: list[Any] = []
    for each in outputs:
        same = found and each.output_type == found[-1].output_type == "stream" and each.name == found[-1].name
        if same:
            found[-1].text += each.text
        else:
            found.append(each)
    return found


def _outputs(output: Any, state: dict[str, Any]) -> list[Any]:
    data = output.get("data", {})
    if VIEW in data:
        inside = _shown_by(data[VIEW]["model_id"], state)
        return [kept for each in inside for kept in _outputs(nbformat.from_dict(each), state)]
    found = _FIGURE.search(data.get("text/html", ""))
    if not found:
        return [] if output.output_type == "stream" and output.name == "stderr" else [output]
    caption = html.unescape(found[2] or "")
    image = {"image/png": _reduced(found[1]), "text/plain": caption}
    parts = [nbformat.v4.new_output("display_data", data=image)]
    if caption:
        escaped = re.sub(r"([*_`$<>\[\]])", r"\\\1", caption)
        parts.append(nbformat.v4.new_output("display_data", data={"text/markdown": f"*{escaped}*"}))
    return parts


def _shown_by(model: str, state: dict[str, Any]) -> list[Any]:
    """What the outputs below a control hold."""
    own = state.get(model, {}).get("state", {})
    found = list(own.get("outputs", []))
    for child in own.get("children", []):
        found += _shown_by(child.removeprefix("IPY_MODEL_"), state)
    return found


def _reduced(encoded: str) -> str:
    image = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    if image.width > PIXELS:
        image = image.resize((PIXELS, round(image.height * PIXELS / image.width)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(stream, "png", optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def main() -> None:
    """Store the notebooks that are named, or all."""
    chosen = sys.argv[1:] or [path.stem for path in sorted(FOLDER.glob("*.ipynb"))]
    for name in chosen:
        path = FOLDER / f"{name}.ipynb"
        notebook = small(executed(path))
        path.write_text(nbformat.writes(notebook, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
