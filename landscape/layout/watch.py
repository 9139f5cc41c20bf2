"""What every submodule did in one forward pass: how often it ran, when, and where its map stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from landscape.layout.follow import Follow
from landscape.layout.maps import MapLayout


@dataclass
class Seen:
    """One submodule in one forward pass; the last run counts.

    Attributes:
        runs: How often it ran.
        began: When it began, counting the beginnings and ends of all submodules.
        ended: When it ended.
        shape: Of its output, or of the first of several; empty if that is no tensor.
        reads: Where the map stands in what it reads; None if there is none.
        gives: Where it stands in its output.
    """

    runs: int = 0
    began: int = 0
    ended: int = 0
    shape: tuple[int, ...] = ()
    reads: MapLayout | None = None
    gives: MapLayout | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the map that it gives."""
        return (self.gives.height, self.gives.width) if self.gives else None

    @property
    def reason(self) -> str:
        """Why its output cannot be measured as a feature map; empty if it can."""
        if self.runs != 1:
            return self._repeated
        if not self.shape:
            return "gives no tensor"
        if len(self.shape) < 3:
            return "gives no feature map but one value a feature"
        return "" if self.gives else "no rows and columns of a map could be followed to its output"

    @property
    def unread(self) -> str:
        """Why what it reads cannot be measured as a feature map; empty if it can."""
        if self.runs != 1:
            return self._repeated
        return "" if self.reads else "no rows and columns of a map could be followed to its input"

    @property
    def _repeated(self) -> str:
        if not self.runs:
            return "did not run on the samples watched"
        return f"runs {self.runs} times in a forward pass"


def watch(module: nn.Module, run: Callable[[], object]) -> dict[str, Seen]:
    """What every submodule did while `run` ran the network once; the hooks are removed, also after an error.

    Args:
        module: The network.
        run: Runs it on a few samples.
    """
    found = {name: Seen() for name, _ in module.named_modules()}
    follow = Follow()
    handles, clock = follow_inputs(module, follow), [0]
    try:
        for name, part in module.named_modules():
            before, after = _notes(found[name], follow, clock)
            handles.append(part.register_forward_pre_hook(before, with_kwargs=True))
            handles.append(part.register_forward_hook(after))
        with follow:
            run()
    finally:
        for handle in handles:
            handle.remove()
    return found


def follow_inputs(module: nn.Module, follow: Follow) -> list[RemovableHandle]:
    """Hooks by which the network's input is where following begins."""

    def begin(_module: nn.Module, args: Any, kwargs: Any) -> None:
        values = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        images = [value for value in values if value.dim() == 4]
        for value in images[:1] or values[:1]:
            follow.begin(value)

    return [module.register_forward_pre_hook(begin, with_kwargs=True)]


def first_tensor(value: Any) -> Tensor | None:
    """A tensor, or the first of several, such as attention's output beside its weights."""
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, tuple | list) and value:
        value = value[0]
    return value if isinstance(value, Tensor) else None


def _notes(seen: Seen, follow: Follow, clock: list[int]) -> tuple[Callable[..., None], Callable[..., None]]:
    def before(_part: nn.Module, args: Any, kwargs: Any) -> None:
        clock[0] += 1
        seen.began = clock[0]
        seen.reads = follow.map_layout(first_tensor((*args, *kwargs.values())))

    def after(_part: nn.Module, _args: Any, output: Any) -> None:
        clock[0] += 1
        tensor = first_tensor(output)
        seen.runs, seen.ended = seen.runs + 1, clock[0]
        seen.shape = () if tensor is None else tuple(tensor.shape)
        seen.gives = follow.map_layout(tensor)

    return before, after
