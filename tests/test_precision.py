"""Full precision: what is switched off while it is asked for, and that the user's settings come back."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from landscape import hessian
from landscape.objective import Objective
from landscape.parameters import flatten
from landscape.precision import full_precision
from tests.cases import BY_NAME, random_like

CPU = torch.device("cpu")


def precisions() -> list[str]:
    """Of every operation that could compute in less than float32."""
    backends = torch.backends
    return [
        each.fp32_precision
        for each in (
            backends.cuda.matmul,
            backends.cudnn.conv,
            backends.cudnn.rnn,
            backends.mkldnn.matmul,
            backends.mkldnn.conv,
            backends.mkldnn.rnn,
        )
    ]


def settings() -> dict:
    """What a user sees of them."""
    return {
        "operations": precisions(),
        "matmul": torch.get_float32_matmul_precision(),
        "cuda tf32": torch.backends.cuda.matmul.allow_tf32,
        "cudnn tf32": torch.backends.cudnn.allow_tf32,
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
    }


@pytest.fixture(params=["as they are", "highest", "high", "medium", "allow_tf32"])
def chosen(request: pytest.FixtureRequest) -> Iterator[str]:
    """A user's setting of torch's precision, undone afterwards."""
    before = torch.get_float32_matmul_precision()
    if request.param == "allow_tf32":
        torch.backends.cuda.matmul.allow_tf32 = True
    elif request.param != "as they are":
        torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(before)


def test_everything_is_ieee_inside_and_as_before_afterwards(chosen: str):
    before = settings()
    if chosen in ("high", "medium", "allow_tf32"):
        assert "tf32" in before["operations"]
    with full_precision(CPU), full_precision(CPU):
        assert set(precisions()) == {"ieee"}
    assert settings() == before
    with pytest.raises(ValueError, match="as asked"), full_precision(CPU):
        raise ValueError("as asked")
    assert settings() == before


def test_autocast_is_off_inside_and_on_again_afterwards():
    weights = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        before = settings()
        assert (weights @ weights).dtype == torch.bfloat16
        with full_precision(CPU):
            assert not torch.is_autocast_enabled("cpu")
            assert (weights @ weights).dtype == torch.float32
        with pytest.raises(ValueError, match="as asked"), full_precision(CPU):
            raise ValueError("as asked")
        assert (weights @ weights).dtype == torch.bfloat16
        assert settings() == before


def mixing(logits: Tensor, targets: Tensor) -> Tensor:
    """A loss with a product of matrices in it."""
    matrix = torch.linspace(0, 1, 9, dtype=logits.dtype).view(3, 3)
    return (logits @ matrix).square().sum(1)


def numbers(objective: Objective) -> list[Tensor]:
    """All that an objective computes."""
    vector = random_like(objective.free)
    return [
        objective.sample_losses()[0],
        *(logits for logits, _ in objective.outputs()),
        flatten(objective.gradient()),
        flatten(objective.hvp(vector)),
        flatten(objective.curvature(kind="ggn")(vector)),
        torch.from_numpy(hessian.top_eigenvalues(objective, 2, max_products=12).residual.values),
        torch.from_numpy(hessian.density(objective, probes=1, steps=8).node.values),
        torch.from_numpy(hessian.trace(objective, probes=3, estimator="xtrace").trace.values),
    ]


@pytest.mark.parametrize("name", ["residual-A", "mlp"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loss", [None, mixing], ids=["cross-entropy", "mixing"])
def test_an_outer_autocast_changes_no_number(name: str, dtype: torch.dtype, loss):
    case, options = BY_NAME[name], {"loss": loss} if loss else {}
    expected = numbers(case.objective(dtype=dtype, **options))
    with torch.autocast("cpu", torch.bfloat16):
        found = numbers(case.objective(dtype=dtype, **options))
        assert torch.is_autocast_enabled("cpu")
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)


class Watchful(nn.Module):
    """Notes the precision that its forward and backward passes run in."""

    def __init__(self, seen: list) -> None:
        super().__init__()
        self.linear, self.keep = nn.Linear(8, 3), seen.append

    def forward(self, x: Tensor) -> Tensor:
        z = self.linear(x).tanh()
        self.note()
        if z.requires_grad:
            z.register_hook(lambda gradient: self.note())
        return z

    def note(self) -> None:
        self.keep((set(precisions()), torch.is_autocast_enabled("cpu")))


def test_every_pass_of_an_objective_runs_in_full_precision(chosen: str):
    seen: list = []
    objective = BY_NAME["tied"].objective(Watchful(seen), dtype=torch.float32)
    before = settings()
    with torch.autocast("cpu", torch.bfloat16):
        vector = random_like(objective.free)
        for kind in ("hessian", "ggn"):
            matrix = objective.curvature(kind=kind)
            for _ in range(2):
                matrix(vector)
        objective.value()
        objective.gradient()
    assert len(seen) > 20
    assert all(each == ({"ieee"}, False) for each in seen)
    assert settings() == before
