"""The layers of a network as a table: names, shapes, parameters, and the sizes of what they give."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from landscape.errors import LandscapeError, printable
from landscape.layout import watch
from landscape.network import Network, evaluating
from landscape.zoo.surgery import FAILURES

_SHAPING = re.compile(r"pool|flatten|blur|smooth|pad|upsample|unfold|embed", re.IGNORECASE)
_SIZES = (32, 64, 224, 28)
_LATEX = str.maketrans(
    {char: f"\\{char}" for char in "&%$#_{}"} | {"×": r"$\times$", "\\": r"\textbackslash{}"}
)


@dataclass(frozen=True)
class Row:
    """One layer.

    Attributes:
        name: Of the submodule.
        kind: Its class.
        weight: Shape of its weight, or of its first tensor; empty where it has none.
        parameters: How many numbers training moves in it, those of an earlier layer that it shares left out.
        output: Shape of what it gives for one sample; empty where that is not known.
    """

    name: str
    kind: str
    weight: tuple[int, ...]
    parameters: int
    output: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }


def layer_table(network: Network, size: Sequence[int] = ()) -> tuple[list[Row], tuple[int, ...], str]:
    """The layers that hold weights or change sizes, in the network's order.

    Args:
        network: It stays as it is; a copy sees one grey image.
        size: Shape of an input without the sample's dimension, such as (3, 32, 32); by default the network's
            own, else the first usual one that it takes.

    Returns:
        The rows, the shape of the input, and why there are no output sizes, empty where there are.
    """
    shapes, taken, reason = _outputs(network, tuple(size))
    rows: list[Row] = []
    counted: set[int] = set()
    for name, part in network.module.named_modules():
        own = [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]
        leaf = next(part.children(), None) is None
        if not (own or (leaf and _SHAPING.search(type(part).__name__))):
            continue
        fresh = {id(p): p.numel() for p in part.parameters(recurse=False) if id(p) not in counted}
        counted |= fresh.keys()
        weight = next((value for key, value in own if key == "weight"), own[0][1] if own else None)
        shape = () if weight is None else tuple(weight.shape)
        rows.append(Row(name, type(part).__name__, shape, sum(fresh.values()), shapes.get(name, ())))
    return rows, taken, reason


def text(rows: Sequence[Row]) -> list[str]:
    """Lines of a table in columns."""
    cells = [("layer", "kind", "weight", "parameters", "output")]
    cells += [
        (row.name, row.kind, _size(row.weight), f"{row.parameters:,}", _size(row.output)) for row in rows
    ]
    cells = [tuple(printable(cell, 80) for cell in line) for line in cells]  # type: ignore[misc]
    wide = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i == 3 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, wide, strict=True))
        ).rstrip()
        for line in cells
    ]


def latex(rows: Sequence[Row], caption: str) -> list[str]:
    """Lines of a LaTeX table, of plain ``tabular`` rules."""
    lines = [f"% {printable(caption)}", r"\begin{tabular}{lllrl}", r"\hline"]
    lines += [r"layer & kind & weight & parameters & output \\", r"\hline"]
    for row in rows:
        cells = (row.name, row.kind, _size(row.weight), f"{row.parameters:,}", _size(row.output))
        lines.append(" & ".join(printable(cell, 80).translate(_LATEX) for cell in cells) + r" \\")
    total = f"{sum(row.parameters for row in rows):,}"
    return [*lines, r"\hline", rf"total & & & {total} & \\", r"\hline", r"\end{tabular}"]


def _size(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _outputs(
    network: Network, size: tuple[int, ...]
) -> tuple[dict[str, tuple[int, ...]], tuple[int, ...], str]:
    """Shapes of what submodules give for one input; the input's; and why there are none."""
    first = next((p for p in network.module.parameters() if p.dim() > 1), None)
    conv = next((part for part in network.module.modules() if isinstance(part, nn.Conv2d)), None)
    tried = [size or tuple(network.input_size)]
    if not tried[0]:
        channels = conv.in_channels if conv else 3
        tried = [(channels, side, side) for side in _SIZES]
        if conv is None and first is not None:
            tried.append((first.shape[1],))
    reason = ""
    for shape in tried:
        try:
            module = copy.deepcopy(network.module)
            like = next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(()))
            inputs = torch.full((2, *shape), 0.5, dtype=like.dtype)
            with torch.no_grad(), evaluating(module):
                seen = watch(module, lambda module=module, inputs=inputs: module(inputs))  # type: ignore[misc]
        except (*FAILURES, LandscapeError) as error:
            reason = reason or (str(error).strip().splitlines() or [type(error).__name__])[0]
            continue
        return {name: one.shape[1:] for name, one in seen.items() if one.runs}, shape, ""
    return {}, (), f"the network does not run on one image of {_size(tried[0])} ({printable(reason, 200)})"
