"""An objective whose parameters are sharded is the objective, but for the error that it states."""

import functools
import signal

import numpy as np
import pytest
import torch
from torch import Tensor

from landscape.hessian import Operator
from landscape.objective import Objective
from landscape.parameters import flatten, shifted, unflatten

from . import fsdp_jobs
from .test_shards import apart, found


def whole(name: str, dtype: str = "float64") -> Objective:
    case, options = fsdp_jobs.SHARDED[name]
    return Objective(case.module(), case.data(), dtype=dtype, **options)


@functools.cache
def dense(name: str) -> Tensor:
    """The Hessian by exact products of one process, float64, shape (n, n)."""
    operator = Operator(whole(name))
    assert operator.exact
    return torch.stack([operator(row) for row in torch.eye(operator.size, dtype=torch.float64)])


@pytest.mark.parametrize(
    ("name", "dtype", "most", "products"),
    [
        ("attention", "float64", 1e-10, 1e-5),
        ("weighted", "float64", 1e-10, 1e-5),
        ("part", "float64", 1e-10, 1e-5),
        ("smooth", "float32", 1e-5, 0.1),
    ],
)
def test_sharded_parameters_equal_one_process_within_the_stated_error(
    ranks, tmp_path, name, dtype, most, products
):
    first, second = found(ranks("sharded_numbers", tmp_path, name, dtype))
    objective, matrix = whole(name), dense(name)
    vector = torch.randn(len(matrix), generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    theta = shifted(objective.parameters, (0.01, unflatten(vector, objective.free)))
    for what, at in (("value", None), ("moved", theta)):
        value = objective.value(at)
        assert first[what] == second[what]
        assert (first[what].nll, first[what].l2) == pytest.approx((value.nll, value.l2), rel=most)
    assert apart(first["gradient"], flatten(objective.gradient())) <= most
    assert apart(first["moved gradient"], flatten(objective.gradient(theta))) <= most
    assert first["kept"]
    assert second["kept"]
    off = float(torch.linalg.vector_norm(first["product"].double() - matrix @ vector))
    assert 0 < off <= first["product error"]
    assert first["product error"] <= products * float(torch.linalg.vector_norm(matrix @ vector))
    exact, ours = np.linalg.eigvalsh(matrix.numpy())[::-1], first["eigenvalues"]
    assert ours.identical(second["eigenvalues"])
    assert ours.converged.all()
    assert (np.abs(ours.eigenvalue.values - exact[:2]) <= ours.error_bound.values).all()
    assert (ours.error_bound <= max(0.02, products) * exact[0]).all()


def test_a_result_says_what_is_exact(ranks, tmp_path):
    said = found(ranks("sharded_numbers", tmp_path, "smooth", "float32"))[0]["protocol"]
    assert (said["products"], said["parameters"], said["ranks"]) == (
        "central finite differences",
        "sharded",
        2,
    )
    assert said["exact"] == "sums of losses and inner products, in float64"
    assert said["not exact"] == "gradients, which FSDP adds over ranks in float32, and products"
    assert said["product_error"] > 0
    assert "in float32, kinks of ReLU within h count as curvature" in said["error of products"]


def test_what_cannot_be_measured_is_refused(ranks, tmp_path):
    first, second = found(ranks("refusals", tmp_path))
    expected = [
        "embed.weight is not sharded; wrap the whole network, torch.distributed.fsdp.fully_shard(module)",
        "embed.weight is not sharded; wrap the whole network",
        "the network computes in bfloat16 and float64, expected float32 or float64 throughout",
        "the network computes in bfloat16, expected float32 or float64 throughout",
        "head.bias is frozen, so that FSDP computes no gradient of it",
        "dropout cannot be chosen for a sharded network; known are task, loss, weight_decay, params",
        "1 samples cannot be shared out among 2 ranks; start fewer ranks",
        "the gradient is not the derivative of the loss: its length is",
        "network gives other losses for the same samples twice: it draws random numbers",
        "of sharded parameters only top_eigenvalues and eigenpairs can be had",
        "eigenvectors of sharded parameters lie in parts with the ranks",
        "of sharded parameters method power knows nothing; use lanczos",
        "a matrix-vector product is not finite (NaN or infinity)",
    ]
    for told in (first, second):
        assert len(told) == len(expected)
        for words, start in zip(told, expected, strict=True):
            assert words.startswith(start)


def test_ranks_that_come_apart_stop(ranks, tmp_path):
    for words in found(ranks("apart", tmp_path)):
        assert words.startswith("the ranks have come apart: vectors of rank 1 differ from those of rank 0")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("killed", "rank 1 ended without a word: it was killed, or its machine is lost; give the same"),
        ("fails", "rank 1 failed: no room left; give the same command again"),
    ],
)
def test_a_rank_that_is_lost_inside_of_fsdp_is_named(ranks, tmp_path, how, words):
    first, second = ranks("lost", tmp_path, how)
    assert second.status == {"killed": -signal.SIGKILL, "fails": 1}[how]
    assert second.out == ("rank 1 failed: no room left\n" if how == "fails" else "")
    assert first.status == 0, first.err
    said, seconds = first.found
    assert said.startswith(words)
    assert seconds < 15
