"""A network as the analyses see it: a module, what its inputs need, and where it came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from landscape.samples import Normalisation, Samples
from landscape.trees import Tree


@dataclass(frozen=True)
class Network:
    """A module with its normalisation and provenance.

    Attributes:
        module: Any network from normalised images to logits.
        normalisation: What its inputs need; None leaves it to the data set.
        name: Short label for figures.
        architecture: What it is, in words.
        path: The checkpoint file, if any.
        sha256: The file's digest, if any.
        training: The training record stored in the checkpoint.
        config: The zoo configuration it was built from, as plain values; empty for other networks.
        surgery: What was inserted after training, such as `blur@layer1`.
        notes: What a user should know about how it was loaded.
        input_size: Channels, height and width of its images, where they are known.
        shaping: How images get that size in its usual evaluation, see `landscape.data.pictures.Shaping`.
        origins: Where its classes, input size and normalisation come from, where a library states them.
        beside: Numbers and short texts that stand beside the weights in its file.
    """

    module: nn.Module
    normalisation: Normalisation | None = None
    name: str = "network"
    architecture: str = ""
    path: Path | None = None
    sha256: str | None = None
    training: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    surgery: str = ""
    input_size: tuple[int, ...] = ()
    shaping: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    beside: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        architecture = f"{self.architecture}, " if self.architecture else ""
        return f"<Network {self.name!r}: {architecture}{self.parameter_count():,} parameters>"

    def parameter_count(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.module.parameters())

    def normalised_for(self, samples: Samples, override: Normalisation | None = None) -> Network:
        """The network with the normalisation that applies: the override, its own, or the data set's."""
        origins = dict(self.origins)
        if origins and override:
            origins["normalisation"] = "given"
        elif origins and not self.normalisation:
            origins["normalisation"] = "usual for the data set"
        normalisation = override or self.normalisation or samples.normalisation
        return replace(self, normalisation=normalisation, origins=origins)

    def prepare(self, inputs: Tree) -> Tree:
        """Images in [0, 1] → inputs of the module; several inputs of a sample stay what they are."""
        return self.normalisation(inputs) if self.normalisation and isinstance(inputs, Tensor) else inputs

    def rows(self) -> list[tuple[str, str]]:
        """What a notebook shows: architecture, parameters, normalisation and file."""
        scale = self.normalisation
        rows = [
            ("architecture", self.architecture or type(self.module).__name__),
            ("parameters", f"{self.parameter_count():,}"),
            ("normalisation", f"mean {_listed(scale.mean)}, std {_listed(scale.std)}" if scale else "none"),
        ]
        if self.path:
            rows.append(("file", f"{self.path.name}, SHA-256 {(self.sha256 or 'not known')[:12]}"))
        return rows + [("note", note) for note in self.notes]

    def _repr_html_(self) -> str:
        from landscape.display import table

        return table(self.name, self.rows())


def _listed(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode for every submodule while open; each one's own training flag is put back."""
    training = [layer for layer in module.modules() if layer.training]
    for layer in training:
        layer.training = False
    try:
        yield
    finally:
        for layer in training:
            layer.training = True
