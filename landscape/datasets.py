"""PyTorch's data sets and loaders as parts that are read when asked for."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    default_collate,
)

from landscape import trees
from landscape.errors import DataError
from landscape.lazy import Lazy, Source, seeded
from landscape.trees import Tree

TARGETS = ("labels", "label", "targets", "target", "mask")
"""Keys of the targets in a sample that is a mapping."""


class Items:
    """Samples of a map-style data set, collated; random transforms depend on seed and index alone."""

    def __init__(self, dataset: Any, collate: Callable[[list[Any]], Any], seed: int) -> None:
        """What to read, how to put samples together, and the seed of random transforms."""
        self._dataset, self._collate, self._seed = dataset, collate, seed
        self._shape: Any = None

    def tree(self, positions: np.ndarray) -> Tree:
        """Inputs and targets of the samples at these positions; targets are None where there are none.

        Raises:
            DataError: If a sample cannot be read, or they do not fit together.
        """
        items = []
        for index in positions.tolist():
            try:
                with seeded(self._seed, index):
                    items.append(self._dataset[index])
            except Exception as error:  # code of the user's raises anything
                raise DataError(f"sample {index} of the data set cannot be read: {_reason(error)}") from error
        try:
            with seeded(self._seed, int(positions[0])):
                batch = trees.plain(self._collate(items))
        except (RuntimeError, TypeError, ValueError, KeyError) as error:
            raise DataError(
                f"samples of the data set do not fit into one batch: {_reason(error)}; bring them to one "
                "shape with a transform, or give a DataLoader with a collate_fn that does"
            ) from error
        return _split(batch)

    def __call__(self, positions: np.ndarray) -> list[Tensor]:
        """The tensors of the tree, in order."""
        tree = self.tree(positions)
        shape = trees.mapped(lambda leaf: leaf.shape[1:], tree)
        if self._shape is not None and shape != self._shape:
            raise DataError(f"samples from {positions[0]} on have other parts or shapes than the first ones")
        self._shape = shape
        return trees.leaves(tree)


def parts(data: Any, *, seed: int = 0) -> tuple[Tree, Tree]:
    """Inputs and targets of a data set, each a tree of parts that are read when asked for.

    Args:
        data: A map-style data set whose samples are (input, target), a mapping with one of `TARGETS`, or an
            input alone; or a loader, of which its data set and collation are taken, and of its sampler which
            samples, not their order.
        seed: Of random transforms.

    Returns:
        Inputs and targets; targets are None where there are none.

    Raises:
        DataError: As `positions`; or if a sample cannot be read, or depends on those it is collated with.
    """
    dataset, collate = (data.dataset, data.collate_fn) if isinstance(data, DataLoader) else (data, None)
    everything = positions(data)
    items = Items(dataset, collate or default_collate, seed)
    source, places = Source(items), itertools.count()

    def part(leaf: Tensor) -> Lazy:
        if leaf.dim() == 0 or len(leaf) != 1:
            raise DataError(
                f"a batch of one sample holds a tensor of shape {tuple(leaf.shape)}; expected that the first "
                "dimension of every part is the sample"
            )
        return Lazy(source, next(places), everything, leaf)

    found = trees.mapped(part, items.tree(everything[:1]))
    if collate not in (None, default_collate) and len(everything) > 1:
        _check_collation(items, everything[:2])
    return found


def _check_collation(items: Items, two: np.ndarray) -> None:
    """Refuse what gives a sample that is another one in another batch, as mixup does."""
    together, apart = items.tree(two), [items.tree(two[i : i + 1]) for i in range(2)]
    for both, *single in zip(*(trees.leaves(tree) for tree in (together, *apart)), strict=True):
        alike = len({leaf.shape[1:] for leaf in (both, *single)}) == 1  # else other messages say more
        if alike and not torch.equal(both, torch.cat(single)):
            raise DataError(
                "the collate_fn of the loader gives other samples in a batch of two than one by one, as "
                "mixup does, or random numbers; give the loader's data set, or a collate_fn without"
            )


def positions(data: Any) -> np.ndarray:
    """Which samples of a data set count, in its order: all, or those that a loader's sampler is limited to.

    Raises:
        DataError: If it has no length or no samples, is read in one pass only, or a sampler draws samples
            with repetition or in a way of its own.
    """
    dataset = data.dataset if isinstance(data, DataLoader) else data
    if isinstance(dataset, list | tuple):
        raise DataError(
            f"the data are a {type(dataset).__name__} of {len(dataset)}, expected a pair of inputs and "
            "targets, or a data set of PyTorch; torch.utils.data.default_collate makes such a pair of samples"
        )
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__"):
        raise DataError(
            f"the data are a {type(dataset).__name__}, which can only be read from the beginning; give a "
            "map-style data set (with __getitem__ and __len__), or its samples as tensors"
        )
    try:
        count = len(dataset)  # type: ignore[arg-type]
    except (TypeError, NotImplementedError) as error:
        raise DataError(f"the data set ({type(dataset).__name__}) does not say its length") from error
    if count < 1:
        raise DataError("the data set holds no samples; at least one is needed")
    return _sampled(data, count) if isinstance(data, DataLoader) else np.arange(count)


def _sampled(loader: DataLoader, count: int) -> np.ndarray:
    batches = loader.batch_sampler
    sampler = loader.sampler if batches is None else getattr(batches, "sampler", None)
    if type(batches) not in (BatchSampler, type(None)):
        sampler = batches
    whole = isinstance(sampler, RandomSampler) and not sampler.replacement and sampler.num_samples == count
    if whole or isinstance(sampler, SequentialSampler):
        return np.arange(count)
    if isinstance(sampler, SubsetRandomSampler):
        return np.sort(np.asarray(sampler.indices, dtype=np.int64))
    raise DataError(
        f"the loader draws samples with a {type(sampler).__name__}, and a loss over fixed samples takes each "
        "of them once; give the loader's data set, or torch.utils.data.Subset of it with the samples to take"
    )


class Digest:
    """Digest of samples in their order, sample by sample, whatever the batches they were read in."""

    def __init__(self) -> None:
        self.count, self.digest = 0, hashlib.sha256()

    def add(self, start: int, found: Tree) -> None:
        """What is new of a batch that begins no later than where the last one ended."""
        stop = start + trees.count(found)
        if not start <= self.count < stop:
            return
        parts = [leaf.detach().cpu().contiguous() for leaf in trees.leaves(found)]
        for row in range(self.count - start, stop - start):
            for part in parts:
                self.digest.update(part[row].reshape(-1).view(torch.uint8).numpy().data)
        self.count = stop


class Ahead(Dataset):
    """Batches as items, for processes that read ahead."""

    def __init__(self, read: Callable[[int, int], Tree], count: int, size: int) -> None:
        """What reads the samples start … stop − 1, how many there are, and how many make a batch."""
        self._read, self._count, self._size = read, count, size

    def __len__(self) -> int:
        return -(-self._count // self._size)

    def __getitem__(self, position: int) -> Tree:
        return self._read(position * self._size, (position + 1) * self._size)


def _split(batch: Tree) -> tuple[Tree, Tree]:
    """Inputs and targets; what is neither tensor nor number, such as names of files, is left out."""
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return _tensors(batch[0]), _tensors(batch[1])
    if isinstance(batch, Mapping):
        for name in TARGETS:
            if name in batch:
                rest = _tensors({key: value for key, value in batch.items() if key != name})
                return (next(iter(rest.values())) if len(rest) == 1 else rest), _tensors(batch[name])
        return _tensors(batch), None
    if isinstance(batch, Tensor):
        return batch, None
    count = f" of {len(batch)}" if isinstance(batch, tuple | list) else ""
    raise DataError(
        f"a sample of the data set is a {type(batch).__name__}{count}, expected a pair of input and target, "
        "a mapping or a tensor; wrap the data set so that it gives one of these"
    )


def _tensors(tree: Tree) -> Tree:
    if isinstance(tree, Mapping):
        held = {key: _tensors(value) for key, value in tree.items()}
        return {key: value for key, value in held.items() if trees.leaves(value)}
    if isinstance(tree, Tensor | tuple | list):
        return tree
    if isinstance(tree, np.ndarray) and tree.dtype.kind in "biuf":
        return torch.from_numpy(tree)
    return []


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
