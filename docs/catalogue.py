"""What the gallery measures, as plain data, and the page that each figure gets from it.

`docs/gallery.py` measures and draws what stands here; `docs/hooks.py` makes one page a figure of it, with the
picture, its caption, the code and how to read it. Nothing of a page is written by hand but its paragraph in
docs/figures.md, so that no page can say what is not so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
IMAGES = DOCS / "images" / "gallery"
NAMES = ("mcd-mlp", "mcd-gap", "mcd-gap-blur")


@dataclass(frozen=True)
class Example:
    """One measurement of each of `NAMES`.

    Attributes:
        kind: Kind of result, which is also the name of its recipe in `landscape.analyses`.
        split: `train` or `test`.
        samples: How many embedded images.
        dropout: Mode of the protocol.
        options: Of the recipe.
    """

    kind: str
    split: str = "train"
    samples: int = 128
    dropout: str = "fixed"
    options: dict[str, Any] = field(default_factory=dict)

    def code(self) -> str:
        """It as Python, up to the name `results`."""
        dropout = "" if self.dropout == "off" else f', dropout="{self.dropout}"'
        options = "".join(f", {name}={value!r}" for name, value in self.options.items()).replace("'", '"')
        names = ", ".join(f'"{name}"' for name in NAMES)
        return (
            "import landscape as ls\n\n"
            f'samples = ls.data.demo("{self.split}").take({self.samples})\n'
            "results = {}\n"
            f"for name in ({names}):\n"
            f"    objective = ls.Objective(ls.family.load(name), samples{dropout})\n"
            f"    results[name] = ls.analyses.{self.kind}(objective{options})\n"
        )


CORRUPTIONS = ("gaussian_noise", "defocus_blur", "fog", "jpeg_compression")
MEASURED = [
    Example("surface", samples=64, options={"span": 0.5, "steps": 21}),
    Example("flatness", options={"repeats": 10, "radii": [0.1, 0.2]}),
    Example("spectrum", samples=512, options={"batch_size": 16}),
    Example("eigenvalues", samples=64, options={"k": 5}),
    Example("trace", samples=64, options={"probes": 16}),
    Example("density", samples=64, options={"probes": 2, "steps": 30}),
    Example("layers", samples=32, options={"probes": 6, "tolerance": 0.05}),
    Example("features", "test", 96, "fresh", {"draws": 6}),
    Example("aliasing", "test", 96, "fresh"),
    Example("covariance", "test", 96, "fresh"),
    Example("maps", "test", 96, "fresh", {"images": [4], "channels": [3], "draws": 4}),
    Example("similarity", "test", 256, "fresh"),
    Example("noise", "test", 400, "off"),
    Example("lesion", "test", 400, "off"),
    Example("evaluation", "test", 1000, "off"),
    Example("ensemble", "test", 400, "fresh", {"passes": 20}),
    Example("attack", "test", 100, "off"),
    Example("robustness", "test", 100, "off", {"corruptions": list(CORRUPTIONS)}),
]
LINES = Example("surface", options={"axes": 1, "span": 0.5, "steps": 21, "repeats": 5})
MASKS = Example("surface", samples=32, dropout="fresh", options={"span": 0.4, "steps": 21, "masks": 3})
OTHERWISE = {"lines": LINES, "sequence": MASKS}
"""Figures of a kind that `MEASURED` has in another form."""

_TRAINED = """\
from pathlib import Path

import landscape as ls
from landscape.train import Recipe, train

images = ls.data.demo("train").take(500)
recipe = Recipe(epochs=6, batch_size=64)
train(ls.zoo.parse("cifar-resnet20:width=8"), images, recipe, "run.safetensors", keep_every=1)
kept = [ls.load(path) for path in sorted(Path().glob("run-epoch*.safetensors"))]
results = ls.analyses.trajectory([ls.Objective(network, images.take(128)) for network in kept])
"""
_SHIPPED = "import landscape as ls\nfrom landscape.comparison import {name}\n\nresults = {how}\n"
SPECIAL = {
    "trajectory": _TRAINED,
    "polar": _TRAINED,
    "overview": _SHIPPED.format(name="verdicts", how="verdicts(ls.family.measured())"),
    "chain": _SHIPPED.format(name="verdicts", how="verdicts(ls.family.measured())"),
    "correlations": "import landscape as ls\n"
    "from landscape.comparison import correlations, pooled\n"
    "from landscape.comparison.conditional import alike, usual\n\n"
    "results = correlations(pooled(usual(alike(ls.family.measured()))))\n",
    "conditions": _SHIPPED.format(name="conditional", how="conditional(ls.family.measured())"),
}
"""Code of figures that are of no single measurement."""


def drawn() -> list[str]:
    """Names of the figures that have a picture in the gallery."""
    return sorted(path.stem for path in IMAGES.glob("*.webp"))


def code(name: str) -> str:
    """Python that measures and draws a figure, as it stands on its page."""
    from landscape.figures.registry import find

    kinds = {each.kind: each for each in MEASURED}
    if name in SPECIAL:
        before = SPECIAL[name]
    else:
        before = OTHERWISE.get(name, kinds.get(find(name).kind, MEASURED[0])).code()
    after = f'ls.figures.{name}(results).savefig("{name}.png")\n'
    return f'{before}\n{after}print(ls.figures.caption("{name}", results))\n'


def reading(name: str) -> str:
    """What docs/figures.md says of a figure, without its picture."""
    text = (DOCS / "figures.md").read_text(encoding="utf-8")
    found = re.search(rf"^### {name}\n(.*?)(?=^#|\Z)", text, re.DOTALL | re.MULTILINE)
    section = found[1] if found else ""
    return re.sub(r"^!\[.*?\]\(.*?\)\n", "", section, flags=re.MULTILINE).strip()


def command(name: str) -> str:
    """The command that measures what a figure draws."""
    from landscape.figures.registry import VERDICTS, find
    from landscape.results.kinds import KINDS

    kind = find(name).kind
    if kind == VERDICTS:
        option = {"conditions": " --conditions"}.get(name, "")
        return f"landscape verdicts DIR{option} --out figures"
    own = {"lines": "landscape surface CKPT --line --repeats 5"}
    own |= {"sequence": "landscape surface CKPT --dropout fresh --masks 3"}
    return f"{own.get(name, KINDS[kind].measured_by)}\nlandscape plot RESULT.zarr"


def page(name: str) -> str:
    """The page of a figure."""
    from landscape.figures.registry import find

    drawing = find(name)
    caption = (IMAGES / f"{name}.txt").read_text(encoding="utf-8").strip()
    address = f"../api/figures.md#{drawing.draw.__module__}.{name}"
    return "\n\n".join(
        [
            f"# {drawing.title}",
            f"![{drawing.description}](../images/gallery/{name}.webp)",
            f"*{escaped(caption)}*",
            f"```python\n{code(name)}```",
            f"On the command line:\n\n```sh\n{command(name)}\n```",
            f"## How to read it\n\n{reading(name)}",
            f"[`ls.figures.{name}`]({address}) · [reading each figure](../figures.md#{name}) · "
            "[gallery](../gallery.md)",
        ]
    )


def escaped(text: str) -> str:
    """A caption without anything that Markdown would take for itself."""
    return re.sub(r"([*_`\[\]<>$])", r"\\\1", text)
