"""Samples: a fixed, ordered set of inputs and targets that remembers where it came from."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from landscape import trees
from landscape.datasets import Ahead, Digest, parts, positions
from landscape.errors import DataError, DataRequestError
from landscape.images import CropFlip, Normalisation
from landscape.lazy import Lazy
from landscape.precision import usable
from landscape.trees import Tree

__all__ = ["CropFlip", "Normalisation", "Samples"]

_PIECE = 2**24  # bytes that are read at once for a digest


@dataclass(frozen=True)
class Samples:
    """A fixed set of inputs and targets, in a fixed order.

    Attributes:
        inputs: Images, uint8 in 0…255 or floating point, shape (sample, channel, height, width); or any
            floating-point tensor whose first dimension is the sample, or integers such as tokens, which stay
            integers; or a mapping, tuple or list of such tensors. NumPy arrays become tensors.
        targets: Class indices, shape (sample,), which become int64; or whatever the loss compares outputs
            with, the first dimension being the sample. If left out, there are none: shape (sample, 0).
        source: Where they come from, in words (a data specification such as ``cifar10:DIR``).
        split: ``train`` or ``test``.
        indices: Position of each sample in its source, shape (sample,).
        normalisation: The one usual for this data set; a network that stores its own takes precedence.
        augmentation: Frozen crop and flip, one for each sample; None for clean images.
        class_names: Names of the classes, where known.
        workers: Number of processes that read ahead.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> images, labels = torch.zeros(100, 3, 32, 32), torch.arange(100) % 10
        >>> samples = ls.Samples(images, labels, source="black images", split="train")
        >>> len(samples.take(20)), samples.take(20).targets[:3]
        (20, tensor([0, 1, 2]))
    """

    inputs: Tree
    targets: Tree = None
    source: str = "tensors"
    split: str = ""
    indices: np.ndarray | None = None
    normalisation: Normalisation | None = None
    augmentation: CropFlip | None = None
    class_names: tuple[str, ...] = field(default=())
    workers: int = 0
    _read: Digest = field(default_factory=Digest, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, data: Any, *, seed: int = 0, workers: int = 0, **fields: Any) -> Samples:
        """The samples of a data set or loader of PyTorch, read when they are needed, or of plain arrays.

        Args:
            data: A map-style `Dataset`, a `DataLoader` (collation and samples are its, the order its data
                set's), or a pair of arrays or tensors.
            seed: Seed of random transforms; those of a sample depend only on the seed and its index.
            workers: Processes that read ahead.
            **fields: Such as `source`, `split` or `normalisation`.

        Raises:
            DataError: If it cannot be read sample by sample.
        """
        if not isinstance(data, tuple | list) or len(data) != 2:
            held = data.dataset if isinstance(data, DataLoader) else data
            own = {"source": f"{type(held).__name__}, seed {seed}", "indices": positions(data)}
            data, fields = parts(data, seed=seed), own | fields
        return cls(data[0], data[1], workers=workers, **fields)

    def __post_init__(self) -> None:
        inputs = _tensors(self.inputs, "inputs")
        none = self.targets is None
        targets = torch.empty(trees.count(inputs), 0) if none else _tensors(self.targets, "targets")
        targets = _long(targets)
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "targets", targets)
        for name, tree in (("inputs", inputs), ("targets", targets)):
            for leaf in trees.leaves(tree):
                if len(leaf) != len(self):
                    raise DataError(f"{len(self)} inputs but {len(leaf)} {name} in {self.source}")
        if len(self) == 0:
            raise DataError(f"{self.source} holds no samples; at least one is needed")
        if self.indices is None:
            object.__setattr__(self, "indices", np.arange(len(self)))

    def __len__(self) -> int:
        return trees.count(self.inputs)

    def numbers(self) -> int:
        """How many numbers the inputs of one sample hold."""
        return sum(leaf.shape[1:].numel() for leaf in trees.leaves(self.inputs))

    def image_size(self) -> tuple[int, int]:
        """Height and width of the images.

        Raises:
            DataError: If the inputs are anything but images, shape (sample, channel, height, width).
        """
        if isinstance(self.inputs, Tensor | Lazy) and self.inputs.dim() == 4:
            return int(self.inputs.shape[2]), int(self.inputs.shape[3])
        shapes = ", ".join(str(tuple(leaf.shape[1:])) for leaf in trees.leaves(self.inputs))
        raise DataError(f"this needs images, shape (channel, height, width), got inputs of shape {shapes}")

    def images(self) -> Tensor:
        """The images, all of them read, shape (sample, channel, height, width).

        Raises:
            DataError: If the inputs are anything else.
        """
        self.image_size()
        return trees.read(self.inputs)

    def take(self, count: int, *, seed: int | None = None) -> Samples:
        """The first `count` samples in file order, or `count` drawn without replacement.

        Args:
            count: How many samples, at most ``len(self)``.
            seed: None takes the first ones; a number draws that many with this seed, kept in file order.

        Raises:
            DataError: If `count` is not between 1 and the number of samples.
            DataRequestError: If the seed is negative.

        Examples:
            >>> import landscape as ls
            >>> ls.data.demo("test").take(5, seed=0).indices
            array([269, 307, 510, 635, 847])
        """
        if not 1 <= count <= len(self):
            raise DataError(
                f"{count} samples asked for, but {self.source} ({self.split or 'all'}) holds {len(self)}; "
                f"choose a number from 1 to {len(self)}"
            )
        if seed is None:
            return self.select(np.arange(count))
        if seed < 0:
            raise DataRequestError(f"the sample seed is {seed}; choose 0 or a positive integer")
        rng = np.random.default_rng(seed)
        return self.select(np.sort(rng.choice(len(self), size=count, replace=False)))

    def select(self, positions: Sequence[int] | np.ndarray) -> Samples:
        """The samples at these positions, in this order, each with the augmentation it had.

        Positions that follow one another give views, which take no memory of their own.
        """
        where = np.asarray(positions)
        chosen = _as_slice(where) or torch.from_numpy(where)
        return replace(
            self,
            inputs=trees.rows(self.inputs, chosen),
            targets=trees.rows(self.targets, chosen),
            indices=self._indices()[where],
            augmentation=self.augmentation.select(where) if self.augmentation else None,
        )

    def augmented(self, seed: int, *, padding: int = 4) -> Samples:
        """The same samples under one frozen draw of random crop and horizontal flip.

        The draw of a sample depends on the seed and on its index in the source alone, so that it does not
        change with the subset that was taken.
        """
        self.image_size()
        indices = self._indices()
        plan = CropFlip.draw(int(indices.max()) + 1, seed=seed, padding=padding)
        return replace(self, augmentation=plan.select(indices))

    def batch(self, start: int, stop: int, *, dtype: torch.dtype = torch.float32) -> tuple[Tree, Tree]:
        """Inputs (images scaled to [0, 1] where stored as bytes) and targets of the samples start … stop − 1.

        What is floating-point comes in the given precision.
        """
        return self._prepared(start, self.stored(start, stop), dtype)

    def stored(self, start: int, stop: int) -> tuple[Tree, Tree]:
        """Inputs and targets as they are stored."""
        return trees.read(trees.rows((self.inputs, self.targets), slice(start, stop)))

    def batches(self, size: int, *, dtype: torch.dtype = torch.float32) -> Iterator[tuple[int, Tree, Tree]]:
        """Every batch of so many samples: position of the first one, inputs and targets as in `batch`."""
        starts = range(0, len(self), size)
        ahead: Iterable[tuple[Tree, Tree]] = (self.stored(start, start + size) for start in starts)
        if self.workers and trees.is_lazy((self.inputs, self.targets)):
            # A generator of its own: the usual one would take a number from the global random state.
            own: Any = {"num_workers": self.workers, "generator": torch.Generator()}
            ahead = DataLoader(Ahead(self.stored, len(self), size), batch_size=None, **own)
        reading = iter(ahead)
        for start in starts:  # nothing here holds on to a batch
            yield start, *self._prepared(start, next(reading), dtype)

    def _prepared(self, start: int, found: tuple[Tree, Tree], dtype: torch.dtype) -> tuple[Tree, Tree]:
        if trees.is_lazy((self.inputs, self.targets)):
            self._read.add(start, found)
        inputs, targets = found
        if self.augmentation is not None:
            places = np.arange(start, start + trees.count(inputs))
            inputs = self.augmentation.select(places).apply(inputs)
        if isinstance(inputs, Tensor) and inputs.dtype == torch.bool:
            inputs = inputs.to(dtype)
        elif isinstance(inputs, Tensor) and inputs.dtype == torch.uint8:  # divided in working precision
            inputs = inputs.to(dtype).div_(255) if inputs.dim() == 4 else inputs.long()
        return trees.mapped(lambda leaf: _precise(leaf, dtype), (inputs, _long(targets)))

    def describe(self, content: str = "") -> dict[str, Any]:
        """What the protocol records: source, split, number, digests of indices and content, augmentation.

        Args:
            content: Digest of inputs and targets, where they were read elsewhere.
        """
        indices = hashlib.sha256(np.ascontiguousarray(self._indices().astype(np.int64)).tobytes())
        return {
            "source": self.source,
            "split": self.split,
            "samples": len(self),
            "indices_sha256": indices.hexdigest()[:16],
            "content_sha256": content or self._content_digest(),
            "augmentation": self.augmentation.describe() if self.augmentation else None,
        }

    def _content_digest(self) -> str:
        """Digest of inputs and targets themselves, so that a file edited in place is another data set."""
        if trees.is_lazy((self.inputs, self.targets)):
            return self._digest_of_reading()
        digest = hashlib.sha256()
        for tensor in (*trees.leaves(self.targets), *trees.leaves(self.inputs)):
            rows = max(1, _PIECE * len(tensor) // max(1, tensor.nbytes))
            for start in range(0, len(tensor), rows):  # piece by piece: the file may be larger than memory
                piece = trees.read(tensor[start : start + rows]).detach().cpu().contiguous()
                digest.update(piece.view(torch.uint8).numpy().data)
        return digest.hexdigest()[:16]

    def _digest_of_reading(self) -> str:
        """The same of samples that are read when asked for: what one pass over them has seen."""
        while (start := self._read.count) < len(self):
            self._read.add(start, self.stored(start, start + 64))
        return self._read.digest.hexdigest()[:16]

    def _indices(self) -> np.ndarray:
        indices = self.indices
        if indices is None:  # set in __post_init__; this narrows the type
            raise DataError("samples without indices")
        return indices


def _tensors(value: Any, name: str) -> Tree:
    """A tensor, or a tree of them.

    Raises:
        DataError: If a part of it is anything else than a tensor or an array of numbers.
    """
    if isinstance(value, Lazy):
        return value
    value = trees.plain(value)
    if not isinstance(value, dict | tuple | list) or not value:
        return _tensor(value, name)
    parts = value.values() if isinstance(value, dict) else value
    if all(isinstance(part, int | float) for part in parts):
        return _tensor(value, name)
    made = [_tensors(part, name) for part in parts]
    return dict(zip(value, made, strict=True)) if isinstance(value, dict) else type(value)(made)


def _tensor(value: Any, name: str) -> Tensor:
    """A tensor with at least one dimension.

    Raises:
        DataError: If it is anything else than a tensor or an array of numbers.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        mapped = isinstance(value, np.memmap)  # stays in its file; nothing here writes to samples
        value = value.astype(value.dtype.newbyteorder("="), copy=not (mapped or value.flags.writeable))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = torch.from_numpy(value)
    if not isinstance(value, Tensor):
        raise DataError(f"the {name} are a {type(value).__name__}, expected one tensor or NumPy array")
    if value.dim() == 0:
        raise DataError(
            f"the {name} are a single number, expected a tensor whose first dimension is the sample"
        )
    with torch.inference_mode(False):
        return usable(value)


def _long(targets: Tree) -> Tree:
    return trees.mapped(
        lambda leaf: leaf.long() if isinstance(leaf, Tensor) and _is_integer(leaf) else leaf, targets
    )


def _is_integer(tensor: Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)


def _precise(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _as_slice(where: np.ndarray) -> slice | None:
    """Positions that follow one another, as a slice."""
    if where.ndim != 1 or where.dtype.kind not in "iu" or not len(where) or where[0] < 0:
        return None
    start, stop = int(where[0]), int(where[0]) + len(where)
    return slice(start, stop) if np.array_equal(where, np.arange(start, stop)) else None
