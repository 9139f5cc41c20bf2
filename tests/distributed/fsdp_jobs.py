"""What ranks do with sharded parameters in tests; see `tests.distributed.jobs`."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from landscape import hessian
from landscape.distributed import FullySharded, joined
from landscape.errors import LandscapeError
from landscape.hessian.parts import PartedHessian
from landscape.results import attribute
from tests.cases import Case
from tests.distributed import jobs


class Smooth(jobs.Attention):
    """A transformer without kinks, which float32 cannot tell from curvature."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation="gelu", batch_first=True)


SHARDED: dict[str, tuple[Case, dict[str, Any]]] = {
    "attention": (jobs.CASES["attention"], {"weight_decay": 0.1, "micro_batch": 2}),
    "smooth": (Case("smooth", Smooth, shape=(5, 4), samples=8), {"weight_decay": 0.1, "micro_batch": 3}),
    "weighted": (Case("weighted", jobs.Attention, shape=(5, 4), samples=7), {"loss": jobs.weighted()}),
    "part": (
        Case("part", jobs.Attention, shape=(5, 4), samples=9),
        {"params": "block.*weight,!*norm*", "micro_batch": 4},
    ),
}
"""Networks that are sharded, and options of their objectives."""


def module(name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    """The network of a case, sharded by block and as a whole."""
    whole = SHARDED[name][0].module().to(dtype)
    fully_shard(whole.block)
    return fully_shard(whole)


def objective(name: str = "attention", dtype: str = "float64", **changes: Any) -> FullySharded:
    case, options = SHARDED[name]
    inputs, targets = case.data()
    return FullySharded(module(name, getattr(torch, dtype)), (inputs, targets), joined(), **options | changes)


def gathered(own: FullySharded, part: Tensor) -> Tensor:
    """A whole vector, out of the parts of all ranks, by another road: PyTorch's own."""
    pieces = part.split([value.to_local().numel() for value in own.parameters._free])
    return torch.cat(
        [
            DTensor.from_local(
                piece.view(value.to_local().shape), value.device_mesh, value.placements, shape=value.shape,
                stride=value.stride(),
            ).full_tensor().reshape(-1)
            for piece, value in zip(pieces, own.parameters._free, strict=True)
        ]
    )  # fmt: skip


def own_part(own: FullySharded, vector: Tensor) -> Tensor:
    """This rank's part of a whole vector."""
    from torch.distributed.tensor import distribute_tensor

    pieces = vector.split([value.numel() for value in own.parameters._free])
    return torch.cat(
        [
            distribute_tensor(piece.view(value.shape), value.device_mesh, value.placements)
            .to_local()
            .reshape(-1)
            for piece, value in zip(pieces, own.parameters._free, strict=True)
        ]
    )


def sharded_numbers(name: str, dtype: str) -> dict[str, Any]:
    """Values, gradients and products at the weights and off them, and eigenvalues."""
    own = objective(name, dtype)
    generator = torch.Generator().manual_seed(5)
    vector = torch.randn(own.parameters.size, generator=generator, dtype=torch.float64)
    shift = 0.01 * own_part(own, vector)
    before = [value.to_local().clone() for value in own.parameters._all]
    operator = PartedHessian(own)
    found = {
        "value": own.value(),
        "moved": own.value(shift),
        "gradient": gathered(own, own.gradient()),
        "moved gradient": gathered(own, own.gradient(shift)),
        "product": gathered(own, operator(own_part(own, vector).to(own.dtype))),
        "product error": operator.product_error * float(vector.norm()),
        "eigenvalues": hessian.top_eigenvalues(own, 2, tolerance=1e-2),
    }
    found["protocol"] = attribute(found["eigenvalues"], "protocol")
    after = [value.to_local() for value in own.parameters._all]
    found["kept"] = all(map(torch.equal, before, after)) and all(
        value.grad is None for value in own.parameters._all
    )
    return found


def refusals() -> list[str]:
    """What is no network whose parameters are sharded as they have to be, and what cannot be had of one."""
    case, _ = SHARDED["attention"]
    data, group = case.data(), joined()

    def told(make: Callable[[], Any]) -> str:
        try:
            make()
        except LandscapeError as error:
            return str(error)
        return ""

    def partly() -> nn.Module:
        whole = case.module()
        fully_shard(whole.block)
        return whole

    def frozen() -> nn.Module:
        whole = case.module()
        whole.head.requires_grad_(False)
        return fully_shard(whole)

    def mixed() -> nn.Module:
        return fully_shard(case.module(), mp_policy=MixedPrecisionPolicy(param_dtype=torch.bfloat16))

    def scaled() -> nn.Module:
        whole = fully_shard(case.module())
        whole.set_gradient_divide_factor(5.0)
        return whole

    def drawing() -> nn.Module:
        whole = case.module()
        whole.head.register_forward_hook(lambda _m, _i, out: nn.functional.dropout(out, 0.5))
        return fully_shard(whole)

    good = objective()
    return [
        told(lambda: FullySharded(case.module(), data, group)),
        told(lambda: FullySharded(partly(), data, group)),
        told(lambda: FullySharded(mixed(), data, group)),
        told(lambda: FullySharded(fully_shard(case.module().bfloat16()), data, group)),
        told(lambda: FullySharded(frozen(), data, group, params="head.*")),
        told(lambda: FullySharded(fully_shard(case.module()), data, group, dropout="fresh")),
        told(lambda: FullySharded(fully_shard(case.module()), (data[0][:1], data[1][:1]), group)),
        told(lambda: FullySharded(scaled(), data, group).gradient()),
        told(lambda: FullySharded(drawing(), data, group).value()),
        told(lambda: hessian.trace(good)),
        told(lambda: hessian.top_eigenvalues(good, vectors=True)),
        told(lambda: hessian.top_eigenvalues(good, method="power", which="magnitude")),
        told(lambda: hessian.top_eigenvalues(objective(loss=_endless))),
    ]


def _endless(outputs: Tensor, targets: Tensor) -> Tensor:
    return outputs.sum(1) * float("nan")


def apart() -> str:
    """A sum that rank 1 took for another one, as a memory error would make it."""
    own = objective()
    operator = PartedHessian(own)
    operator(torch.ones(own.parameters.here, dtype=torch.float64))
    if own.group.rank == 1:
        own._last[0] = torch.nextafter(own._last[0], torch.tensor(9.0, dtype=torch.float64))
    return jobs._refused(lambda: hessian.top_eigenvalues(own, 1))


def lost(how: str) -> tuple[str, float]:
    """Rank 1 fails or is killed in the middle of a pass, where rank 0 waits for it inside FSDP."""
    passes, latest = [0], [0.0]

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        passes[0], latest[0] = passes[0] + 1, time.monotonic()
        if passes[0] == 60 and os.environ["RANK"] == "1":
            time.sleep(1.5)  # signs of life have been given
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("no room left")
        return nn.functional.cross_entropy(outputs, targets, reduction="none")

    own = objective(loss=loss)
    words = jobs._refused(lambda: hessian.top_eigenvalues(own, 2))
    if own.group.rank == 1:
        print(words)
        raise SystemExit(1)
    return words, time.monotonic() - latest[0]
